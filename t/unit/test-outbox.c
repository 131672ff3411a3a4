/*
 * test-outbox: messages in and out, and their ends.  What lies below is tested
 * in test-journal.c, what older versions left in test-takeover.c, and what a
 * courier does with the messages in courier.t.
 */
#include <sys/wait.h>
#include <time.h>

#include "box.h"
#include "capture.h"
#include "json.h"
#include "sandbox.h"
#include "status.h"
#include "tap.h"

/* ---- in and out ---- */

static bool
is_id(const char *id)
{
	char expected[OUTBOX_ID_MAX];
	const size_t digits = strspn(id, "0123456789");

	snprintf(expected, sizeof(expected), "%.19s-%d-%d", id, (int)getpid(),
	    atoi(strrchr(id, '-') + 1));
	return digits == 19 && strcmp(id, expected) == 0;
}

static void
test_put(void)
{
	const int64_t before = (int64_t)time(NULL);
	struct outbox_message msg;
	struct outbox_entry entry;
	struct capture log;
	struct fixture f;

	capture_start(&log);
	open_fixture(&f);
	is_int(outbox_begin(&f.box), 0, "a new outbox");
	is_int(outbox_next(&f.box, &entry), 404, "... is empty");
	is_int(put(&f.box, ID, "0123abcd", "hello"), 0, "a message is put");
	is_int(outbox_next(&f.box, &entry), 0, "... and found");
	ok(is_id(entry.id), "... as TIME-PID-N: %s", entry.id);
	ok(entry.arrived >= before && entry.arrived <= (int64_t)time(NULL),
	    "... which tells when");
	is_str(entry.oauth_id, ID, "... with its installation");
	is_int(entry.room_id, 2589171, "... its room");
	is_str(entry.key, "0123abcd", "... its key");
	is_int(entry.kind, OUTBOX_MESSAGE, "... a message");
	is_int(outbox_claim(&f.box, &entry.place, &msg), 0, "it is claimed");
	is_str(msg.id, entry.id, "... with its id");
	is_str(msg.oauth_id, ID, "... its installation");
	is_int(msg.room_id, 2589171, "... its room");
	is_str(msg.key, "0123abcd", "... its key");
	is_str(msg.webhook, "w1", "... its webhook");
	is_str(msg.reason, "", "... no reason");
	is_str(json_text(msg.notification), "{\"message\":\"hello\"}",
	    "... and the notification");
	outbox_settle(&f.box, &entry.place, &msg, OUTBOX_DONE, NULL);
	outbox_release(&msg);
	is_int(put(&f.box, ID, "", "keyless"), 0, "one without a key is put");
	outbox_next(&f.box, &entry);
	is_str(entry.key, "", "... and found without one");
	is_int(outbox_put_removal(&f.box, ID), 0, "a removal is put");
	is_int(outbox_next(&f.box, &entry), 0, "... and found");
	is_int(entry.kind, OUTBOX_REMOVAL, "... as a removal");
	is_int(entry.room_id, 0, "... for no room");
	is_int(outbox_claim(&f.box, &entry.place, &msg), 0, "... and claimed");
	is_str(msg.oauth_id, ID, "... for its installation");
	ok(msg.notification == NULL, "... without a notification");
	outbox_release(&msg);
	is_int(outbox_next(&f.box, &entry), 404, "that is all");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

static void
test_not_put(void)
{
	struct outbox_message msg = { .room_id = 1 };
	struct json_object *doc = json_new();
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	is_int(put(&f.box, "two words", "", "x"), 500, "an odd installation");
	is_int(put(&f.box, "", "", "x"), 500, "none");
	is_int(put(&f.box, ID, "../lock", "x"), 500, "an odd key");
	strcpy(msg.oauth_id, ID);
	msg.room_id = 0;
	is_int(outbox_put(&f.box, &msg, doc), 500, "no room");
	capture_stop(&log);
	json_object_put(doc);
	is_str(texts(&f.box, OUTBOX_QUEUE), "", "nothing of this is queued");
	close_fixture(&f);
}

static void
test_order(void)
{
	enum { WRITERS = 4, EACH = 50 };
	int last[WRITERS] = { 0 }, wrong = 0, i, n = 0;
	struct outbox_message msg;
	struct outbox_entry entry;
	struct fixture f;
	char text[64];

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
	outbox_begin(&f.box);
	while (outbox_next(&f.box, &entry) == 0) {
		int writer, number;

		if (outbox_claim(&f.box, &entry.place, &msg) != 0 ||
		    sscanf(text_of(&msg), "%d %d", &writer, &number) != 2 ||
		    number != ++last[writer])
			wrong++;
		outbox_release(&msg);
		n++;
	}
	is_int(n, WRITERS * EACH, "all are found");
	is_int(wrong, 0, "... in the order in which they were put");
	close_fixture(&f);
}

/* ---- ends ---- */

static void
test_settle(void)
{
	struct outbox_message msg;
	struct place {
		struct outbox_entry e;
	} p[5];
	struct capture log;
	struct fixture f;
	int i;

	open_fixture(&f);
	capture_start(&log);
	outbox_begin(&f.box);
	for (i = 0; i < 5; i++) {
		put(&f.box, ID, "",
		    (const char *[]){ "done", "failed", "dropped", "later",
			"claimed" }[i]);
		outbox_next(&f.box, &p[i].e);
		outbox_claim(&f.box, &p[i].e.place, &msg);
		if (i < 4)
			is_int(outbox_settle(&f.box, &p[i].e.place, &msg,
				   (enum outbox_end)i, "why \"not\""),
			    0, "%s", text_of(&msg));
		outbox_release(&msg);
	}
	is_str(texts(&f.box, OUTBOX_QUEUE), "later claimed*",
	    "what is settled is gone, what comes later is queued");
	is_str(texts(&f.box, OUTBOX_FAILED), "failed", "one has failed");
	is_str(reason(&f.box), "why \"not\"", "... with the reason");
	is_int(occurs(&f, "queue", "done") + occurs(&f, "queue", "failed") +
		occurs(&f, "queue", "dropped"),
	    0, "the texts of what is settled are blanked");
	is_int(outbox_next(&f.box, &p[0].e), 404,
	    "what comes later is the courier's already");
	is_int(outbox_claim(&f.box, &p[3].e.place, &msg), 0,
	    "... which may claim it again");
	outbox_release(&msg);
	/* the courier is killed, and the next one starts */
	outbox_begin(&f.box);
	is_int(outbox_next(&f.box, &p[0].e), 0, "the next courier finds it");
	is_str(p[0].e.id, p[3].e.id, "... the same");
	is_int(outbox_next(&f.box, &p[0].e), 0, "and what was claimed");
	is_str(p[0].e.id, p[4].e.id, "... after it");
	is_int(outbox_next(&f.box, &p[0].e), 404, "and that is all");
	is_str(texts(&f.box, OUTBOX_QUEUE), "later claimed",
	    "... and they are queued again");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

static void
test_no_list(void)
{
	struct outbox_message msg;
	struct outbox_entry entry;
	char path[SCRATCH_PATH];
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	mkfifo(scratch_path(&f.s, "outbox/failed", path), 0600);
	outbox_begin(&f.box);
	put(&f.box, ID, "", "hello");
	outbox_next(&f.box, &entry);
	outbox_claim(&f.box, &entry.place, &msg);
	capture_start(&log);
	is_int(
	    outbox_settle(&f.box, &entry.place, &msg, OUTBOX_GIVEN_UP, "why"),
	    500, "if there can be no list of failed ones");
	capture_stop(&log);
	outbox_release(&msg);
	is_str(texts(&f.box, OUTBOX_QUEUE), "hello",
	    "... a message stays where it is");
	is_int(outbox_claim(&f.box, &entry.place, &msg), 0,
	    "... and can be claimed again");
	outbox_release(&msg);
	close_fixture(&f);
}

/* ---- duplicates ---- */

/* Put and deliver one; returns what outbox_claim() says. */
static int
deliver(struct outbox *box, const char *key)
{
	struct outbox_message msg;
	struct outbox_entry entry;
	int status;

	put(box, ID, key, "hello");
	if (outbox_next(box, &entry) != 0)
		return -1;
	status = outbox_claim(box, &entry.place, &msg);
	if (status == 0)
		outbox_settle(box, &entry.place, &msg, OUTBOX_DONE, NULL);
	outbox_release(&msg);
	return status;
}

static void
test_duplicates(void)
{
	struct outbox_entry entry;
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	outbox_begin(&f.box);
	is_int(deliver(&f.box, "0a"), 0, "a message is delivered");
	is_int(deliver(&f.box, "0a"), 409, "... but not twice");
	is_int(deliver(&f.box, "0b"), 0, "... one with another key is");
	is_int(deliver(&f.box, ""), 0, "... and one without a key");
	is_int(deliver(&f.box, ""), 0, "... as often as it comes");
	outbox_begin(&f.box);
	is_int(outbox_next(&f.box, &entry), 404, "another courier");
	is_int(deliver(&f.box, "0a"), 409, "... knows it, too");
	is_int(deliver(&f.box, "0c"), 0, "... and no other");
	outbox_tidy(&f.box);
	is_int(deliver(&f.box, "0c"), 409, "it is not forgotten at once");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

static void
test_seen(void)
{
	struct seen seen;
	char key[32];
	int i, found = 0, known = 0;

	seen_init(&seen);
	for (i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		found += seen_has(&seen, key, 0);
		seen_add(&seen, key, 0);
		known += seen_has(&seen, key, 0);
	}
	is_int(found, 0, "no key is known before");
	is_int(known, 20000, "all are known afterwards");
	seen.since -= 600;
	seen_age(&seen, 600, 0);
	seen_add(&seen, "new", 0);
	seen.since -= 599;
	seen_age(&seen, 600, 0);
	ok(seen_has(&seen, "7", 0), "a key is known for ten minutes");
	seen.since -= 1;
	seen_age(&seen, 600, 300);
	ok(seen_has(&seen, "7", 0),
	    "... and longer, if a message is queued that came before that");
	seen_age(&seen, 600, 0);
	ok(!seen_has(&seen, "7", 0), "then it is forgotten");
	ok(seen_has(&seen, "new", 0), "... but not a later one");
	seen_free(&seen);
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
	    "it is hexadecimal: %s", key);
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

/* ---- removals and operators ---- */

static void
fail(struct outbox *box, const char *id, const char *text)
{
	struct outbox_message msg;
	struct outbox_entry entry;

	put(box, id, "0d", text);
	if (outbox_next(box, &entry) != 0 ||
	    outbox_claim(box, &entry.place, &msg) != 0 ||
	    outbox_settle(box, &entry.place, &msg, OUTBOX_GIVEN_UP, "why") != 0)
		die("failing a message");
	outbox_release(&msg);
}

static void
test_forget(void)
{
	struct outbox_message msg;
	struct outbox_entry first, claimed;
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	outbox_begin(&f.box);
	fail(&f.box, ID, "one");
	fail(&f.box, OTHER, "two");
	put(&f.box, ID, "", "three");
	put(&f.box, OTHER, "", "four");
	put(&f.box, ID, "", "five");
	outbox_put_removal(&f.box, ID);
	outbox_next(&f.box, &first);
	outbox_next(&f.box, &claimed);
	outbox_next(&f.box, &claimed);
	outbox_claim(&f.box, &claimed.place, &msg);
	outbox_release(&msg);
	is_int(outbox_forget(&f.box, ID), 0, "an installation is forgotten");
	is_str(texts(&f.box, OUTBOX_QUEUE), "four five*",
	    "... what it had queued goes, but what is claimed");
	is_str(texts(&f.box, OUTBOX_FAILED), "two", "... and what had failed");
	is_int(occurs(&f, "queue", "three") + occurs(&f, "failed", "one"), 0,
	    "... to the last letter");
	is_int(outbox_claim(&f.box, &first.place, &msg), 404,
	    "the courier can't claim it any more");
	is_int(outbox_forget(&f.box, ID), 0, "it is forgotten again");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

static void
test_operator(void)
{
	struct outbox_reader r;
	struct outbox_message msg;
	struct outbox_entry mine, entry;
	char id[OUTBOX_ID_MAX];
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	outbox_begin(&f.box);
	put(&f.box, ID, "0e", "one");
	outbox_next(&f.box, &mine);
	outbox_read_begin(&r, &f.box, OUTBOX_QUEUE);
	is_int(outbox_read_next(&r, &entry), 0, "a message is listed");
	ok(!entry.claimed, "... which nobody has claimed");
	is_int(outbox_read_message(&entry, &msg), 0, "... and read");
	is_str(text_of(&msg), "one", "... whole");
	outbox_release(&msg);
	outbox_claim(&f.box, &mine.place, &msg);
	is_int(outbox_drop(&entry), 404, "one that is claimed is not dropped");
	outbox_settle(&f.box, &mine.place, &msg, OUTBOX_LATER, NULL);
	outbox_release(&msg);
	is_int(outbox_drop(&entry), 0, "one that is not is");
	is_int(outbox_claim(&f.box, &mine.place, &msg), 404,
	    "... and can't be claimed");
	is_int(outbox_drop(&entry), 404, "... nor dropped again");
	is_int(outbox_read_message(&entry, &msg), 404, "... nor read");
	is_int(outbox_read_next(&r, &entry), 404, "that was all");
	is_int(outbox_read_end(&r), 0, "the end");

	fail(&f.box, ID, "two");
	outbox_read_begin(&r, &f.box, OUTBOX_FAILED);
	outbox_read_next(&r, &entry);
	is_int(outbox_retry(&f.box, &entry, id), 0,
	    "one that failed is retried");
	is_int(outbox_read_end(&r), 0, "the end");
	is_str(texts(&f.box, OUTBOX_FAILED), "", "... so it has not failed");
	is_str(texts(&f.box, OUTBOX_QUEUE), "two", "... but is queued");
	outbox_next(&f.box, &mine);
	is_str(mine.id, id, "... under a new id");
	ok(strcmp(id, entry.id) > 0, "... as if it came now");
	outbox_claim(&f.box, &mine.place, &msg);
	is_str(msg.key, "0d", "... with its key");
	is_str(msg.reason, "", "... and no reason");
	outbox_release(&msg);
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

/* ---- damage ---- */

#define HEAD "q m 1600000000000000000-1-0 " ID " 7 - "
static const struct {
	const char *what, *line;
	bool found; /* by its head; then it is seen when it is claimed */
} damages[] = {
	{ "no word of ours", "hello", false },
	{ "half a head", "q m 1600000000000000000-1-0 " ID, false },
	{ "no text", HEAD, false },
	{ "half a text", HEAD "{\"notification\":{\"mess", false },
	{ "an unknown mark", "w" HEAD "{}", false },
	{ "an unknown kind", "q s 1600000000000000000-1-0 " ID " 7 - {}",
	    false },
	{ "an odd id", "q m ../../etc " ID " 7 - {}", false },
	{ "an odd installation", "q m 1600000000000000000-1-0 a/b 7 - {}",
	    false },
	{ "no room", "q m 1600000000000000000-1-0 " ID " 0 - {}", false },
	{ "an odd room", "q m 1600000000000000000-1-0 " ID " -7 - {}", false },
	{ "an odd key", "q m 1600000000000000000-1-0 " ID " 7 ../x {}", false },
	{ "two blanks", "q  m 1600000000000000000-1-0 " ID " 7 - {}", false },
	{ "no notification", HEAD "{}", true },
	{ "a number for it", HEAD "{\"notification\":7}", true },
	{ "no JSON", HEAD "{notification}", true },
	{ "two documents", HEAD "{\"notification\":{}}{}", true },
};

static void
test_damage(void)
{
	struct outbox_message msg;
	struct outbox_entry entry;
	struct capture log;
	struct fixture f;
	char text[512];
	size_t i;

	open_fixture(&f);
	outbox_begin(&f.box);
	for (i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		snprintf(text, sizeof(text), "\n%s\n", damages[i].line);
		scribble(&f, "queue", text);
		capture_start(&log);
		is_int(outbox_next(&f.box, &entry), damages[i].found ? 0 : 404,
		    "%s", damages[i].what);
		if (damages[i].found)
			is_int(outbox_claim(&f.box, &entry.place, &msg), 400,
			    "... is no message");
		is_line(capture_stop(&log),
		    damages[i].found ? "1600000000000000000-1-0: " :
				       "outbox/queue: byte ",
		    "... and the log says so");
	}
	capture_start(&log);
	put(&f.box, ID, "", "whole");
	is_str(texts(&f.box, OUTBOX_QUEUE), "whole", "none stops the next one");
	is_str(texts(&f.box, OUTBOX_FAILED), "? ? ? ?",
	    "those that may have been a message are kept");
	is_int(occurs(&f, "failed", "\n" HEAD "{\"notification\":{}}{}\n"), 1,
	    "... as they are");
	capture_stop(&log);
	capture_start(&log);
	outbox_begin(&f.box);
	is_int(outbox_next(&f.box, &entry), 0, "the next courier goes on");
	is_line(capture_stop(&log), "", "... without a word");
	close_fixture(&f);
}

/* A power cut keeps some of the pages of a line that was blanked. */
static void
test_half_blank(void)
{
	struct outbox_entry entry;
	struct capture log;
	struct fixture f;
	char line[128];

	open_fixture(&f);
	snprintf(line, sizeof(line),
	    "\nc m %010lld000000000-1-1 %s 7 ab \t\t\t\n",
	    (long long)time(NULL), ID);
	scribble(&f, "queue", line);
	scribble(&f, "queue",
	    HEAD "{\"notification\":{\t\t}}\n" HEAD "{\"notification\":{\t\n");
	capture_start(&log);
	outbox_begin(&f.box);
	is_int(outbox_next(&f.box, &entry), 404,
	    "what is blanked in part is settled");
	is_int(deliver(&f.box, "ab"), 409, "... and was delivered");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

/* ---- confined ---- */

/* All that a program does after it has given up the rest. */
static bool
works_confined(struct fixture *f)
{
	const struct sandbox keep = { .writable = f->s.dir };
	char path[SCRATCH_PATH];

	sandbox_enter(&keep);
	if (put(&f->box, ID, "", "one") != 0 || outbox_begin(&f->box) != 0)
		return false;
	nftw(scratch_path(&f->s, "outbox", path), scratch_remove, 8,
	    FTW_DEPTH | FTW_PHYS);
	if (put(&f->box, OTHER, "", "two") != 0 || outbox_begin(&f->box) != 0)
		return false;
	fail(&f->box, ID, "three");
	fail(&f->box, OTHER, "four");
	if (journal_rotate(&f->box.reader) != 0 ||
	    put(&f->box, OTHER, "", "five") != 0 ||
	    outbox_forget(&f->box, ID) != 0)
		return false;
	outbox_tidy(&f->box);
	return true;
}

static void
test_confined(void)
{
	struct capture log;
	struct fixture f;
	int status;
	pid_t pid;

	open_fixture(&f);
	mkdir(scratch_path(&f.s, "outbox/new", (char[SCRATCH_PATH]){ 0 }),
	    0700);
	capture_start(&log);
	if ((pid = fork()) == 0)
		_exit(works_confined(&f) ? 0 : 1);
	waitpid(pid, &status, 0);
	is_int(status, 0, "all of it works in a sandbox");
	is_line(capture_stop(&log), "", "... and nothing is logged");
	is_str(texts(&f.box, OUTBOX_QUEUE), "four five",
	    "... the queue is right");
	is_str(texts(&f.box, OUTBOX_FAILED), "two", "... the failed ones, too");
	close_fixture(&f);
}

int
main(void)
{
	const int before = open_files();

	test_put();
	test_not_put();
	test_order();
	test_settle();
	test_no_list();
	test_duplicates();
	test_seen();
	test_keys();
	test_forget();
	test_operator();
	test_damage();
	test_half_blank();
	test_confined();
	is_int(open_files(), before, "no file is left open");
	return done();
}
