/*
 * Room notifications: what an add-on sends to a room, or answers to a
 * webhook, checked as the API's reference and its captured errors have it.
 */
#ifndef HIPCHATD_NOTIFICATION_H
#define HIPCHATD_NOTIFICATION_H

#include "json.h"

struct notification {
	struct json_object *source;	/* owns the strings and the card */
	const char *message;
	const char *format;		/* "html" or "text" */
	const char *color;		/* never "random": one is drawn */
	const char *from;		/* NULL: none given */
	const char *attach_to;		/* NULL: none given */
	struct json_object *card;	/* NULL: none */
	bool notify;
};

/*
 * True: n is filled out, for notification_free().  False: error, owned by the
 * caller, is the object that stands in HipChat's error envelope.
 */
bool notification_parse(const char *body, size_t len, struct notification *n,
			struct json_object **error);
void notification_free(struct notification *n);

#endif
