/*
 * test-wake: a courier is started, or woken, by whoever puts a message into
 * the outbox.
 *
 * The courier that is started here is this very program: called with
 * "--linger" it writes down how it came to life; see record().
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scratch.h"
#include "capture.h"
#include "tap.h"
#include "wake.h"

/* ---- the courier that is started ---- */

static void
record_descriptors(FILE *out)
{
	DIR *dir = opendir("/proc/self/fd");
	char target[256];
	const struct dirent *entry;
	ssize_t n;

	if (dir == NULL)
		die("/proc/self/fd");
	while ((entry = readdir(dir)) != NULL) {
		const int fd = atoi(entry->d_name);

		n = readlinkat(dirfd(dir), entry->d_name, target,
		    sizeof(target) - 1);
		if (n >= 0 && fd != fileno(out) && fd != dirfd(dir))
			fprintf(out, "fd %d %.*s\n", fd, (int)n, target);
	}
	closedir(dir);
}

static void
record_process(FILE *out)
{
	struct rlimit cpu, data, space;
	char cwd[256];

	if (getcwd(cwd, sizeof(cwd)) == NULL ||
	    getrlimit(RLIMIT_CPU, &cpu) != 0 ||
	    getrlimit(RLIMIT_DATA, &data) != 0 ||
	    getrlimit(RLIMIT_AS, &space) != 0)
		die("cwd and limits");
	fprintf(out, "cwd %s\nsid %d\npid %d\n", cwd, (int)getsid(0),
	    (int)getpid());
	fprintf(out, "limits %d%d%d\n", cpu.rlim_cur == cpu.rlim_max,
	    data.rlim_cur == data.rlim_max, space.rlim_cur == space.rlim_max);
}

/* The courier's part: write down what it was given, and go. */
static int
record(int argc, char **argv)
{
	const char *dir = getenv("HIPCHAT_DATA_DIR");
	char tmp[SCRATCH_PATH], path[SCRATCH_PATH];
	char **e;
	FILE *out;
	int i;

	if (dir == NULL)
		return 1;
	snprintf(tmp, sizeof(tmp), "%s/record.tmp", dir);
	snprintf(path, sizeof(path), "%s/record", dir);
	if ((out = fopen(tmp, "we")) == NULL)
		return 1;
	record_descriptors(out);
	for (i = 0; i < argc; i++)
		fprintf(out, "arg %s\n", argv[i]);
	for (e = environ; *e != NULL; e++)
		fprintf(out, "env %s\n", *e);
	record_process(out);
	return fclose(out) == 0 && rename(tmp, path) == 0 ? 0 : 1;
}

/* How many senders there are in test_many(). */
#define MANY 8

/* Wait for a file of the directory; false if it does not come. */
static bool
await_file(const char *dir, const char *name)
{
	char path[SCRATCH_PATH];
	int i;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (i = 0; i < 3000; i++) {
		if (access(path, F_OK) == 0)
			return true;
		usleep(10000);
	}
	return false;
}

static void
make_file(const char *dir, const char *name)
{
	char path[SCRATCH_PATH];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) < 0)
		die(path);
	close(fd);
}

/* The courier's part in test_many(): a start, and each word, is a file. */
static int
listen_slowly(const char *dir)
{
	struct wake_holder holder;
	struct datadir data;
	struct wake w;
	struct pollfd pfd = { .events = POLLIN };
	char name[32], byte;
	int n = 0;

	snprintf(name, sizeof(name), "start-%d", (int)getpid());
	make_file(dir, name);
	if (!await_file(dir, "listen") || datadir_open(&data, dir) != 0 ||
	    wake_open(&w, &data) != 0 ||
	    wake_take(&w, WAKE_SENDER, "f1f1f1f1", &holder) != 0)
		return 1;
	pfd.fd = wake_fd(&w);
	/* its own comes first; then one for each sender but the first */
	while (n < MANY && poll(&pfd, 1, 20000) == 1 &&
	    read(wake_fd(&w), &byte, 1) == 1) {
		snprintf(name, sizeof(name), "word-%d-%c", n++, byte);
		make_file(dir, name);
	}
	return 0;
}

/* Wait for the record; NULL, and after a while, if there is none. */
static char *
await_record(const struct scratch *s)
{
	char path[SCRATCH_PATH];
	struct image image;

	if (!await_file(s->dir, "record"))
		return NULL;
	image = image_read(scratch_path(s, "record", path));
	image.data[image.len] = '\0';
	unlink(path);
	return image.data;
}

/* Is it a line of the record, or the start of one? */
static bool
has_line(const char *text, const char *start)
{
	const size_t len = strlen(start);

	while (text != NULL && *text != '\0') {
		if (strncmp(text, start, len) == 0)
			return true;
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return false;
}

static void
own_path(char path[SCRATCH_PATH])
{
	const ssize_t n = readlink("/proc/self/exe", path, SCRATCH_PATH - 1);

	if (n < 0)
		die("/proc/self/exe");
	path[n] = '\0';
}

/* Standard input, output and error lead nowhere, and there is no other. */
static void
check_descriptors(const char *text)
{
	const char *line = text;
	int others = 0;

	ok(has_line(text, "fd 0 /dev/null\n"), "its standard input is null");
	ok(has_line(text, "fd 1 /dev/null\n"), "... and its output");
	while (line != NULL && (line = strstr(line, "fd ")) != NULL) {
		const char *end = strchr(line, '\n');

		/* a sanitizer may have opened it on standard error */
		others += atoi(line + 3) > 1 &&
		    strncmp(end - 10, " /dev/null", 10) != 0;
		line = end;
	}
	if (!is_int(others, 0, "... and it has inherited nothing else"))
		diag("%s", text);
}

static const char *const request[] = { "GATEWAY_INTERFACE=", "REQUEST_METHOD=",
	"HTTP_AUTHORIZATION=", "QUERY_STRING=", "CONTENT_LENGTH=",
	"SCRIPT_NAME=", "NO_SETTING=" };

/* The settings are there, and the request is not. */
static void
check_environment(const char *text, const char *dir)
{
	char line[SCRATCH_PATH];
	size_t i;

	snprintf(line, sizeof(line), "env HIPCHAT_DATA_DIR=%s\n", dir);
	ok(has_line(text, line), "it has the settings");
	ok(has_line(text, "env HIPCHAT_ADDON_NAME=a name = with all\n"),
	    "... every one");
	for (i = 0; i < sizeof(request) / sizeof(request[0]); i++) {
		snprintf(line, sizeof(line), "env %s", request[i]);
		ok(!has_line(text, line), "... and no %s", request[i]);
	}
}

static void
set_environment(const char *dir)
{
	char name[32];
	size_t i;

	setenv("HIPCHAT_DATA_DIR", dir, 1);
	setenv("HIPCHAT_ADDON_NAME", "a name = with all", 1);
	for (i = 0; i < sizeof(request) / sizeof(request[0]); i++) {
		snprintf(name, sizeof(name), "%.*s",
		    (int)strcspn(request[i], "="), request[i]);
		setenv(name, "secret", 1);
	}
}

static const char first[] = "1111111111111111";
static const char second[] = "2222222222222222";
static const char third[] = "3333333333333333";

static void
open_wake(struct wake *w, const struct scratch *s)
{
	if (wake_open(w, &s->data) != 0)
		die("wake_open");
}

/* A sender that has looked who is there. */
static void
open_sender(struct wake *w, const struct scratch *s, const char *digest)
{
	open_wake(w, s);
	wake_prepare(w, "/nowhere/courier", digest);
}

/* A courier at work.  A starter has copies of locks until it has ended. */
static void
open_courier(struct wake *w, const struct scratch *s, enum wake_role role,
    const char *digest)
{
	struct wake_holder holder;
	int i, status = 409;

	open_wake(w, s);
	for (i = 0; i < 1000 && status == 409; i++)
		if ((status = wake_take(w, role, digest, &holder)) == 409)
			usleep(10000);
	if (status != 0)
		die("wake_take");
}

/* ---- starting ---- */

/* As a web server may leave them to us. */
static int
leave_descriptor(int fd)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		die("limit");
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	fd = limit.rlim_max > 3000 ? dup2(fd, 3000) : dup2(fd, 200);
	if (fd < 0)
		die("dup2");
	return fd;
}

static void
lower_limits(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_CPU, &limit);
	limit.rlim_cur = 1000;
	setrlimit(RLIMIT_CPU, &limit);
	getrlimit(RLIMIT_DATA, &limit);
	limit.rlim_cur = (rlim_t)1 << 47;
	setrlimit(RLIMIT_DATA, &limit);
	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = (rlim_t)1 << 47;
	setrlimit(RLIMIT_AS, &limit);
}

static void
test_start(void)
{
	char path[SCRATCH_PATH], *text;
	struct scratch s;
	struct wake w;
	int leak[2], left;
	long sid = 0;

	scratch_open(&s);
	open_wake(&w, &s);
	own_path(path);
	set_environment(s.dir);
	if (pipe(leak) != 0)
		die("pipe");
	left = leave_descriptor(leak[0]);
	lower_limits();
	wake_prepare(&w, path, first);
	ok(w.trigger < 0 && w.starter >= 0, "no courier runs");
	ok(wake_courier(&w, WAKE_NEW), "one is to start");
	text = await_record(&s);
	ok(has_line(text, "arg courier\narg --linger\nenv "),
	    "a courier is started, as courier --linger");
	check_descriptors(text);
	check_environment(text, s.dir);
	if (text != NULL)
		sid = strtol(strstr(text, "\nsid ") + 5, NULL, 10);
	ok(sid > 0 && sid != getsid(0), "it is in another session");
	ok(has_line(text, "cwd /\n"), "... and in no directory of ours");
	ok(has_line(text, "limits 111\n"), "... with no limits of a request");
	ok(waitpid(-1, NULL, 0) < 0 && errno == ECHILD, "it is nobody's child");
	free(text);
	ok(wake_courier(&w, WAKE_NEW), "once more");
	text = await_record(&s);
	ok(has_line(text, "arg courier\n"), "... another one is started");
	free(text);
	close(leak[0]);
	close(leak[1]);
	close(left);
	wake_close(&w);
	scratch_close(&s);
}

/* Wait for all starters and couriers, which nobody else waits for. */
static int
ended(void)
{
	int n = 0;

	while (wait(NULL) > 0)
		n++;
	return n;
}

/* Reserved and not needed: nothing is started, nobody is left behind. */
static void
test_unneeded(void)
{
	char path[SCRATCH_PATH];
	struct capture log;
	struct scratch s;
	struct wake w;

	scratch_open(&s);
	open_wake(&w, &s);
	own_path(path);
	setenv("HIPCHAT_DATA_DIR", s.dir, 1);
	capture_start(&log);
	wake_prepare(&w, path, first);
	ok(w.starter >= 0, "a starter waits");
	wake_close(&w);
	is_int(ended(), 1, "... and ends");
	ok(access(scratch_path(&s, "record", path), F_OK) != 0,
	    "... and none has started");
	is_line(capture_stop(&log), "", "... which is not logged");
	scratch_close(&s);
}

static void
test_unstartable(void)
{
	struct capture log;
	struct scratch s;
	struct wake w;

	scratch_open(&s);
	capture_start(&log);
	open_sender(&w, &s, first);
	wake_courier(&w, WAKE_NEW);
	wake_close(&w);
	ended();
	is_line(capture_stop(&log), "/nowhere/courier: not started: No such",
	    "a courier that is not there is logged");
	scratch_close(&s);
}

/* How many files of the directory have names that start so? */
static int
count(const char *dir, const char *start)
{
	DIR *list = opendir(dir);
	const struct dirent *entry;
	int n = 0;

	if (list == NULL)
		die(dir);
	while ((entry = readdir(list)) != NULL)
		n += strncmp(entry->d_name, start, strlen(start)) == 0;
	closedir(list);
	return n;
}

/* Many senders find that there is no courier, before the first one listens. */
static void
test_many(void)
{
	struct wake senders[MANY];
	char path[SCRATCH_PATH];
	struct capture log;
	struct scratch s;
	int i;

	scratch_open(&s);
	own_path(path);
	setenv("HIPCHAT_DATA_DIR", s.dir, 1);
	setenv("HIPCHAT_SLOW", "1", 1);
	capture_start(&log);
	for (i = 0; i < MANY; i++) {
		open_wake(&senders[i], &s);
		wake_prepare(&senders[i], path, first);
	}
	for (i = 0; i < MANY; i++)
		wake_courier(&senders[i], i == 1 ? WAKE_RETRY : WAKE_NEW);
	make_file(s.dir, "listen");
	for (i = 0; i < MANY; i++)
		wake_close(&senders[i]);
	ended();
	is_int(count(s.dir, "start-"), 1, "of many, one starts a courier");
	is_int(count(s.dir, "word-"), MANY, "... and the others tell it");
	is_line(capture_stop(&log), "", "... which is not logged");
	unsetenv("HIPCHAT_SLOW");
	scratch_close(&s);
}

/* ---- waking and leaving ---- */

static void
test_wake(void)
{
	struct wake sender, courier;
	struct capture log;
	struct scratch s;
	int i;

	scratch_open(&s);
	capture_start(&log);
	open_courier(&courier, &s, WAKE_SENDER, first);
	is_int(wake_words(&courier), WAKE_NEW, "a courier looks at once");
	is_int(wake_words(&courier), 0, "... and sleeps");
	open_sender(&sender, &s, first);
	ok(sender.trigger >= 0 && sender.starter < 0, "it is noticed");
	is_int(wake_words(&courier), 0, "... and sleeps on");
	ok(wake_courier(&sender, WAKE_NEW), "... until it is woken");
	is_int(wake_words(&courier), WAKE_NEW, "... by a message");
	ok(wake_courier(&sender, WAKE_RETRY) && wake_courier(&sender, WAKE_NEW),
	    "... or more");
	is_int(wake_words(&courier), WAKE_NEW | WAKE_RETRY, "... words");
	for (i = 0; i < 100000; i++)
		wake_courier(&sender, WAKE_NEW);
	is_int(wake_words(&courier), WAKE_NEW,
	    "nobody waits for a courier that is busy");
	wake_close(&sender);
	is_int(wake_words(&courier), 0, "a sender that goes does not wake it");
	wake_close(&courier);

	/* it came between the two steps of a sender */
	open_sender(&sender, &s, second);
	open_courier(&courier, &s, WAKE_SENDER, first);
	wake_words(&courier);
	wake_courier(&sender, WAKE_NEW);
	is_int(wake_words(&courier), WAKE_NEW, "one that has just come");
	wake_close(&sender);
	wake_close(&courier);
	is_line(capture_stop(&log), "", "and none is started");
	scratch_close(&s);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* A courier can't leave between a sender's two steps. */
static void
test_leave(void)
{
	struct wake sender, another, courier;
	struct wake_holder holder;
	struct scratch s;
	int trigger, lock;

	scratch_open(&s);
	open_courier(&courier, &s, WAKE_SENDER, first);
	wake_words(&courier);
	trigger = courier.listen;
	lock = courier.lock;
	open_sender(&sender, &s, first);
	open_sender(&another, &s, first);
	ok(another.trigger >= 0, "two senders do not wait for each other");
	ok(!wake_leave(&courier), "the courier has to stay");
	ok(is_open(trigger) && is_open(lock), "... as it was");
	wake_close(&sender);
	ok(!wake_leave(&courier), "... for the other one, too");
	wake_close(&another);
	ok(wake_leave(&courier), "... and may leave then");
	ok(!is_open(trigger) && !is_open(lock), "... with both closed");
	is_int(wake_take(&courier, WAKE_SENDER, first, &holder), 0,
	    "it can come back");
	wake_words(&courier);
	ok(wake_leave(&courier), "... and leave again");
	open_courier(&another, &s, WAKE_SENDER, second);
	is_int(wake_take(&courier, WAKE_SENDER, first, &holder), 409,
	    "... but not to take over from its successor");
	wake_words(&another);
	ok(wake_leave(&another), "which leaves, too");
	open_sender(&sender, &s, first);
	ok(sender.starter >= 0, "the next sender finds that none runs");
	wake_close(&sender);
	wake_close(&another);
	wake_close(&courier);
	scratch_close(&s);
}

/* ---- the lock ---- */

/* Try to be the courier, in another process: the status. */
static int
take_elsewhere(const struct scratch *s, enum wake_role role, const char *digest)
{
	struct wake_holder holder;
	struct wake w;
	pid_t pid;
	int status;

	if ((pid = fork()) == 0) {
		open_wake(&w, s);
		status = wake_take(&w, role, digest, &holder);
		_exit(status == 0 ? 0 : status == 409 ? 9 : 1);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status) == 9 ? 409 : WEXITSTATUS(status);
}

static mode_t
mode_of(const struct scratch *s, const char *name)
{
	char path[SCRATCH_PATH];
	struct stat sb;

	return stat(scratch_path(s, name, path), &sb) == 0 ?
	    sb.st_mode & 07777 :
	    0;
}

static void
test_lock(void)
{
	struct wake_holder holder;
	struct wake w, other;
	struct capture log;
	struct scratch s;
	pid_t pid;
	int fds[2];
	char byte;

	scratch_open(&s);
	capture_start(&log);
	open_wake(&w, &s);
	open_wake(&other, &s);
	ok(!wake_holder(&w, &holder), "no courier is at work");
	is_int(wake_take(&w, WAKE_HAND, first, &holder), 0, "the first one is");
	is_int(mode_of(&s, "outbox"), 0700, "... outbox/ is private");
	is_int(mode_of(&s, "outbox/lock"), 0600, "... the lock");
	is_int(mode_of(&s, "outbox/trigger"), 0600, "... the trigger");
	is_int(wake_take(&other, WAKE_HAND, first, &holder), 409,
	    "the second one is not");
	is_int(holder.pid, getpid(), "... and is told who is");
	is_int(take_elsewhere(&s, WAKE_HAND, second), 409, "nor is another");
	ok(wake_holder(&other, &holder) && holder.role == WAKE_HAND,
	    "everybody can see it");
	is_str(holder.digest, first, "... and its settings");
	wake_close(&w);
	if (pipe(fds) != 0)
		die("pipe");
	if ((pid = fork()) == 0) {
		if (wake_take(&other, WAKE_HAND, first, &holder) == 0 &&
		    write(fds[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(fds[1]);
	is_int(read(fds[0], &byte, 1), 1, "given back, it is another's");
	open_wake(&w, &s);
	is_int(wake_take(&w, WAKE_HAND, first, &holder), 409,
	    "... as long as that lives");
	is_int(holder.pid, pid, "... which has another name");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fds[0]);
	is_int(wake_take(&w, WAKE_HAND, first, &holder), 0,
	    "... and free when it is killed");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	wake_close(&w);
	wake_close(&other);
	scratch_close(&s);
}

/* ---- handing over ---- */

/* Begin to take over from a courier, in another process. */
static pid_t
begin_take(struct wake *courier, const struct scratch *s, enum wake_role role,
    const char *digest)
{
	struct wake_holder holder;
	struct wake w;
	const pid_t pid = fork();

	if (pid != 0)
		return pid;
	wake_close(courier); /* a lock is a copy's, too */
	open_wake(&w, s);
	if (wake_take(&w, role, digest, &holder) != 0)
		_exit(9);
	for (;;)
		pause();
}

/* Wait until the courier is told this. */
static bool
is_told(struct wake *courier, unsigned int word)
{
	struct pollfd pfd = { .fd = wake_fd(courier), .events = POLLIN };
	unsigned int words = 0;

	while ((words & word) == 0 && poll(&pfd, 1, 10000) == 1)
		words = wake_words(courier);
	return (words & word) != 0;
}

/* Wait until this process is the courier. */
static bool
is_courier(const struct scratch *s, pid_t pid)
{
	struct wake_holder holder = { .pid = 0 };
	struct wake w;
	int i;

	open_wake(&w, s);
	for (i = 0; i < 1000 && holder.pid != pid; i++) {
		usleep(10000);
		if (!wake_holder(&w, &holder))
			holder.pid = 0;
	}
	wake_close(&w);
	return holder.pid == pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
test_hand_over(void)
{
	struct wake sender, courier;
	struct capture log;
	struct scratch s;
	pid_t next;

	scratch_open(&s);
	capture_start(&log);
	open_courier(&courier, &s, WAKE_SENDER, first);
	open_sender(&sender, &s, NULL);
	ok(!sender.due, "an operator takes the courier that there is");
	wake_close(&sender);
	open_sender(&sender, &s, second);
	ok(sender.due && sender.starter >= 0 && sender.trigger >= 0,
	    "a sender with other settings starts another one");
	is_int(wake_words(&courier), WAKE_NEW, "... which is told nothing yet");
	wake_close(&sender); /* its starter has copies of all we have open */
	next = begin_take(&courier, &s, WAKE_SENDER, second);
	ok(is_told(&courier, WAKE_LEAVE), "it says that it waits");
	open_sender(&sender, &s, second);
	ok(!sender.due && sender.starter < 0, "one is enough");
	is_int(take_elsewhere(&s, WAKE_SENDER, third), 409, "... in any case");
	ok(wake_awaited(&courier), "it is still there at the end of all calls");
	wake_hand_over(&courier);
	ok(is_courier(&s, next), "... and is the courier then");
	ok(sender.trigger >= 0 && wake_courier(&sender, WAKE_NEW),
	    "whoever counted on the old one wakes the new one");
	end(next);
	wake_close(&sender);
	wake_close(&courier);

	open_courier(&courier, &s, WAKE_SENDER, first);
	next = begin_take(&courier, &s, WAKE_SENDER, third);
	ok(is_told(&courier, WAKE_LEAVE), "a successor");
	end(next);
	ok(!wake_awaited(&courier), "... that is killed is none");
	is_int(wake_words(&courier), 0, "... and the courier goes on");
	wake_close(&courier);
	is_line(capture_stop(&log), "", "nothing of this is logged");
	scratch_close(&s);
}

/* Who takes over from whom. */
static void
test_roles(void)
{
	static const struct {
		enum wake_role at_work, comes;
		const char *with;
		bool takes_over;
	} table[] = {
		{ WAKE_SENDER, WAKE_SENDER, first, false },
		{ WAKE_SENDER, WAKE_SENDER, second, true },
		{ WAKE_SENDER, WAKE_HAND, second, false },
		{ WAKE_SENDER, WAKE_RESIDENT, first, true },
		{ WAKE_HAND, WAKE_SENDER, second, false },
		{ WAKE_HAND, WAKE_HAND, second, false },
		{ WAKE_HAND, WAKE_RESIDENT, second, true },
		{ WAKE_RESIDENT, WAKE_SENDER, second, false },
		{ WAKE_RESIDENT, WAKE_HAND, second, false },
		{ WAKE_RESIDENT, WAKE_RESIDENT, second, false },
	};
	struct wake courier;
	struct scratch s;
	size_t i;
	pid_t next;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		scratch_open(&s);
		open_courier(&courier, &s, table[i].at_work, first);
		if (table[i].takes_over) {
			next = begin_take(&courier, &s, table[i].comes,
			    table[i].with);
			ok(is_told(&courier, WAKE_LEAVE),
			    "role %d takes over from %d", table[i].comes,
			    table[i].at_work);
			end(next);
		} else {
			is_int(
			    take_elsewhere(&s, table[i].comes, table[i].with),
			    409, "role %d doesn't from %d", table[i].comes,
			    table[i].at_work);
			is_int(wake_words(&courier), WAKE_NEW, "... at all");
		}
		wake_close(&courier);
		scratch_close(&s);
	}
}

/* The courier, which is of the first digest, is replaced by one of another. */
static void
replace(struct wake *courier, const struct scratch *s, const char *digest)
{
	struct wake sender;

	wake_close(courier);
	open_courier(courier, s, WAKE_SENDER, digest);
	open_sender(&sender, s, digest);
	ok(!sender.due && !sender.differ, "... its own senders agree");
	wake_close(&sender);
}

static void
test_disagreement(void)
{
	struct wake sender, courier;
	struct capture log;
	struct scratch s;

	scratch_open(&s);
	capture_start(&log);
	open_courier(&courier, &s, WAKE_SENDER, first);
	replace(&courier, &s, second);
	open_sender(&sender, &s, first);
	ok(sender.due, "settings may be changed back");
	wake_close(&sender);
	replace(&courier, &s, first);
	wake_words(&courier);
	open_sender(&sender, &s, second);
	ok(!sender.due && sender.differ && sender.starter < 0,
	    "but not again and again");
	is_int(take_elsewhere(&s, WAKE_SENDER, second), 409, "... by anybody");
	wake_courier(&sender, WAKE_NEW);
	is_int(wake_words(&courier), WAKE_NEW | WAKE_DISAGREE,
	    "the courier is told");
	wake_courier(&sender, WAKE_NEW);
	is_int(wake_words(&courier), WAKE_NEW, "... once by each sender");
	wake_close(&sender);
	open_sender(&sender, &s, third);
	ok(sender.due, "a change that is new is followed");
	wake_close(&sender);
	wake_close(&courier);
	is_line(capture_stop(&log), "", "nothing of this is logged");
	scratch_close(&s);
}

/* Ten minutes later, all is forgotten. */
static void
test_forgotten(void)
{
	char path[SCRATCH_PATH], line[256];
	struct wake sender, courier;
	struct scratch s;

	scratch_open(&s);
	open_courier(&courier, &s, WAKE_SENDER, first);
	scratch_path(&s, "outbox/lock", path);
	snprintf(line, sizeof(line), "%-254s\n",
	    "1 sender 1111111111111111 2222222222222222,1111111111111111 1");
	image_write(path, line, strlen(line));
	open_sender(&sender, &s, second);
	ok(sender.due && !sender.differ, "after ten minutes they may differ");
	wake_close(&sender);
	wake_close(&courier);
	/* of another version: neither who nor how is known */
	open_courier(&courier, &s, WAKE_SENDER, first);
	image_write(path, "", 0);
	open_sender(&sender, &s, second);
	ok(!sender.due && !sender.differ, "a courier that is unknown stays");
	wake_close(&sender);
	wake_close(&courier);
	open_courier(&courier, &s, WAKE_SENDER, first);
	ok(!wake_is_lost(&courier), "a courier can be found");
	wake_close(&courier);
	scratch_close(&s);
}

/* ---- what is in the way ---- */

static void
test_replaced(void)
{
	struct wake sender, courier;
	char path[SCRATCH_PATH];
	struct capture log;
	struct scratch s;
	struct stat sb;

	scratch_open(&s);
	open_courier(&courier, &s, WAKE_SENDER, first);
	wake_words(&courier);
	scratch_path(&s, "outbox/trigger", path);
	unlink(path);
	ok(wake_is_lost(&courier), "without its trigger it is lost");
	image_write(path, "no FIFO", 7);
	ok(wake_is_lost(&courier), "... with another one, too");
	wake_close(&courier);

	capture_start(&log);
	open_sender(&sender, &s, first);
	is_line(capture_stop(&log), "outbox/trigger: no FIFO: removed",
	    "a file in the place of the trigger is removed");
	ok(sender.starter >= 0, "... and a courier can be started");
	open_courier(&courier, &s, WAKE_SENDER, first);
	wake_close(&sender);
	open_sender(&sender, &s, first);
	ok(sender.trigger >= 0 && !wake_is_lost(&courier), "... and is found");
	wake_close(&sender);
	wake_close(&courier);

	unlink(path);
	if (mkdir(path, 0700) != 0)
		die(path);
	capture_start(&log);
	is_int(wake_open(&sender, &s.data), 500, "a directory is not");
	is_line(capture_stop(&log),
	    "outbox/trigger: making it: ", "... and logged");
	is_int(sender.dirfd, -1, "... nothing is open");
	rmdir(path);
	if (symlink("/dev/null", path) != 0)
		die(path);
	capture_start(&log);
	is_int(wake_open(&sender, &s.data), 0, "a link is");
	capture_stop(&log);
	ok(lstat(path, &sb) == 0 && S_ISFIFO(sb.st_mode), "... replaced");
	wake_close(&sender);
	scratch_close(&s);
}

int
main(int argc, char **argv)
{
	int before;

	if (argc > 1 && strcmp(argv[1], "--linger") == 0)
		return getenv("HIPCHAT_SLOW") != NULL ?
		    listen_slowly(getenv("HIPCHAT_DATA_DIR")) :
		    record(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	before = open_files();
	test_start();
	/* from now on, for ended() */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		die("prctl");
	test_unneeded();
	test_unstartable();
	test_many();
	test_wake();
	test_leave();
	test_lock();
	test_hand_over();
	test_roles();
	test_disagreement();
	test_forgotten();
	test_replaced();
	is_int(open_files(), before, "no file is left open");
	return done();
}
