/*
 * outbox: see outbox.h.  Here is what senders and operators do.
 */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "lines.h"
#include "log.h"
#include "status.h"

/* ---- opening ---- */

void
outbox_init(struct outbox *box, const struct datadir *dir)
{
	memset(box, 0, sizeof(*box));
	box->dir = dir;
	journal_init(&box->queue, dir, "outbox", "queue");
	journal_init(&box->failed, dir, "outbox", "failed");
}

int
outbox_open(struct outbox *box, const struct datadir *dir)
{
	outbox_init(box, dir);
	return journal_open(&box->queue);
}

void
outbox_close(struct outbox *box)
{
	journal_end(&box->reader);
	seen_free(&box->seen);
	journal_close(&box->queue);
	journal_close(&box->failed);
}

/* ---- for senders ---- */

void
outbox_key(char key[OUTBOX_KEY_MAX], const char *oauth_id, const char *program,
    const char *message_id, unsigned int n)
{
	uint8_t digest[(OUTBOX_KEY_MAX - 1) / 2];
	struct sha256_ctx ctx;
	char text[1024];
	size_t i;

	snprintf(text, sizeof(text), "%s\n%s\n%u\n%s", oauth_id, program, n,
	    message_id);
	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	sha256_digest(&ctx, sizeof(digest), digest);
	for (i = 0; i < sizeof(digest); i++)
		snprintf(key + 2 * i, 3, "%02x", digest[i]);
}

/* A new id, which sorts after all older ones. */
static void
new_id(char id[OUTBOX_ID_MAX])
{
	static unsigned int n;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(id, OUTBOX_ID_MAX, "%010lld%09ld-%d-%u", (long long)now.tv_sec,
	    now.tv_nsec, (int)getpid(), n++);
}

int
outbox_put(struct outbox *box, struct outbox_message *msg,
    struct json_object *notification)
{
	/* nobody could read it, so it must not be acknowledged */
	if (!installation_id_fits(msg->oauth_id) || !line_key_fits(msg->key) ||
	    (msg->room_id <= 0) != (msg->kind == OUTBOX_REMOVAL)) {
		log_line("outbox: neither a message nor a removal");
		return HTTP_INTERNAL_SERVER_ERROR;
	}
	new_id(msg->id);
	return line_append(&box->queue, msg, notification, "");
}

int
outbox_put_removal(struct outbox *box, const char *oauth_id)
{
	struct outbox_message msg = { .kind = OUTBOX_REMOVAL };

	snprintf(msg.oauth_id, sizeof(msg.oauth_id), "%s", oauth_id);
	return outbox_put(box, &msg, NULL);
}

/* Drop the installation's messages in one of the lists. */
static int
forget_in(const struct journal *j, const char *oauth_id)
{
	struct journal_reader r;
	struct journal_place place;
	struct outbox_entry entry;
	const char *line;
	int one, status = journal_begin(&r, j, false);

	if (status != 0)
		return status;
	while (journal_next(&r, &place, &line) == 0) {
		if (line_read(line, &place, &entry) != LINE_OPEN ||
		    strcmp(entry.oauth_id, oauth_id) != 0)
			continue;
		one = journal_blank(&place, "q", 'x');
		if (one != 0 && one != HTTP_CONFLICT)
			status = one;
	}
	one = journal_sync(&r);
	journal_end(&r);
	return status != 0 ? status : one;
}

int
outbox_forget(struct outbox *box, const char *oauth_id)
{
	const int status = forget_in(&box->queue, oauth_id);

	return status != 0 ? status : forget_in(&box->failed, oauth_id);
}

/* ---- for operators ---- */

void
outbox_release(struct outbox_message *msg)
{
	json_object_put(msg->notification);
	memset(msg, 0, sizeof(*msg));
}

int
outbox_read_begin(struct outbox_reader *r, const struct outbox *box,
    enum outbox_list list)
{
	return journal_begin(&r->journal,
	    list == OUTBOX_QUEUE ? &box->queue : &box->failed, false);
}

int
outbox_read_next(struct outbox_reader *r, struct outbox_entry *entry)
{
	struct journal_place place;
	const char *line;
	int status;

	do
		status = journal_next(&r->journal, &place, &line);
	while (status == 0 && line_read(line, &place, entry) != LINE_OPEN);
	return status;
}

int
outbox_read_message(const struct outbox_entry *entry,
    struct outbox_message *msg)
{
	struct outbox_entry now;
	const char *why = NULL;
	char *line;
	int status = journal_read(&entry->place, &line);

	memset(msg, 0, sizeof(*msg));
	if (status == 0 && line_read(line, &entry->place, &now) != LINE_OPEN)
		status = HTTP_NOT_FOUND;
	if (status == 0 && (why = line_message(line, &now, msg)) != NULL) {
		log_line("%s: %s", entry->id, why);
		outbox_release(msg);
		status = HTTP_BAD_REQUEST;
	}
	free(line);
	return status;
}

int
outbox_drop(const struct outbox_entry *entry)
{
	const int status = journal_blank(&entry->place, "q", 'x');

	return status == HTTP_CONFLICT ? HTTP_NOT_FOUND : status;
}

int
outbox_retry(struct outbox *box, const struct outbox_entry *entry,
    char id[OUTBOX_ID_MAX])
{
	struct outbox_message msg;
	int status = outbox_read_message(entry, &msg);

	if (status != 0)
		return status;
	status = outbox_put(box, &msg, msg.notification);
	strcpy(id, msg.id);
	outbox_release(&msg);
	return status != 0 ? status : outbox_drop(entry);
}

int
outbox_read_end(struct outbox_reader *r)
{
	const int status = journal_sync(&r->journal);

	journal_end(&r->journal);
	return status;
}
