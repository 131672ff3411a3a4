/*
 * test-outbox: messages in and out, and their ends.  How a courier is woken is
 * in test-wake.c, what it does with them in courier.t.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "box.h"
#include "capture.h"
#include "json.h"
#include "tap.h"

#define OTHER "f3100c47-9936-40e8-a8aa-000000000002"
#define T0 1600000000 /* a time of arrival, long ago */

/* ---- helpers ---- */

/* How many files are in this part of the outbox? */
static int
count(const struct outbox *box, const char *dir)
{
	struct dirent **list;
	const int n = outbox_list(box, dir, &list);

	if (n >= 0)
		outbox_list_free(list, n);
	return n;
}

/* The name of file i in this part of the outbox. */
static const char *
name_of(const struct outbox *box, const char *dir, int i,
    char name[OUTBOX_NAME_MAX])
{
	struct dirent **list;
	const int n = outbox_list(box, dir, &list);

	snprintf(name, OUTBOX_NAME_MAX, "%.*s", OUTBOX_NAME_MAX - 1,
	    i < n ? list[i]->d_name : "(none)");
	if (n >= 0)
		outbox_list_free(list, n);
	return name;
}

/* What the message of that name says; "" if it can't be read. */
static const char *
text_of(const struct outbox *box, const char *dir, const char *name,
    char text[64])
{
	struct outbox_message msg;
	const char *found = "";

	text[0] = '\0';
	if (outbox_load(box, dir, name, &msg) != 0)
		return text;
	json_string(msg.notification, "message", 63, &found);
	strcpy(text, found);
	outbox_release(&msg);
	return text;
}

/* Make a file, as somebody else would. */
static void
plant(const struct outbox *box, const char *path, const char *data, size_t len)
{
	const int fd = openat(box->dirfd, path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		die(path);
	close(fd);
}

static bool
exists(const struct outbox *box, const char *path)
{
	return faccessat(box->dirfd, path, F_OK, 0) == 0;
}

static int
mode_of(const struct outbox *box, const char *path)
{
	struct stat sb;

	if (fstatat(box->dirfd, path, &sb, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	return sb.st_mode & 07777;
}

/* ---- in and out ---- */

static bool
is_name(const char *name)
{
	char expected[OUTBOX_NAME_MAX];
	const size_t digits = strspn(name, "0123456789");

	snprintf(expected, sizeof(expected), "%.19s-%d-%d", name, (int)getpid(),
	    atoi(strrchr(name, '-') + 1));
	return digits == 19 && strcmp(name, expected) == 0;
}

static void
test_put(void)
{
	const int64_t before = (int64_t)time(NULL);
	struct outbox_message msg;
	char name[OUTBOX_NAME_MAX];
	struct capture log;
	struct fixture f;

	capture_start(&log);
	open_fixture(&f);
	is_int(count(&f.box, "new"), 0, "a new outbox is empty");
	is_int(put(&f.box, ID, "0123abcd", "hello"), 0, "a message is put");
	is_int(count(&f.box, "new"), 1, "... into new/");
	is_int(count(&f.box, "tmp"), 0, "... and not left in tmp/");
	name_of(&f.box, "new", 0, name);
	ok(is_name(name), "... as TIME-PID-N: %s", name);
	ok(outbox_arrival(name) >= before &&
		outbox_arrival(name) <= (int64_t)time(NULL),
	    "... which tells when");
	is_int(outbox_load(&f.box, "new", name, &msg), 0, "it is read");
	is_str(msg.oauth_id, ID, "... with its installation");
	is_int(msg.room_id, 2589171, "... its room");
	is_str(msg.key, "0123abcd", "... its key");
	is_str(msg.reason, "", "... no reason");
	is_str(json_object_to_json_string_ext(msg.notification,
		   JSON_C_TO_STRING_PLAIN),
	    "{\"message\":\"hello\"}", "... and the notification");
	outbox_release(&msg);
	is_int(put(&f.box, ID, "", "keyless"), 0, "one without a key is put");
	is_int(
	    outbox_load(&f.box, "new", name_of(&f.box, "new", 1, name), &msg),
	    0, "... and read");
	is_str(msg.key, "", "... without a key");
	outbox_release(&msg);
	outbox_remove(&f.box, "new", name);
	is_int(count(&f.box, "new"), 1, "it is removed");
	outbox_remove(&f.box, "new", name);
	is_int(outbox_load(&f.box, "new", name, &msg), 404,
	    "... which it may be twice");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

static void
test_order(void)
{
	enum { WRITERS = 4, EACH = 50 };
	int last[WRITERS] = { 0 }, wrong = 0, i, n;
	char text[64];
	struct dirent **list;
	struct fixture f;

	open_fixture(&f);
	for (i = 0; i < WRITERS; i++) {
		if (fork() != 0)
			continue;
		for (n = 1; n <= EACH; n++) {
			snprintf(text, sizeof(text), "%d %d", i, n);
			if (put(&f.box, ID, "", text) != 0)
				_exit(1);
		}
		_exit(0);
	}
	while (wait(&i) > 0)
		wrong += i != 0;
	is_int(wrong, 0, "%d writers put %d messages each", WRITERS, EACH);
	n = outbox_list(&f.box, "new", &list);
	is_int(n, WRITERS * EACH, "every one has a name of its own");
	for (i = 0; i < n; i++) {
		int writer, number;

		text_of(&f.box, "new", list[i]->d_name, text);
		if (sscanf(text, "%d %d", &writer, &number) != 2 ||
		    number != ++last[writer])
			wrong++;
		if (i > 0 && strcmp(list[i - 1]->d_name, list[i]->d_name) >= 0)
			wrong++;
	}
	is_int(wrong, 0, "names sort as the messages came");
	if (n >= 0)
		outbox_list_free(list, n);
	close_fixture(&f);
}

static void
test_modes(mode_t mask)
{
	static const char *const dirs[] = { "tmp", "new", "failed", "seen" };
	char name[OUTBOX_NAME_MAX], path[OUTBOX_NAME_MAX + 8];
	struct outbox_message msg;
	struct fixture f;
	mode_t old;
	size_t i;

	scratch_open(&f.s);
	datadir_close(&f.s.data);
	old = umask(mask); /* datadir_open() sets its own */
	if (datadir_open(&f.s.data, f.s.dir) != 0 ||
	    outbox_open(&f.box, &f.s.data) != 0)
		die(f.s.dir);
	is_int(mode_of(&f.box, "."), 0700, "umask %03o: outbox/ is 0700",
	    (unsigned int)mask);
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		is_int(mode_of(&f.box, dirs[i]), 0700, "... %s/ too", dirs[i]);
	is_int(mode_of(&f.box, "trigger"), 0600, "... the trigger is 0600");
	close(outbox_lock(&f.box));
	is_int(mode_of(&f.box, "lock"), 0600, "... the lock");
	put(&f.box, ID, "aa", "one");
	name_of(&f.box, "new", 0, name);
	snprintf(path, sizeof(path), "new/%s", name);
	is_int(mode_of(&f.box, path), 0600, "... a message");
	outbox_load(&f.box, "new", name, &msg);
	outbox_fail(&f.box, name, &msg, "why not");
	outbox_release(&msg);
	snprintf(path, sizeof(path), "failed/%s", name);
	is_int(mode_of(&f.box, path), 0600, "... one that failed");
	put(&f.box, ID, "aa", "two");
	outbox_delivered(&f.box, name_of(&f.box, "new", 0, name), "aa");
	is_int(mode_of(&f.box, "seen/aa"), 0600, "... a key");
	close_fixture(&f);
	umask(old);
}

/* ---- keys ---- */

static void
test_keys(void)
{
	char key[OUTBOX_KEY_MAX], same[OUTBOX_KEY_MAX], long_id[256];
	static const struct {
		const char *what, *id, *program, *message;
		unsigned int n;
	} others[] = {
		{ "installation", OTHER, "echo", "m1", 0 },
		{ "program", ID, "ping", "m1", 0 },
		{ "message", ID, "echo", "m2", 0 },
		{ "number", ID, "echo", "m1", 1 },
		{ "boundary", ID, "echo\n0", "m1", 0 },
		{ "end", ID, "echo", "m1\n", 0 },
	};
	size_t i;

	outbox_key(key, ID, "echo", "m1", 0);
	outbox_key(same, ID, "echo", "m1", 0);
	is_str(same, key, "the same message has the same key");
	ok(strlen(key) == 32 && strspn(key, "0123456789abcdef") == 32,
	    "it is a file name: %s", key);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		outbox_key(same, others[i].id, others[i].program,
		    others[i].message, others[i].n);
		ok(strcmp(same, key) != 0, "another %s, another key",
		    others[i].what);
	}
	memset(long_id, 'x', 255);
	long_id[255] = '\0';
	outbox_key(key, long_id, "uninstalled", long_id, UINT32_MAX);
	long_id[254] = 'y';
	outbox_key(same, long_id, "uninstalled", long_id, UINT32_MAX);
	ok(strcmp(same, key) != 0, "the longest ids matter to their end");
}

/* A name as of so many seconds after T0. */
static const char *
at(int seconds, char name[OUTBOX_NAME_MAX])
{
	snprintf(name, OUTBOX_NAME_MAX, "%010d%09d-1-0", T0 + seconds,
	    seconds & 1 ? 999999999 : 0);
	return name;
}

/* Deliver a message that came so many seconds after T0. */
static void
deliver(const struct outbox *box, int seconds, const char *key)
{
	struct timespec times[2] = { { .tv_sec = T0 + seconds } };
	char name[OUTBOX_NAME_MAX], path[OUTBOX_NAME_MAX + 8];

	times[1] = times[0];
	snprintf(path, sizeof(path), "new/%s", at(seconds, name));
	plant(box, path, "{}", 2);
	if (utimensat(box->dirfd, path, times, 0) != 0)
		die(path);
	outbox_delivered(box, name, key);
}

static void
test_seen(void)
{
	char name[OUTBOX_NAME_MAX];
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	ok(!outbox_seen(&f.box, at(0, name), "ab12"),
	    "a key is not seen before it is delivered");
	deliver(&f.box, 0, "ab12");
	ok(outbox_seen(&f.box, at(0, name), "ab12"), "it is afterwards");
	ok(outbox_seen(&f.box, at(600, name), "ab12"), "... ten minutes later");
	ok(outbox_seen(&f.box, at(-3, name), "ab12"),
	    "... and by what came before, and is sent after it");
	ok(!outbox_seen(&f.box, at(601, name), "ab12"),
	    "... but not after more than that");
	ok(!outbox_seen(&f.box, at(1, name), "ab13"), "another key is not");
	deliver(&f.box, 700, "ab12");
	ok(outbox_seen(&f.box, at(1299, name), "ab12"),
	    "delivered again, it counts from then");
	deliver(&f.box, 0, "");
	ok(!outbox_seen(&f.box, at(0, name), ""), "no key is never seen");
	outbox_delivered(&f.box, at(1, name), "ab14");
	ok(!outbox_seen(&f.box, at(1, name), "ab14"),
	    "nor is what was removed while it was delivered");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	is_int(count(&f.box, "seen"), 1, "... nor remembered");
	is_int(count(&f.box, "new"), 0, "... nor left");
	close_fixture(&f);
}

static void
test_delivered(void)
{
	char name[OUTBOX_NAME_MAX];
	struct fixture f;

	open_fixture(&f);
	put(&f.box, ID, "0a", "one");
	put(&f.box, ID, "0b", "two");
	outbox_delivered(&f.box, name_of(&f.box, "new", 0, name), "0a");
	is_int(count(&f.box, "new"), 1, "what is delivered is removed");
	ok(outbox_seen(&f.box, name_of(&f.box, "new", 0, name), "0a"),
	    "... and its key is known");
	ok(!outbox_seen(&f.box, name, "0b"), "... and no other");
	close_fixture(&f);
}

/* ---- failures ---- */

static void
test_fail(void)
{
	char name[OUTBOX_NAME_MAX], again[OUTBOX_NAME_MAX];
	char reason[OUTBOX_REASON_MAX];
	struct outbox_message msg;
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	reason[0] = '"';
	put(&f.box, ID, "0c", "hello");
	name_of(&f.box, "new", 0, name);
	outbox_load(&f.box, "new", name, &msg);
	is_int(outbox_fail(&f.box, name, &msg, reason), 0, "it has failed");
	outbox_release(&msg);
	is_int(count(&f.box, "new"), 0, "... so it is not in new/");
	is_int(outbox_load(&f.box, "failed", name, &msg), 0,
	    "... but in failed/, under its name");
	is_str(msg.reason, reason, "... with the reason, however long");
	is_str(msg.key, "0c", "... and its key");

	is_int(outbox_retry(&f.box, name, &msg), 0, "it is tried again");
	outbox_release(&msg);
	is_int(count(&f.box, "failed"), 0, "... so it is not in failed/");
	name_of(&f.box, "new", 0, again);
	ok(strcmp(again, name) > 0, "... but in new/, as if it came now");
	is_int(outbox_load(&f.box, "new", again, &msg), 0, "... whole");
	is_str(msg.oauth_id, ID, "... for its installation");
	is_int(msg.room_id, 2589171, "... and room");
	is_str(msg.key, "0c", "... with its key");
	is_str(msg.reason, "", "... and no reason");
	outbox_release(&msg);
	is_int(count(&f.box, "tmp"), 0, "nothing is left in tmp/");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

static const struct {
	const char *what, *text, *why;
} damages[] = {
	{ "an empty file", "", "" },
	{ "half of it", "{\"oauthId\":\"" ID "\",\"roo", "" },
	{ "an array", "[]", "" },
	{ "no installation", "{\"roomId\":1,\"notification\":{}}",
	    "no oauthId" },
	{ "a number for it",
	    "{\"oauthId\":1,\"roomId\":1,"
	    "\"notification\":{}}",
	    "no oauthId" },
	{ "no room", "{\"oauthId\":\"i\",\"notification\":{}}", "no roomId" },
	{ "an odd room",
	    "{\"oauthId\":\"i\",\"roomId\":\"x\","
	    "\"notification\":{}}",
	    "no roomId" },
	{ "no notification", "{\"oauthId\":\"i\",\"roomId\":1}",
	    "no notification" },
	{ "an odd notification",
	    "{\"oauthId\":\"i\",\"roomId\":1,"
	    "\"notification\":null}",
	    "invalid notification" },
	{ "a key that leads elsewhere",
	    "{\"oauthId\":\"i\",\"roomId\":1,"
	    "\"key\":\"../../lock\",\"notification\":{}}",
	    "invalid key" },
	{ "two documents",
	    "{\"oauthId\":\"i\",\"roomId\":1,"
	    "\"notification\":{}}{}",
	    "" },
};

static void
test_damage(void)
{
	static char big[600000];
	struct outbox_message msg;
	struct capture log;
	char line[128];
	struct fixture f;
	size_t i;

	open_fixture(&f);
	for (i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		plant(&f.box, "new/odd", damages[i].text,
		    strlen(damages[i].text));
		capture_start(&log);
		is_int(outbox_load(&f.box, "new", "odd", &msg), 500,
		    "%s is no message", damages[i].what);
		snprintf(line, sizeof(line), "outbox/new/odd: %s",
		    damages[i].why);
		is_line(capture_stop(&log), line, "... and the log says why");
	}
	memset(big, ' ', sizeof(big));
	plant(&f.box, "new/odd", big, sizeof(big));
	capture_start(&log);
	is_int(outbox_load(&f.box, "new", "odd", &msg), 500,
	    "half a megabyte is no message");
	outbox_set_aside(&f.box, "odd");
	ok(!exists(&f.box, "new/odd") && exists(&f.box, "failed/odd"),
	    "it is set aside");
	capture_stop(&log);
	plant(&f.box, "new/.hidden", "", 0);
	is_int(count(&f.box, "new"), 0, "hidden files are nobody's business");
	close_fixture(&f);
}

/* ---- removal ---- */

static void
fail_first(const struct outbox *box)
{
	struct outbox_message msg;
	char name[OUTBOX_NAME_MAX];

	name_of(box, "new", 0, name);
	if (outbox_load(box, "new", name, &msg) != 0 ||
	    outbox_fail(box, name, &msg, "why not") != 0)
		die("failing a message");
	outbox_release(&msg);
}

static void
test_forget(void)
{
	char name[OUTBOX_NAME_MAX], text[64];
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	put(&f.box, ID, "", "one");
	fail_first(&f.box);
	put(&f.box, OTHER, "", "two");
	fail_first(&f.box);
	put(&f.box, ID, "", "three");
	put(&f.box, OTHER, "", "four");
	put(&f.box, ID, "", "five");
	put(&f.box, ID, "aa", "six");
	outbox_delivered(&f.box, name_of(&f.box, "new", 3, name), "aa");
	plant(&f.box, "failed/odd", "?", 1);
	capture_start(&log);
	is_int(outbox_forget(&f.box, ID), 0, "an installation is forgotten");
	capture_stop(&log);
	is_int(count(&f.box, "new"), 1, "... what it had queued goes");
	is_int(count(&f.box, "failed"), 2, "... and what had failed");
	is_int(count(&f.box, "seen"), 0, "... and what was delivered");
	is_str(text_of(&f.box, "new", name_of(&f.box, "new", 0, name), text),
	    "four", "what another one has queued stays");
	is_str(
	    text_of(&f.box, "failed", name_of(&f.box, "failed", 0, name), text),
	    "two", "... and what has failed");
	ok(exists(&f.box, "failed/odd"), "... and what is no message");
	close_fixture(&f);
}

/* ---- sweeping ---- */

static pid_t
dead_pid(void)
{
	const pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static void
plant_key(const struct outbox *box, const char *key, int age)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - age } };
	char path[64];

	times[1] = times[0];
	snprintf(path, sizeof(path), "seen/%s", key);
	plant(box, path, "", 0);
	if (utimensat(box->dirfd, path, times, 0) != 0)
		die(path);
}

static void
test_sweep(void)
{
	char dead[OUTBOX_NAME_MAX], alive[OUTBOX_NAME_MAX];
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	snprintf(dead, sizeof(dead), "tmp/%d-%d-0", T0, (int)dead_pid());
	snprintf(alive, sizeof(alive), "tmp/%d-%d-0", T0, (int)getpid());
	plant(&f.box, dead, "x", 1);
	plant(&f.box, alive, "x", 1);
	plant(&f.box, "tmp/lanes.json", "x", 1);
	plant(&f.box, "tmp/odd", "x", 1);
	plant_key(&f.box, "01", 10000);
	plant_key(&f.box, "02", 590);
	put(&f.box, ID, "", "hello");
	capture_start(&log);
	outbox_sweep(&f.box, time(NULL) - 9500);
	ok(!exists(&f.box, dead), "what a dead writer left is swept away");
	ok(exists(&f.box, alive), "what a living one writes is not");
	ok(!exists(&f.box, "tmp/lanes.json"), "a dead courier's status is");
	ok(!exists(&f.box, "tmp/odd"), "and what nobody has written");
	is_int(count(&f.box, "seen"), 2, "keys stay while they may be needed");
	outbox_sweep(&f.box, time(NULL));
	ok(!exists(&f.box, "seen/01"), "old ones go when nothing is queued");
	ok(exists(&f.box, "seen/02"), "... and those of ten minutes stay");
	is_int(count(&f.box, "new"), 1, "no message goes");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

/* ---- lanes.json ---- */

static void
test_status(void)
{
	struct json_object *doc;
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	ok(outbox_read_lanes(&f.box) == NULL, "there is no status at first");
	doc = json_object_new_object();
	json_object_object_add(doc, "lanes", json_object_new_array());
	outbox_write_lanes(&f.box, doc);
	json_object_put(doc);
	doc = outbox_read_lanes(&f.box);
	is_str(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN),
	    "{\"lanes\":[]}", "it is written and read");
	json_object_put(doc);
	is_int(mode_of(&f.box, "lanes.json"), 0600, "it is 0600");
	is_int(count(&f.box, "tmp"), 0, "nothing is left in tmp/");
	is_line(capture_stop(&log), "", "nothing of this is logged");

	plant(&f.box, "lanes.json", "{\"lanes\":", 9);
	capture_start(&log);
	ok(outbox_read_lanes(&f.box) == NULL, "a damaged one is none");
	is_line(capture_stop(&log),
	    "outbox/lanes.json: ", "... which is logged");
	doc = json_object_new_object();
	outbox_write_lanes(&f.box, doc);
	json_object_put(doc);
	doc = outbox_read_lanes(&f.box);
	ok(doc != NULL, "... and it is replaced");
	json_object_put(doc);
	close_fixture(&f);
}

/* ---- the lock ---- */

static void
test_lock(void)
{
	struct capture log;
	struct fixture f;
	int lock, status, fds[2];
	char byte;
	pid_t pid;

	open_fixture(&f);
	capture_start(&log);
	lock = outbox_lock(&f.box);
	ok(lock >= 0, "the first courier gets the lock");
	is_int(outbox_lock(&f.box), -1, "the second one does not");
	if ((pid = fork()) == 0)
		_exit(outbox_lock(&f.box) == -1 ? 0 : 1);
	waitpid(pid, &status, 0);
	is_int(status, 0, "nor does another process");
	close(lock);
	if (pipe(fds) != 0)
		die("pipe");
	if ((pid = fork()) == 0) {
		if (outbox_lock(&f.box) >= 0 && write(fds[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(fds[1]);
	is_int(read(fds[0], &byte, 1), 1, "given back, it is another's");
	is_int(outbox_lock(&f.box), -1, "... as long as that lives");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fds[0]);
	lock = outbox_lock(&f.box);
	ok(lock >= 0, "... and free when it is killed");
	close(lock);
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

int
main(void)
{
	const int before = open_files();

	test_put();
	test_order();
	test_modes(0);
	test_modes(0777);
	test_keys();
	test_seen();
	test_delivered();
	test_fail();
	test_damage();
	test_forget();
	test_sweep();
	test_status();
	test_lock();
	is_int(open_files(), before, "no file is left open");
	return done();
}
