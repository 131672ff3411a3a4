/*
 * box: a directory with an outbox for each test, and what to put into it.
 */
#ifndef BOX_H
#define BOX_H

#include <dirent.h>

#include "json.h"
#include "outbox.h"
#include "scratch.h"

#define ID "f3100c47-9936-40e8-a8aa-000000000001"

/* A scratch directory with an outbox in it. */
struct fixture {
	struct scratch s;
	struct outbox box;
};

static inline void
open_fixture(struct fixture *f)
{
	scratch_open(&f->s);
	if (outbox_open(&f->box, &f->s.data) != 0)
		die("outbox_open");
}

static inline void
close_fixture(struct fixture *f)
{
	outbox_close(&f->box);
	scratch_close(&f->s);
}

static inline int
put(const struct outbox *box, const char *id, const char *key, const char *text)
{
	struct outbox_message msg = { .room_id = 2589171 };
	struct json_object *doc = json_new();
	int status;

	strcpy(msg.oauth_id, id);
	strcpy(msg.key, key);
	json_add_string(doc, "message", text);
	status = outbox_put(box, &msg, doc);
	json_object_put(doc);
	return status;
}

#endif
