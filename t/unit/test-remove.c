/*
 * test-remove: what is left of an installation that is removed, in the store
 * and in the outbox.  Who may remove one, and with what proof, is the matter of
 * flow.t and attack-removal.t.
 */
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "capture.h"
#include "json.h"
#include "outbox.h"
#include "remove.h"
#include "scratch.h"
#include "tap.h"

#define ONE "f3100c47-9936-40e8-a8aa-000000000001"
#define WHERE " of api.hipchat.com, room 2589172: "

/* Two installations, each with a token, a setting and a message. */
struct place {
	struct scratch s;
	struct outbox box;
	struct installation one, other;
};

static void
say(struct place *p, const struct installation *inst)
{
	struct outbox_message msg = { .room_id = 7 };
	struct json_object *notification = json_new();

	strcpy(msg.oauth_id, inst->oauth_id);
	json_add_string(notification, "message", "text");
	if (outbox_put(&p->box, &msg, notification) != 0)
		die("outbox_put");
	json_object_put(notification);
}

static void
settle_in(struct place *p, const struct installation *inst)
{
	const struct token token = { "token", 4102444800 };

	if (put_over(&p->s.st, inst) != 0 ||
	    store_put_token(&p->s.st, inst, &token) != 0 ||
	    store_set(&p->s.st, inst->oauth_id, "name", "value") != 0)
		die("the store");
	say(p, inst);
}

static void
place_open(struct place *p)
{
	scratch_open(&p->s);
	if (outbox_open(&p->box, &p->s.data) != 0)
		die("the outbox");
	p->one = sample(1, 1);
	p->other = sample(2, 1);
	settle_in(p, &p->one);
	settle_in(p, &p->other);
}

static void
place_close(struct place *p)
{
	outbox_close(&p->box);
	scratch_close(&p->s);
}

/* How many messages of this installation are queued. */
static int
queued(const struct place *p, const struct installation *inst)
{
	struct outbox_reader reader;
	struct outbox_entry entry;
	int n = 0;

	if (outbox_read_begin(&reader, &p->box, OUTBOX_QUEUE) != 0)
		return -1;
	while (outbox_read_next(&reader, &entry) == 0)
		n += strcmp(entry.oauth_id, inst->oauth_id) == 0;
	outbox_read_end(&reader);
	return n;
}

/* What is there of it: "record token settings 1", say. */
static const char *
left(const struct place *p, const struct installation *inst)
{
	static char text[64];
	struct json_object *settings = NULL;
	struct installation found;
	struct token token;
	const char *id = inst->oauth_id;

	store_settings(&p->s.st, id, &settings);
	snprintf(text, sizeof(text), "%s%s%s%d",
	    store_find(&p->s.st, id, &found) == 0 ? "record " : "",
	    store_find_token(&p->s.st, id, &token) == 0 ? "token " : "",
	    json_object_object_length(settings) > 0 ? "settings " : "",
	    queued(p, inst));
	json_object_put(settings);
	return text;
}

static void
test_refused(void)
{
	struct capture log;
	struct place p;

	place_open(&p);
	is_str(left(&p, &p.one), "record token settings 1", "before");
	capture_start(&log);
	is_int(remove_refused(&p.s.st, &p.box, &p.one), 0,
	    "HipChat refuses its credentials");
	is_line(capture_stop(&log),
	    ONE WHERE "removed: HipChat refuses its credentials",
	    "... which is logged");
	is_str(left(&p, &p.one), "0", "... nothing is left");
	is_str(left(&p, &p.other), "record token settings 1",
	    "... and all of another");
	say(&p, &p.one);
	capture_start(&log);
	is_int(remove_refused(&p.s.st, &p.box, &p.one), 0, "a second time");
	is_str(capture_stop(&log), "", "... is not logged");
	is_str(left(&p, &p.one), "0", "... and takes what came late");
	place_close(&p);
}

/* The refusal was of other credentials than those that are stored now. */
static void
test_again(void)
{
	struct installation old;
	struct capture log;
	struct place p;

	place_open(&p);
	old = p.one;
	sample_put(&p.s.st, 1, 2);
	capture_start(&log);
	is_int(remove_refused(&p.s.st, &p.box, &old), 409,
	    "installed again since it was refused");
	is_line(capture_stop(&log), ONE " was installed again",
	    "... is logged");
	is_str(left(&p, &p.one), "record token settings 1",
	    "... and removes nothing");
	place_close(&p);
}

static void
test_busy(void)
{
	char path[SCRATCH_PATH];
	struct capture log;
	struct place p;
	int fd;

	place_open(&p);
	p.s.st.hurried = true;
	fd = open(scratch_path(&p.s, "lock", path), O_RDWR | O_CLOEXEC);
	if (flock(fd, LOCK_EX) != 0)
		die(path);
	capture_start(&log);
	is_int(remove_refused(&p.s.st, &p.box, &p.one), 503,
	    "in a hurry, a removal does not wait");
	is_str(capture_stop(&log), "", "... and is not logged");
	is_str(left(&p, &p.one), "record token settings 1",
	    "... and removes nothing");
	close(fd);
	capture_start(&log);
	is_int(remove_refused(&p.s.st, &p.box, &p.one), 0, "... but later");
	capture_stop(&log);
	place_close(&p);
}

static void
test_operator(void)
{
	struct capture log;
	struct place p;

	place_open(&p);
	capture_start(&log);
	is_int(remove_by_operator(&p.s.data, &p.box, p.one.oauth_id), 0,
	    "the operator says so");
	is_line(capture_stop(&log), ONE WHERE "forgotten",
	    "... which is logged");
	is_str(left(&p, &p.one), "0", "... nothing is left");
	say(&p, &p.one);
	is_int(remove_by_operator(&p.s.data, &p.box, p.one.oauth_id), 404,
	    "a second time, there is none");
	is_str(left(&p, &p.one), "0", "... and what came late is taken");
	is_int(remove_by_operator(&p.s.data, &p.box, "../x"), 404,
	    "nor is this an id");
	is_str(left(&p, &p.other), "record token settings 1",
	    "another is still there");
	place_close(&p);
}

int
main(void)
{
	test_refused();
	test_again();
	test_busy();
	test_operator();
	return done();
}
