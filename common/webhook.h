/*
 * webhook: an event that HipChat posts to the add-on, read and checked.
 *
 * An endpoint for webhooks is a function, and its main() one line:
 *
 *	static int
 *	hello(struct webhook *hook)
 *	{
 *		return notify_room(hook, &(struct notification){
 *		    .message = "Hello" });
 *	}
 *
 *	int
 *	main(void)
 *	{
 *		return webhook_main("hello", hello);
 *	}
 *
 * The function is called only for a webhook that HipChat has signed with the
 * secret of an installation.  It returns the answer: 0 for "done", else a
 * status of status.h.
 *
 * The members that events have (HipChat's reference, Webhooks), as paths for
 * webhook_text(), or for json_positive() in hook->doc:
 *	all		event, oauth_client_id; webhook_id, an integer
 *	all below	item.room.id, .name, .privacy
 *	room_message	item.message.id, .message, .date, .type, .mentions (an
 *			array of objects as from), and item.message.from.id,
 *			.name, .mention_name; perhaps item.message.file.name,
 *			.size, .url, .thumb_url
 *	room_notification
 *			item.message.id, .message, .message_format, .color,
 *			.date, .type, .mentions, and item.message.from, a
 *			string
 *	room_enter, room_exit
 *			item.sender.id, .name, .mention_name
 *	room_topic_change
 *			item.topic, item.sender.id, .name, .mention_name
 * What room_created, _deleted, _archived, _unarchived and _file_upload have in
 * item is unknown.
 */
#ifndef WEBHOOK_H
#define WEBHOOK_H

#include <stdint.h>

#include <json-c/json.h>

#include "cgi.h"
#include "config.h"
#include "endpoint.h"
#include "outbox.h"
#include "wake.h"
#include "store.h"

/* Largest webhook in bytes: a message of 10,000 characters as JSON escapes,
 * with mentions, reaches 160 KB. */
#define WEBHOOK_BODY_MAX 262144

struct webhook {
	const struct config *cfg;
	const char *program; /* the endpoint's name */
	struct cgi *cgi;
	struct outbox *outbox;
	struct wake *wake;
	struct store store;
	struct installation inst; /* that it is for */
	struct json_object *doc;  /* the whole body */
	const char *event;	  /* "room_message", "room_enter", ... */
	int64_t room_id;	  /* where it happened; 0: unsaid */

	/* of a message; "" with other events */
	const char *message_id;
	char *message; /* UTF-8; yours to change */

	unsigned int notified;	      /* notify_room()'s count */
	struct json_object *settings; /* webhook_get()'s; or NULL */
	struct json_object *texts;    /* webhook_format()'s; or NULL */
};

/*
 * main() of an endpoint for webhooks.  The name is in its log lines, and in the
 * keys by which a repeated webhook is recognized.  A webhook is answered with
 *	204	the function returned 0; also if HIPCHAT_WEBHOOK_AUTH is
 *		"none" and the installation is unknown (logged)
 *	400	not a webhook
 *	401	not signed with the secret of an installation, or not for this
 *		room, or not now
 *	413	larger than WEBHOOK_BODY_MAX
 *	500, 503 settings, store or outbox
 * or the function's status.
 */
int webhook_main(const char *name, int (*answer)(struct webhook *hook));

/*
 * The same for a webhook that keeps other things than KEEP_DATA, which all
 * need, and KEEP_COURIER, which notify_room() needs; see endpoint.h.  One that
 * calls HipChat itself (hipchat.h) keeps KEEP_NETWORK, too.
 */
int webhook_main_keeping(const char *name, int (*answer)(struct webhook *hook),
    unsigned int keeps);

/*
 * A member of the webhook that is a string, such as "item.sender.name"; "" if
 * there is none.  It belongs to the webhook.
 */
const char *webhook_text(const struct webhook *hook, const char *path);

/* Format a text like printf(3); it belongs to the webhook, too. */
const char *webhook_format(struct webhook *hook, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * What follows a command such as "/echo", in upper or lower case, at the start
 * of the message, without white space around it; "" if nothing does.  NULL if
 * the message does not start with the command as a whole word.
 * The result is part of the message, which is changed.
 */
char *webhook_argument(struct webhook *hook, const char *command);

/*
 * What an endpoint remembers for the installation until it is removed: strings
 * by name (without a dot).  All endpoints share the names, and 16 KiB.
 * webhook_get() returns the value, or ""; it belongs to the webhook until the
 * next webhook_set().  webhook_set() sets the value ("" removes it) and returns
 * 0, or logs why and returns 413 (no room for the value), 500 or 503 (the
 * store).
 */
int webhook_get(struct webhook *hook, const char *name, const char **value);
int webhook_set(struct webhook *hook, const char *name, const char *value);

/*
 * Answer in the webhook's own response: HipChat says it in the room as a reply
 * to the message (Webhooks, "Response").  It is neither kept nor tried again.
 * The document, a notification in HipChat's form, stays the caller's.
 * Returns 200, for the function to return.
 */
int webhook_reply(struct webhook *hook, struct json_object *notification);

#endif
