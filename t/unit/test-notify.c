/*
 * test-notify: what an endpoint's author may pass to notify_room().  What
 * becomes of it at HipChat's is in courier.t.
 */
#include "capture.h"
#include "json.h"
#include "notify.h"
#include "scratch.h"
#include "tap.h"

struct fixture {
	struct scratch s;
	struct outbox box;
	struct wake wake;
	struct webhook hook;
};

static void
open_fixture(struct fixture *f)
{
	scratch_open(&f->s);
	memset(&f->hook, 0, sizeof(f->hook));
	f->hook.program = "test";
	f->hook.message_id = "m1";
	f->hook.inst = sample(1, 1);
	f->hook.outbox = &f->box;
	f->hook.wake = &f->wake;
	if (outbox_open(&f->box, &f->s.data) != 0 ||
	    wake_open(&f->wake, &f->s.data) != 0)
		die("outbox_open");
}

static void
close_fixture(struct fixture *f)
{
	wake_close(&f->wake);
	outbox_close(&f->box);
	scratch_close(&f->s);
}

/* How many messages are queued; *first is the first, if there is one. */
static int
queued(const struct fixture *f, struct outbox_message *first)
{
	struct outbox_reader r;
	struct outbox_entry entry;
	int n = 0;

	if (outbox_read_begin(&r, &f->box, OUTBOX_QUEUE) != 0)
		die("outbox_read_begin");
	while (outbox_read_next(&r, &entry) == 0)
		if (n++ == 0 && outbox_read_message(&entry, first) != 0)
			die("outbox_read_message");
	outbox_read_end(&r);
	return n;
}

static void
refused(const char *what, int64_t room_id, const struct notification *n,
    const char *why)
{
	struct outbox_message msg;
	struct capture log;
	struct fixture f;
	int status;

	open_fixture(&f);
	f.hook.inst.room_id = room_id;
	capture_start(&log);
	status = notify_room(&f.hook, n);
	capture_stop(&log);
	ok(status == 500, "%s: 500", what);
	ok(strstr(log.text, why) != NULL, "%s: %s", what, why);
	ok(queued(&f, &msg) == 0, "%s: nothing is queued", what);
	close_fixture(&f);
}

static void
test_refused(void)
{
	refused("no message", 1, &(struct notification){ .color = "red" },
	    "no message");
	refused("an empty one", 1, &(struct notification){ .message = "" },
	    "no message");
	refused("Latin-1", 1, &(struct notification){ .message = "caf\xe9" },
	    "not UTF-8");
	refused("half a character", 1,
	    &(struct notification){ .message = "caf\xc3" }, "not UTF-8");
	refused("no room", 0, &(struct notification){ .message = "x" },
	    "no room");
}

static void
test_taken(void)
{
	struct outbox_message msg;
	struct capture log;
	struct fixture f;
	const char *text;

	open_fixture(&f);
	capture_start(&log);
	ok(notify_room(&f.hook,
	       &(struct notification){ .message = "caf\xc3\xa9" }) == 0,
	    "a message");
	ok(strstr(capture_stop(&log), ": queued, room 2589172 of ") != NULL &&
		strstr(log.text, "webhook m1\n") != NULL,
	    "... and so it says");
	ok(queued(&f, &msg) == 1, "... is queued");
	ok(msg.room_id == f.hook.inst.room_id,
	    "... for the installation's room");
	ok(json_string(msg.notification, "message", 99, &text) == 1 &&
		strcmp(text, "caf\xc3\xa9") == 0,
	    "... as it is");
	ok(json_string(msg.notification, "color", 99, &text) == 1 &&
		strcmp(text, "yellow") == 0,
	    "... in yellow");
	ok(json_string(msg.notification, "message_format", 99, &text) == 1 &&
		strcmp(text, "text") == 0,
	    "... as text");
	outbox_release(&msg);
	close_fixture(&f);

	open_fixture(&f);
	f.hook.inst.room_id = 0;
	f.hook.room_id = 77;
	capture_start(&log);
	ok(notify_room(&f.hook, &(struct notification){ .message = "x" }) == 0,
	    "an installation for all");
	capture_stop(&log);
	ok(queued(&f, &msg) == 1 && msg.room_id == 77,
	    "... answers where it was asked");
	outbox_release(&msg);
	close_fixture(&f);
}

static void
test_card(void)
{
	struct json_object *card = json_new();
	struct outbox_message msg;
	struct capture log;
	struct fixture f;
	const char *text;

	json_add_string(card, "title", "caf\xc3\xa9");
	open_fixture(&f);
	capture_start(&log);
	ok(notify_room(&f.hook,
	       &(struct notification){ .message = "x", .card = card }) == 0,
	    "a card");
	capture_stop(&log);
	ok(json_object_put(card) == 1, "... stays the caller's");
	ok(queued(&f, &msg) == 1 &&
		json_string(msg.notification, "card.title", 99, &text) == 1 &&
		strcmp(text, "caf\xc3\xa9") == 0,
	    "... and is queued");
	outbox_release(&msg);
	close_fixture(&f);
}

static void
test_escape(void)
{
	struct webhook hook = { .texts = NULL };
	const char *html =
	    html_escape(&hook, "<a href=\"x\">Tom & 'J\xc3\xa9rry'</a>");
	const char *nothing = html_escape(&hook, "");

	ok(strcmp(html,
	       "&lt;a href=&quot;x&quot;&gt;Tom &amp; "
	       "&#39;J\xc3\xa9rry&#39;&lt;/a&gt;") == 0,
	    "text for HTML");
	ok(*nothing == '\0', "... of which there may be none");
	json_object_put(hook.texts);
}

int
main(void)
{
	test_refused();
	test_taken();
	test_card();
	test_escape();
	return done();
}
