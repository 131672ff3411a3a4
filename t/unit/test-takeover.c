/*
 * test-takeover: what older versions left in the outbox, with a file a
 * message, is taken over once, whenever the one who does it is killed.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "box.h"
#include "capture.h"
#include "tap.h"

/* Make a file in the outbox. */
static void
plant(const struct fixture *f, const char *name, const char *text)
{
	char path[SCRATCH_PATH];

	snprintf(path, sizeof(path), "%.40s/outbox/%.64s", f->s.dir, name);
	image_write(path, text, strlen(text));
}

static void
plant_message(const struct fixture *f, const char *dir, int n, const char *key,
    const char *text)
{
	char name[64], json[512];

	snprintf(name, sizeof(name), "%s/%010lld0000000%02d-1-0", dir,
	    (long long)time(NULL) - 9, n);
	snprintf(json, sizeof(json),
	    "{\"oauthId\":\"" ID
	    "\",\"roomId\":7,%s\"webhook\":\"w%d\","
	    "\"notification\":{\"message\":\"%s\"}%s}",
	    key, n, text,
	    strcmp(dir, "failed") == 0 ? ",\"reason\":\"why\"" : "");
	plant(f, name, json);
}

static bool
exists(const struct fixture *f, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "outbox/%.40s", name);
	return faccessat(f->s.data.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* An outbox as version 1 left it. */
static void
old_outbox(struct fixture *f)
{
	static const char *const dirs[] = { "outbox", "outbox/new",
		"outbox/failed", "outbox/seen", "outbox/tmp" };
	char path[SCRATCH_PATH];
	size_t i;

	scratch_open(&f->s);
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (mkdir(scratch_path(&f->s, dirs[i], path), 0700) != 0)
			die(path);
	plant_message(f, "new", 1, "\"key\":\"0a\",", "one");
	plant_message(f, "new", 2, "", "two");
	plant_message(f, "new", 3, "\"key\":\"5e\",", "again");
	plant_message(f, "failed", 0, "", "zero");
	plant(f, "seen/5e", "{}");
	plant(f, "tmp/1600000000000000009-1-0", "{\"oauth");
	plant(f, "lanes.json", "{}");
	if (outbox_open(&f->box, &f->s.data) != 0)
		die("outbox_open");
}

static void
check_gone(const struct fixture *f)
{
	static const char *const all[] = { "new", "failed.old", "seen", "tmp",
		"lanes.json" };
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		ok(!exists(f, all[i]), "... %s is gone", all[i]);
}

static void
test_all(void)
{
	struct outbox_message msg;
	struct outbox_entry entry;
	struct capture log;
	struct fixture f;

	old_outbox(&f);
	capture_start(&log);
	is_int(put(&f.box, ID, "", "new"), 0, "a message is put first");
	is_int(outbox_forget(&f.box, OTHER), 0, "an installation is forgotten");
	is_int(outbox_begin(&f.box), 0, "then the older ones are taken over");
	is_str(texts(&f.box, OUTBOX_QUEUE), "one two again new",
	    "... and come before it");
	is_str(texts(&f.box, OUTBOX_FAILED), "zero",
	    "... what had failed, too");
	is_str(reason(&f.box), "why", "... with its reason");
	check_gone(&f);
	outbox_next(&f.box, &entry);
	ok(strlen(entry.id) == 23 &&
		strcmp(entry.id + 10, "000000001-1-0") == 0,
	    "they keep their ids");
	is_int(outbox_claim(&f.box, &entry.place, &msg), 0,
	    "... and are whole");
	is_int(msg.room_id, 7, "... with their room");
	is_str(msg.key, "0a", "... their key");
	is_str(msg.webhook, "w1", "... and their webhook");
	outbox_release(&msg);
	outbox_next(&f.box, &entry);
	outbox_next(&f.box, &entry);
	is_int(outbox_claim(&f.box, &entry.place, &msg), 409,
	    "what was delivered before is known");
	outbox_release(&msg);
	is_int(outbox_begin(&f.box), 0, "the next courier finds nothing old");
	is_str(texts(&f.box, OUTBOX_QUEUE), "one* two new", "... all is there");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

static void
test_odd(void)
{
	static const struct {
		const char *name, *text;
	} odds[] = {
		{ "new/1600000000000000001-1-1", "" },
		{ "new/1600000000000000001-1-2", "[]" },
		{ "new/1600000000000000001-1-3", "{\"oauthId\":\"a\"}" },
		{ "new/mail", "hello" },
		{ "failed/odd", "?" },
	};
	struct capture log;
	struct fixture f;
	size_t i;

	old_outbox(&f);
	for (i = 0; i < sizeof(odds) / sizeof(odds[0]); i++)
		plant(&f, odds[i].name, odds[i].text);
	capture_start(&log);
	is_int(outbox_begin(&f.box), 0, "files that are no messages");
	capture_stop(&log);
	ok(strstr(log.text, "new/mail: not a message\n") != NULL,
	    "... are logged");
	is_str(texts(&f.box, OUTBOX_QUEUE), "one two again",
	    "... stop no other");
	is_str(texts(&f.box, OUTBOX_FAILED), "zero", "... of the failed ones");
	ok(exists(&f, "odd/mail") && exists(&f, "odd/odd"), "... and are kept");
	capture_start(&log);
	is_int(outbox_begin(&f.box), 0, "the next courier");
	is_line(capture_stop(&log), "", "... does not speak of them");
	close_fixture(&f);
}

/* Killed at any moment, it is done by the next ones. */
static void
test_killed(void)
{
	enum { KILLS = 25 };
	int i, wrong = 0;
	struct fixture f;

	for (i = 0; i < KILLS; i++) {
		const struct timespec life = { .tv_nsec = 100000 * i };
		pid_t pid;

		old_outbox(&f);
		if ((pid = fork()) == 0)
			_exit(outbox_begin(&f.box));
		nanosleep(&life, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (outbox_begin(&f.box) != 0 ||
		    strcmp(texts(&f.box, OUTBOX_QUEUE), "one two again") != 0 ||
		    strcmp(texts(&f.box, OUTBOX_FAILED), "zero") != 0) {
			diag("%s | %s", texts(&f.box, OUTBOX_QUEUE),
			    texts(&f.box, OUTBOX_FAILED));
			wrong++;
		}
		close_fixture(&f);
	}
	is_int(wrong, 0, "killed %d times, nothing is lost or there twice",
	    KILLS);
}

int
main(void)
{
	const int before = open_files();

	test_all();
	test_odd();
	test_killed();
	is_int(open_files(), before, "no file is left open");
	return done();
}
