/*
 * test-courier: where the courier's log lines go, with a terminal and without.
 * What it delivers is in courier.t.
 *
 * Its message is for an installation that is not there, so that it has
 * something to say and nobody to call.
 */
#include <errno.h>
#include <sys/wait.h>

#include "json.h"
#include "outbox.h"
#include "scratch.h"
#include "tap.h"

#define ID "f3100c47-9936-40e8-a8aa-000000000001"
#define OF_IT ": failed, room 2589171 of " ID ", webhook : not installed"

static void
queue(const struct scratch *s)
{
	struct outbox_message msg = { .oauth_id = ID, .room_id = 2589171 };
	struct json_object *doc = json_new();
	struct outbox box;

	if (outbox_open(&box, &s->data) != 0 ||
	    outbox_put(&box, &msg, doc) != 0)
		die("outbox");
	json_object_put(doc);
	outbox_close(&box);
}

/* This is $B/t/unit/test-courier, the program $B/cgi-bin/courier. */
static void
courier_path(char path[SCRATCH_PATH])
{
	const ssize_t n = readlink("/proc/self/exe", path, SCRATCH_PATH - 1);
	int up;

	if (n < 0 || n > SCRATCH_PATH - 32)
		die("/proc/self/exe");
	path[n] = '\0';
	for (up = 0; up < 3; up++)
		*strrchr(path, '/') = '\0';
	strcat(path, "/cgi-bin/courier");
}

/* Run it with this standard error; returns its exit status. */
static int
run(int err)
{
	char path[SCRATCH_PATH];
	int status;
	pid_t pid;

	courier_path(path);
	if ((pid = fork()) == 0) {
		dup2(err, STDERR_FILENO);
		execl(path, "courier", "--once", (char *)NULL);
		_exit(126);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_terminal(const struct scratch *s)
{
	const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	char path[SCRATCH_PATH], text[1024] = "";
	int err = -1;
	ssize_t n;

	if (terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0)
		err = open(ptsname(terminal), O_RDWR | O_NOCTTY);
	if (err < 0) { /* a bare chroot has no /dev/pts */
		skip("with a terminal", "there is none to be had here");
		return;
	}
	queue(s);
	if (!is_int(run(err), 0, "with a terminal: exit status"))
		return;
	n = read(terminal, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	ok(strncmp(text, "20", 2) == 0 && strstr(text, "Z courier: ") != NULL,
	    "... its lines go there, each with the time");
	if (!ok(strstr(text, OF_IT) != NULL, "... each event has one"))
		diag("%s", text);
	ok(access(scratch_path(s, "courier.log", path), F_OK) != 0,
	    "... and no file is begun");
	close(err);
	close(terminal);
}

static void
test_file(const struct scratch *s)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char path[SCRATCH_PATH];
	struct image log;

	queue(s);
	is_int(run(null), 0, "without a terminal: exit status");
	log = image_read(scratch_path(s, "courier.log", path));
	log.data[log.len] = '\0';
	ok(strstr(log.data, OF_IT "\n") != NULL,
	    "... its lines go to courier.log");
	ok(strncmp(log.data, "20", 2) == 0, "... with the time before them");
	free(log.data);
	close(null);
}

int
main(void)
{
	struct scratch s;

	scratch_open(&s);
	setenv("HIPCHAT_DATA_DIR", s.dir, 1);
	setenv("HIPCHAT_ALLOWED_HOSTS", "*.hipchat.com", 1);
	if (sample_put(&s.st, 2, 0) != 0) /* or it would wait for a store */
		die("store");
	unsetenv("GATEWAY_INTERFACE");
	test_terminal(&s);
	test_file(&s);
	scratch_close(&s);
	return done();
}
