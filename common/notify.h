/*
 * notify: what an endpoint says in a room.
 *
 *	notify_room(&hook, &(struct notification){ .message = "Hello" });
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>

#include "webhook.h"

/* Longest message that HipChat accepts, in characters (Send room
 * notification).  A longer one is cut and ends with an ellipsis. */
#define NOTIFY_CHARACTERS 10000

/* Members that are left out take the default. */
struct notification {
	const char *message;	  /* required; UTF-8, not empty */
	const char *format;	  /* "text" (default) or "html" */
	const char *color;	  /* "yellow" (default), "green", "red",
				 * "purple", "gray" or "random" */
	bool notify;		  /* alert the people in the room */
	struct json_object *card; /* or NULL; stays the caller's */
};

/*
 * Say it in the room of the hook's installation or, if that is a whole group,
 * in the room that the webhook came from.  If this returns 0, it is on disk,
 * and the courier delivers it.  If HipChat repeats a webhook, nothing is said
 * twice.  Otherwise it logs why and returns 500 (a message that is empty or not
 * UTF-8, no room, the data directory) or 503 (the disk is
 * full).
 */
int notify_room(struct webhook *hook, const struct notification *notification);

/*
 * The text for use in a message of format "html", with & < > " and ' escaped.
 * The result belongs to the webhook.
 */
const char *html_escape(struct webhook *hook, const char *text);

#endif
