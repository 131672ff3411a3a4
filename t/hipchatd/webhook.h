/*
 * Webhooks: events posted to the add-ons that declared an interest, and their
 * answers, which may be notifications.
 */
#ifndef HIPCHATD_WEBHOOK_H
#define HIPCHATD_WEBHOOK_H

#include "hipchatd.h"
#include "notification.h"

struct event {
	const char *name;		/* "room_message" */
	int64_t room_id;
	int64_t user_id;		/* who caused it; 0: an add-on */
	const char *text;		/* what patterns are matched against */
	struct json_object *item;	/* the payload's item, borrowed */
};

/*
 * Call every hook that wants the event, wait for all of them, post the
 * notifications that they answer with.  A report for the caller to own: an
 * array of {"url","oauth_id","status"} with "error" where there was no answer
 * and "notification" (its id) or "refused" (why) where it had a body.
 * The lock must not be held.
 */
struct json_object *webhook_fire(struct hipchatd *h, const struct event *e);

/*
 * Post a notification to a room and tell the hooks for room_notification.
 * Returns its message id, which the caller frees, or NULL: there is no such
 * room.  The lock must not be held.
 */
char *webhook_post(struct hipchatd *h, int64_t room_id, const char *from,
		   const struct notification *n);

#endif
