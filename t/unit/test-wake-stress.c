/*
 * test-wake-stress: no message is left lying while couriers come, leave for
 * want of work and hand over all the time.
 *
 * A message is a file in DIR/queue.  The courier is this very program, called
 * with "--linger" by a starter; its digest is in HIPCHAT_DIGEST.  It removes
 * all messages that it finds, and leaves as soon as it may.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "scratch.h"
#include "tap.h"
#include "wake.h"

/* In each round, so many at most send a message, and then all must arrive. */
#define SENDERS 4
#define ROUNDS 120

/* ---- the courier ---- */

/* Remove all messages; returns how many there were. */
static int
deliver(int queue)
{
	const int fd = openat(queue, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	int n = 0;

	if (dir == NULL)
		die("queue");
	while ((entry = readdir(dir)) != NULL)
		if (*entry->d_name != '.')
			n += unlinkat(queue, entry->d_name, 0) == 0;
	closedir(dir);
	return n;
}

/* Add a byte to a file. */
static void
count(int queue, const char *name)
{
	const int fd = openat(queue, name,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "", 1) != 1)
		die(name);
	close(fd);
}

/* Work until nothing comes, or a successor waits; false: go on. */
static bool
is_over(struct wake *w, int queue, const char *digest)
{
	struct pollfd pfd = { .fd = wake_fd(w), .events = POLLIN };
	struct wake_holder holder;
	const int n = poll(&pfd, 1, 1);
	const unsigned int words = wake_words(w);

	if ((words & WAKE_LEAVE) != 0 && wake_awaited(w)) {
		count(queue, "../handed-over");
		wake_hand_over(w);
		return true;
	}
	if (n > 0)
		deliver(queue);
	if (n > 0 || !wake_leave(w))
		return false;
	count(queue, "../left");
	return deliver(queue) == 0 ||
	    wake_take(w, WAKE_SENDER, digest, &holder) != 0;
}

static int
courier(void)
{
	const char *digest = getenv("HIPCHAT_DIGEST");
	struct wake_holder holder;
	struct datadir dir;
	struct wake w;
	int queue;

	if (datadir_open(&dir, getenv("HIPCHAT_DATA_DIR")) != 0 ||
	    wake_open(&w, &dir) != 0)
		return 1;
	queue = openat(dir.fd, "queue", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (wake_take(&w, WAKE_SENDER, digest, &holder) != 0)
		return 0;
	while (!is_over(&w, queue, digest))
		;
	return 0;
}

/* ---- the senders ---- */

/* Every other time its settings are new. */
static void
send(const struct scratch *s, const char *own, unsigned int *seed)
{
	char path[SCRATCH_PATH], name[64], digest[CONFIG_DIGEST_MAX];
	const int dice = rand_r(seed);
	struct wake w;

	snprintf(digest, sizeof(digest), "%016x",
	    dice % 2 == 0 ? 0 : (unsigned int)dice);
	setenv("HIPCHAT_DIGEST", digest, 1);
	if (wake_open(&w, &s->data) != 0)
		die("wake_open");
	wake_prepare(&w, own, digest);
	usleep((useconds_t)(rand_r(seed) % 3000));
	snprintf(name, sizeof(name), "queue/%d", (int)getpid());
	image_write(scratch_path(s, name, path), "", 0);
	wake_courier(&w, WAKE_NEW);
	wake_close(&w);
}

static bool
is_empty(const struct scratch *s)
{
	char path[SCRATCH_PATH];
	struct dirent **list;
	int n = scandir(scratch_path(s, "queue", path), &list, NULL, NULL);
	const bool empty = n == 2;

	if (n < 0)
		die(path);
	while (n > 0)
		free(list[--n]);
	free(list);
	return empty;
}

/* Let all senders send at about the same time; is the queue empty then? */
static bool
pass_round(const struct scratch *s, const char *own, unsigned int round)
{
	unsigned int i, seed;

	for (i = 0; i <= round % SENDERS; i++)
		if (fork() == 0) {
			seed = round * SENDERS + i;
			send(s, own, &seed);
			_exit(0);
		}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	for (i = 0; i < 10000 && !is_empty(s); i++)
		usleep(1000);
	return is_empty(s);
}

/*
 * Wait until nobody is at work, for a second: a successor that waits, or one
 * that is being started, does not listen yet, and the directory must not go
 * before.
 */
static void
await_end(const struct scratch *s)
{
	struct wake_holder holder;
	struct wake w;
	int quiet = 0;

	if (wake_open(&w, &s->data) != 0)
		die("wake_open");
	while (quiet++ < 100) {
		if (wake_holder(&w, &holder))
			quiet = 0;
		usleep(10000);
	}
	wake_close(&w);
}

static void
happened(const struct scratch *s, const char *what)
{
	char path[SCRATCH_PATH];
	struct stat sb = { .st_size = 0 };

	stat(scratch_path(s, what, path), &sb);
	ok(sb.st_size > 0, "couriers have %s %lld times", what,
	    (long long)sb.st_size);
}

int
main(int argc, char **argv)
{
	char own[SCRATCH_PATH], path[SCRATCH_PATH];
	struct scratch s;
	ssize_t len;
	unsigned int rounds = 0;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "--linger") == 0)
		return courier();
	if ((len = readlink("/proc/self/exe", own, sizeof(own) - 1)) < 0)
		die("/proc/self/exe");
	own[len] = '\0';
	scratch_open(&s);
	setenv("HIPCHAT_DATA_DIR", s.dir, 1);
	if (mkdir(scratch_path(&s, "queue", path), 0700) != 0)
		die(path);
	while (rounds < ROUNDS && pass_round(&s, own, rounds))
		rounds++;
	is_int(rounds, ROUNDS, "all rounds end with an empty queue");
	await_end(&s);
	happened(&s, "handed-over");
	happened(&s, "left");
	scratch_close(&s);
	return done();
}
