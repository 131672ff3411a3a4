/*
 * Rooms and what is said in them, as the API, its webhooks and the control
 * routes show them.  All under the server's lock.
 */
#ifndef HIPCHATD_CONVERSATION_H
#define HIPCHATD_CONVERSATION_H

#include "hipchatd.h"
#include "notification.h"

/*
 * Add what a person says.  id NULL: a new one.  An id that the room has seen
 * adds nothing and returns the old message: the same delivered again.
 */
struct message *conversation_say(struct room *r, const struct user *u,
				 const char *text, const char *id);

/* Add an add-on's notification under the name that it goes by. */
struct message *conversation_notify(struct room *r,
				    const struct notification *n,
				    const char *from);

struct message *conversation_message(const struct room *r, const char *id);

/* Objects for the caller: */

/* {"id","links","mention_name","name","version"} */
struct json_object *user_view(const struct hipchatd *h, const struct user *u);

/* The room as webhooks carry it. */
struct json_object *room_item(const struct hipchatd *h, const struct room *r);

/* The room as GET /v2/room/{id} and, shorter, GET /v2/room give it. */
struct json_object *room_view(const struct hipchatd *h, const struct room *r);
struct json_object *room_summary(const struct hipchatd *h,
				 const struct room *r);

/* A message as webhooks and the history carry it. */
struct json_object *message_view(struct hipchatd *h, const struct message *m);

/* A message as the control routes show it: the same members for both kinds. */
struct json_object *message_plain(const struct message *m);

#endif
