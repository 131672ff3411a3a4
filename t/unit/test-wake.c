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
#include <sys/wait.h>

#include "box.h"
#include "capture.h"
#include "tap.h"
#include "wake.h"

/* ---- the courier that is started ---- */

/* The courier's part: write down what it was given, and go. */
static int
record(int argc, char **argv)
{
	const char *dir = getenv("HIPCHAT_DATA_DIR");
	char tmp[SCRATCH_PATH], path[SCRATCH_PATH], link[64], target[256];
	char **e;
	FILE *out;
	ssize_t n;
	int fd, i;

	if (dir == NULL)
		return 1;
	snprintf(tmp, sizeof(tmp), "%s/record.tmp", dir);
	snprintf(path, sizeof(path), "%s/record", dir);
	if ((out = fopen(tmp, "we")) == NULL)
		return 1;
	for (fd = 0; fd < 1024; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof(target) - 1);
		if (n >= 0 && fd != fileno(out))
			fprintf(out, "fd %d %.*s\n", fd, (int)n, target);
	}
	for (i = 0; i < argc; i++)
		fprintf(out, "arg %s\n", argv[i]);
	for (e = environ; *e != NULL; e++)
		fprintf(out, "env %s\n", *e);
	fprintf(out, "sid %d\npid %d\n", (int)getsid(0), (int)getpid());
	return fclose(out) == 0 && rename(tmp, path) == 0 ? 0 : 1;
}

/* Wait for the record; NULL, and after a while, if there is none. */
static char *
await_record(const struct fixture *f)
{
	char path[SCRATCH_PATH];
	int i;

	scratch_path(&f->s, "record", path);
	for (i = 0; i < 3000; i++) {
		if (access(path, F_OK) == 0) {
			struct image image = image_read(path);

			image.data[image.len] = '\0';
			unlink(path);
			return image.data;
		}
		usleep(10000);
	}
	return NULL;
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
	char null[32], any[32];
	int fd, others = 0;

	ok(has_line(text, "fd 0 /dev/null\n"), "its standard input is null");
	ok(has_line(text, "fd 1 /dev/null\n"), "... and its output");
	for (fd = 2; fd < 1024; fd++) {
		snprintf(null, sizeof(null), "fd %d /dev/null\n", fd);
		snprintf(any, sizeof(any), "fd %d ", fd);
		others += has_line(text, any) && !has_line(text, null);
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

static void
test_start(void)
{
	char path[SCRATCH_PATH], *text;
	struct fixture f;
	int leak[2];
	long sid = 0;

	open_fixture(&f);
	own_path(path);
	set_environment(f.s.dir);
	if (pipe(leak) != 0 || dup2(leak[0], 200) < 0)
		die("pipe");
	outbox_reserve(&f.box, path);
	ok(f.box.trigger < 0 && f.box.starter >= 0, "no courier runs");
	is_int(put(&f.box, ID, "", "hello"), 0, "a message is put");
	outbox_wake(&f.box);
	text = await_record(&f);
	ok(has_line(text, "arg courier\narg --linger\nenv "),
	    "a courier is started, as courier --linger");
	check_descriptors(text);
	check_environment(text, f.s.dir);
	if (text != NULL)
		sid = strtol(strstr(text, "\nsid ") + 5, NULL, 10);
	ok(sid > 0 && sid != getsid(0), "it is in another session");
	ok(waitpid(-1, NULL, 0) < 0 && errno == ECHILD, "it is nobody's child");
	close(leak[0]);
	close(leak[1]);
	close(200);
	free(text);
	close_fixture(&f);
}

/* Reserved and not needed: nothing is started, nobody is left behind. */
static void
test_unneeded(void)
{
	char path[SCRATCH_PATH], byte;
	struct capture log;
	struct fixture f;
	int fds[2];

	open_fixture(&f);
	own_path(path);
	setenv("HIPCHAT_DATA_DIR", f.s.dir, 1);
	/* the waiting child holds this pipe, too: it ends when that does */
	if (pipe(fds) != 0)
		die("pipe");
	capture_start(&log);
	outbox_reserve(&f.box, path);
	ok(f.box.starter >= 0, "a courier is reserved");
	close(fds[1]);
	outbox_close(&f.box);
	is_int(read(fds[0], &byte, 1), 0, "... its place is given up");
	ok(access(scratch_path(&f.s, "record", path), F_OK) != 0,
	    "... and none has started");
	is_line(capture_stop(&log), "", "... which is not logged");
	close(fds[0]);
	scratch_close(&f.s);
}

static void
test_unstartable(void)
{
	struct capture log;
	struct fixture f;
	int fds[2];
	char byte;

	open_fixture(&f);
	if (pipe(fds) != 0)
		die("pipe");
	capture_start(&log);
	outbox_reserve(&f.box, "/nowhere/courier");
	outbox_wake(&f.box);
	close(fds[1]);
	if (read(fds[0], &byte, 1) != 0) /* wait for the child's end */
		die("pipe");
	is_line(capture_stop(&log), "/nowhere/courier: not started: No such",
	    "a courier that is not there is logged");
	close(fds[0]);
	close_fixture(&f);
}

static bool
is_woken(int trigger)
{
	struct pollfd fd = { .fd = trigger, .events = POLLIN };
	char bytes[256];
	bool woken = false;

	while (poll(&fd, 1, 0) > 0 && read(trigger, bytes, sizeof(bytes)) > 0)
		woken = true;
	return woken;
}

static void
test_wake(void)
{
	struct outbox sender;
	struct capture log;
	struct fixture f;
	int trigger, i;

	open_fixture(&f);
	capture_start(&log);
	outbox_open(&sender, &f.s.data);
	trigger = outbox_trigger(&f.box);
	ok(trigger >= 0 && !is_woken(trigger), "a courier sleeps");
	outbox_reserve(&sender, "/nowhere/courier");
	ok(sender.trigger >= 0 && sender.starter < 0, "it is noticed");
	ok(!is_woken(trigger), "... and sleeps on");
	outbox_wake(&sender);
	ok(is_woken(trigger), "... until it is woken");
	for (i = 0; i < 100000; i++)
		outbox_wake(&sender);
	ok(is_woken(trigger), "nobody waits for a courier that is busy");
	outbox_close(&sender);
	ok(!is_woken(trigger), "a sender that leaves does not wake it");
	close(trigger);

	/* it came between the two steps of a sender */
	outbox_open(&sender, &f.s.data);
	outbox_reserve(&sender, "/nowhere/courier");
	trigger = outbox_trigger(&f.box);
	outbox_wake(&sender);
	ok(is_woken(trigger), "one that has just come is woken");
	outbox_close(&sender);
	close(trigger);
	is_line(capture_stop(&log), "", "and none is started");
	close_fixture(&f);
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
	struct outbox sender, another;
	int trigger, lock;
	struct fixture f;

	open_fixture(&f);
	trigger = outbox_trigger(&f.box);
	lock = outbox_lock(&f.box);
	outbox_open(&sender, &f.s.data);
	outbox_open(&another, &f.s.data);
	outbox_reserve(&sender, "/nowhere/courier");
	outbox_reserve(&another, "/nowhere/courier");
	ok(another.trigger >= 0, "two senders do not wait for each other");
	ok(!outbox_leave(&f.box, trigger, lock), "the courier has to stay");
	ok(is_open(trigger) && is_open(lock), "... as it was");
	outbox_close(&sender);
	ok(!outbox_leave(&f.box, trigger, lock), "... for the other one, too");
	outbox_close(&another);
	ok(outbox_leave(&f.box, trigger, lock), "... and may leave then");
	ok(!is_open(trigger) && !is_open(lock), "... with both closed");
	outbox_open(&sender, &f.s.data);
	outbox_reserve(&sender, "/nowhere/courier");
	ok(sender.starter >= 0, "the next sender finds that none runs");
	outbox_close(&sender);
	close_fixture(&f);
}

int
main(int argc, char **argv)
{
	int before;

	if (argc > 1 && strcmp(argv[1], "--linger") == 0)
		return record(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	before = open_files();
	test_start();
	test_unneeded();
	test_unstartable();
	test_wake();
	test_leave();
	is_int(open_files(), before, "no file is left open");
	return done();
}
