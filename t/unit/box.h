/*
 * box: a directory with an outbox for each test, what to put into it, and what
 * is in it.
 */
#ifndef BOX_H
#define BOX_H

#include "json.h"
#include "outbox.h"
#include "scratch.h"

#define ID "f3100c47-9936-40e8-a8aa-000000000001"
#define OTHER "f3100c47-9936-40e8-a8aa-000000000002"

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
put(struct outbox *box, const char *id, const char *key, const char *text)
{
	struct outbox_message msg = { .room_id = 2589171, .webhook = "w1" };
	struct json_object *doc = json_new();
	int status;

	strcpy(msg.oauth_id, id);
	strcpy(msg.key, key);
	json_add_string(doc, "message", text);
	status = outbox_put(box, &msg, doc);
	json_object_put(doc);
	return status;
}

/* What the message says, or "?". */
static inline const char *
text_of(const struct outbox_message *msg)
{
	const char *text = "?";

	if (msg->notification != NULL)
		json_string(msg->notification, "message", 63, &text);
	return text;
}

/* Append to a file of the outbox, as nobody should. */
static inline void
scribble(const struct fixture *f, const char *name, const char *text)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "outbox/%.32s", name);
	fd = openat(f->s.data.fd, path,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(fd);
}

/* How often is this in a file of the outbox? */
static inline int
occurs(const struct fixture *f, const char *name, const char *text)
{
	char path[48], full[SCRATCH_PATH];
	struct image image;
	const char *p;
	int n = 0;

	snprintf(path, sizeof(path), "outbox/%.32s", name);
	image = image_read(scratch_path(&f->s, path, full));
	image.data[image.len] = '\0';
	for (p = image.data; (p = strstr(p, text)) != NULL; p++)
		n++;
	free(image.data);
	return n;
}

/* All that is in the list, such as "one two*"; "*": claimed, "?": unreadable.
 * Good until the next call. */
static inline const char *
texts(const struct outbox *box, enum outbox_list list)
{
	static char all[1024];
	struct outbox_reader r;
	struct outbox_message msg;
	struct outbox_entry entry;
	size_t len = 0;

	all[0] = '\0';
	if (outbox_read_begin(&r, box, list) != 0)
		return "(unreadable)";
	while (outbox_read_next(&r, &entry) == 0 && len < 900) {
		outbox_read_message(&entry, &msg);
		len += (size_t)sprintf(all + len, "%s%s%s", len > 0 ? " " : "",
		    text_of(&msg), entry.claimed ? "*" : "");
		outbox_release(&msg);
	}
	outbox_read_end(&r);
	return all;
}

/* The reason of the first failed one; good until the next call. */
static inline const char *
reason(const struct outbox *box)
{
	static struct outbox_message msg;
	struct outbox_reader r;
	struct outbox_entry entry;

	strcpy(msg.reason, "(none)");
	if (outbox_read_begin(&r, box, OUTBOX_FAILED) == 0 &&
	    outbox_read_next(&r, &entry) == 0 &&
	    outbox_read_message(&entry, &msg) == 0)
		json_object_put(msg.notification);
	outbox_read_end(&r);
	return msg.reason;
}

#endif
