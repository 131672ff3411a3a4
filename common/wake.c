/*
 * wake: see wake.h, which states who wakes whom.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "starter.h"
#include "status.h"
#include "trigger.h"
#include "uptime.h"
#include "wake.h"

/* Seconds without a change after which earlier digests are forgotten. */
#define PREVIOUS_SECONDS 600

/* Between looks at a lock that is about to be free, in ns. */
#define PAUSE 20000000

/* Length of the line in the lock file, which is padded with blanks. */
#define LINE 256

/* In the order of enum wake_role. */
static const char *const roles[] = { "sender", "resident", "hand" };
#define ROLES (sizeof(roles) / sizeof(roles[0]))

/* The bytes that are written for words, and which words they are. */
static const char letters[] = "nrld";

/* ---- opening ---- */

/*
 * Open the directory; if it is not there, make it.  The journal makes it
 * durable, before it takes the first message.
 */
static int
open_directory(const struct datadir *dir)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	const int fd = openat(dir->fd, "outbox", flags);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(dir->fd, "outbox", 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(dir->fd, "outbox", flags);
}

int
wake_open(struct wake *w, const struct datadir *dir)
{
	int status;

	*w = (struct wake){ .dir = dir,
		.dirfd = open_directory(dir),
		.judged = -1,
		.trigger = -1,
		.starter = -1,
		.lock = -1,
		.listen = -1 };
	if (w->dirfd < 0)
		return log_errno("outbox", "opening");
	if ((status = trigger_make(w->dirfd)) != 0)
		wake_close(w);
	return status;
}

static void
shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
wake_close(struct wake *w)
{
	shut(&w->trigger);
	shut(&w->starter);
	shut(&w->listen);
	shut(&w->lock);
	shut(&w->dirfd);
}

/* ---- the lock file ---- */

static int
open_lock(const struct wake *w)
{
	return openat(w->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static void
read_holder(int lock, struct wake_holder *holder)
{
	char line[LINE + 1], role[16];
	const ssize_t n = pread(lock, line, LINE, 0);
	long long since;
	size_t i;
	int pid;

	memset(holder, 0, sizeof(*holder));
	line[n > 0 ? n : 0] = '\0';
	if (sscanf(line, "%d %15s %16s %135s %lld", &pid, role, holder->digest,
		holder->previous, &since) != 5)
		return;
	for (i = 0; i < ROLES && strcmp(role, roles[i]) != 0; i++)
		;
	if (i == ROLES)
		return;
	holder->pid = (pid_t)pid;
	holder->role = (enum wake_role)i;
	holder->since = since;
}

/* Have couriers with both digests been replaced of late? */
static bool
disagree(const struct wake_holder *holder, const char *digest)
{
	const int64_t age = (int64_t)time(NULL) - holder->since;

	return age > -PREVIOUS_SECONDS && age < PREVIOUS_SECONDS &&
	    strstr(holder->previous, digest) != NULL &&
	    strstr(holder->previous, holder->digest) != NULL;
}

/* Who is the courier now, if the last one was this? */
static void
succeed(struct wake_holder *now, const struct wake_holder *last,
    enum wake_role role, const char *digest)
{
	const int64_t t = (int64_t)time(NULL);
	const int64_t age = t - last->since;
	const char *kept = last->previous;

	*now = *last;
	now->pid = getpid();
	now->role = role;
	snprintf(now->digest, sizeof(now->digest), "%s", digest);
	if (last->pid == 0)
		strcpy(now->previous, "-");
	if (last->pid == 0 || strcmp(last->digest, digest) == 0)
		return;
	if (age <= -PREVIOUS_SECONDS || age >= PREVIOUS_SECONDS)
		kept = "-";
	/* the latest comes first; the oldest is cut off */
	snprintf(now->previous, sizeof(now->previous), "%s,%.*s", last->digest,
	    WAKE_PREVIOUS_MAX - CONFIG_DIGEST_MAX - 1, kept);
	now->since = t;
}

static void
write_holder(int lock, const struct wake_holder *holder)
{
	char line[LINE + 1];
	const int n = snprintf(line, sizeof(line), "%d %s %s %s %lld",
	    (int)holder->pid, roles[holder->role], holder->digest,
	    holder->previous, (long long)holder->since);

	memset(line + n, ' ', sizeof(line) - (size_t)n);
	line[LINE - 1] = '\n';
	/* a full disk stops no delivery */
	if (pwrite(lock, line, LINE, 0) != LINE)
		log_errno("outbox/lock", "writing");
}

/* Is this byte of the lock file locked by a waiter? */
static bool
is_waited_for(int lock, off_t byte)
{
	struct flock l = { .l_type = F_RDLCK, .l_start = byte, .l_len = 1 };

	return fcntl(lock, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

bool
wake_holder(const struct wake *w, struct wake_holder *holder)
{
	const int trigger = trigger_open(w->dirfd);
	const int lock = trigger >= 0 ? open_lock(w) : -1;

	if (lock >= 0) {
		read_holder(lock, holder);
		close(lock);
	}
	if (trigger >= 0)
		close(trigger);
	return lock >= 0;
}

/* ---- looking who is there ---- */

/* Somebody listens: does that courier have to hand over? */
static void
judge(struct wake *w, const char *digest)
{
	const int lock = open_lock(w);
	struct wake_holder holder;

	w->due = w->differ = false;
	if (lock < 0)
		return;
	read_holder(lock, &holder);
	if (holder.pid != 0 && holder.role == WAKE_SENDER &&
	    strcmp(holder.digest, digest) != 0) {
		w->differ = disagree(&holder, digest);
		w->due = !w->differ && !is_waited_for(lock, WAKE_SENDER);
	}
	close(lock);
}

/* As wake_hold(); false if there is no courier that would do. */
static bool
hold(struct wake *w, const char *digest)
{
	const int64_t now = uptime_s();

	if (w->trigger < 0 && (w->trigger = trigger_open(w->dirfd)) < 0) {
		if (errno != ENXIO)
			log_line("outbox/trigger: %s", strerror(errno));
		return errno != ENXIO;
	}
	if (digest != NULL && now != w->judged)
		judge(w, digest);
	w->judged = now;
	return !w->due;
}

void
wake_prepare(struct wake *w, const char *courier, const char *digest)
{
	if (!hold(w, digest))
		wake_starter(w, courier);
}

void
wake_starter(struct wake *w, const char *courier)
{
	w->starter = starter_fork(courier, w->dirfd);
}

void
wake_hold(struct wake *w, const char *digest)
{
	hold(w, digest);
}

void
wake_release(struct wake *w)
{
	shut(&w->trigger);
}

/* ---- telling ---- */

static char
letter(enum wake_word word)
{
	return letters[ffs((int)word) - 1];
}

/* Write it into the trigger; false, with errno, if no courier listens. */
static bool
tell(const struct wake *w, const char *bytes, size_t n)
{
	/* another sender may have started one since */
	const int fd = w->trigger >= 0 ? w->trigger : trigger_open(w->dirfd);
	bool told;

	if (fd < 0)
		return false;
	told = trigger_write(fd, bytes, n);
	if (fd != w->trigger) {
		const int err = errno;

		close(fd);
		errno = err;
	}
	return told;
}

bool
wake_courier(struct wake *w, enum wake_word word)
{
	const char bytes[] = { letter(word), letter(WAKE_DISAGREE) };
	bool told = tell(w, bytes, w->differ ? 2 : 1);

	if (!told && errno == EPIPE) {
		/* one that is no more, but another may be at work */
		shut(&w->trigger);
		told = tell(w, bytes, 1);
	}
	/* EPIPE: one that is handing over, or was killed */
	if (!told && errno != ENXIO && errno != EPIPE)
		log_line("outbox/trigger: %s", strerror(errno));
	if (w->due || !told)
		told = starter_tell(w->starter,
			   w->due ? STARTER_ANYWAY : bytes[0]) ||
		    told;
	w->due = w->differ = false;
	return told;
}

/* ---- the courier ---- */

/* Has the courier that is at work to hand over to this one? */
static bool
is_successor(const struct wake_holder *holder, enum wake_role role,
    const char *digest)
{
	if (holder->role == WAKE_RESIDENT || role == WAKE_HAND)
		return false;
	return role == WAKE_RESIDENT ||
	    (holder->pid != 0 && holder->role == WAKE_SENDER &&
		strcmp(holder->digest, digest) != 0 &&
		!disagree(holder, digest));
}

/* Lock this kind of waiter's byte, or unlock it; false if another waits. */
static bool
mark_waiting(int lock, enum wake_role role, short type)
{
	struct flock l = { .l_type = type, .l_start = (off_t)role, .l_len = 1 };

	return fcntl(lock, F_OFD_SETLK, &l) == 0;
}

/* Get the lock, now or after the one that holds it.  0, 409 or 500. */
static int
get_lock(struct wake *w, enum wake_role role, const char *digest,
    struct wake_holder *holder)
{
	bool waits = false;

	while (flock(w->lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return log_errno("outbox/lock", "locking");
		read_holder(w->lock, holder);
		/* once it waits, it is relied on, but by no resident one */
		if (waits ? holder->role == WAKE_RESIDENT :
			    w->left || !is_successor(holder, role, digest))
			return HTTP_CONFLICT;
		if (!waits && !mark_waiting(w->lock, role, F_WRLCK))
			return HTTP_CONFLICT;
		if (!waits)
			tell(w, "l", 1);
		waits = true;
		nanosleep(&(struct timespec){ 0, PAUSE }, NULL);
	}
	return 0;
}

/* Listen.  Before the first look, the trigger fires. */
static int
listen_to(struct wake *w)
{
	const int status = trigger_make(w->dirfd);

	if (status != 0)
		return status;
	w->listen =
	    openat(w->dirfd, "trigger", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (w->listen >= 0 && w->trigger < 0)
		w->trigger = trigger_open(w->dirfd);
	if (w->listen < 0 || w->trigger < 0 || !tell(w, letters, 1))
		return log_errno("outbox/trigger", "opening");
	return 0;
}

int
wake_take(struct wake *w, enum wake_role role, const char *digest,
    struct wake_holder *holder)
{
	struct wake_holder last;
	int status;

	if ((w->lock = open_lock(w)) < 0)
		return log_errno("outbox/lock", "opening");
	w->role = role;
	if ((status = get_lock(w, role, digest, holder)) == 0) {
		mark_waiting(w->lock, role, F_UNLCK);
		read_holder(w->lock, &last);
		succeed(holder, &last, role, digest);
		write_holder(w->lock, holder);
		status = listen_to(w);
	}
	if (status != 0)
		wake_hand_over(w);
	w->left = false;
	return status;
}

int
wake_fd(const struct wake *w)
{
	return w->listen;
}

/* The word of a byte. */
static unsigned int
word_of(char byte)
{
	const char *at = memchr(letters, byte, sizeof(letters) - 1);

	/* what we don't know is an older sender's */
	return at != NULL ? 1U << (at - letters) : WAKE_NEW;
}

unsigned int
wake_words(struct wake *w)
{
	unsigned int words = 0;
	char bytes[256];
	ssize_t i, n;

	if (w->trigger < 0)
		w->trigger = trigger_open(w->dirfd);
	while ((n = read(w->listen, bytes, sizeof(bytes))) > 0)
		for (i = 0; i < n; i++)
			words |= word_of(bytes[i]);
	/* whoever wrote the word may be gone */
	words &= ~(unsigned int)WAKE_LEAVE;
	return wake_awaited(w) ? words | WAKE_LEAVE : words;
}

bool
wake_awaited(const struct wake *w)
{
	return w->role != WAKE_RESIDENT &&
	    (is_waited_for(w->lock, WAKE_RESIDENT) ||
		(w->role == WAKE_SENDER &&
		    is_waited_for(w->lock, WAKE_SENDER)));
}

/* Does the name, by its whole path, lead to what the descriptor is? */
static bool
leads_to(const struct wake *w, const char *name, int fd)
{
	struct stat ours, theirs;
	char path[4096];

	snprintf(path, sizeof(path), "%s/outbox/%s", w->dir->path, name);
	return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 &&
	    ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

bool
wake_is_lost(const struct wake *w)
{
	return !leads_to(w, "trigger", w->listen) ||
	    !leads_to(w, "lock", w->lock);
}

bool
wake_leave(struct wake *w)
{
	struct pollfd pfd = { .fd = w->listen, .events = POLLIN };
	bool alone;

	if (flock(w->dirfd, LOCK_EX | LOCK_NB) != 0)
		return false;
	shut(&w->trigger);
	/* a hang-up alone: nobody has it open for writing, nor left a byte */
	alone = poll(&pfd, 1, 0) == 1 && pfd.revents == POLLHUP;
	if (alone)
		wake_hand_over(w);
	w->left = alone;
	trigger_lock(w->dirfd, LOCK_UN);
	return alone;
}

void
wake_hand_over(struct wake *w)
{
	shut(&w->listen);
	shut(&w->trigger);
	shut(&w->lock);
}
