/*
 * webhook: an event that HipChat posts to the add-on, read and checked.
 *
 *	status = webhook_open(&hook, &cgi, &cfg);
 *	if (status != 0)
 *		return status;
 *	sandbox_enter(...);
 *	status = webhook_read(&hook, &cgi);
 *	if (status == 0)
 *		... use hook ...
 *	webhook_close(&hook);
 */
#ifndef WEBHOOK_H
#define WEBHOOK_H

#include <stdint.h>

#include <json-c/json.h>

#include "cgi.h"
#include "config.h"
#include "datadir.h"
#include "outbox.h"
#include "store.h"

struct webhook {
	const struct config *cfg;
	const char *program;		/* the endpoint's name */
	struct datadir dir;
	struct store store;
	struct outbox outbox;
	struct installation inst;	/* whose webhook it is */
	struct json_object *doc;	/* the whole body */
	const char *event;		/* "room_message", "room_enter", ... */
	int64_t room_id;		/* where it happened; 0 if unsaid */

	/* of a message; "" with other events */
	const char *message_id;
	char *message;			/* UTF-8; yours to change */

	unsigned int notified;		/* hipchat_notify()'s count */
};

/*
 * Open store and outbox, and have a courier at hand.  Of the request only the
 * length has been looked at so far.  Returns 0 with the hook open, or 500 or
 * 503 as store and outbox.
 */
int webhook_open(struct webhook *hook, const struct cgi *cgi,
    const struct config *cfg);

/*
 * Read the webhook from the request's body, find its installation, and check
 * that HipChat has signed it, unless HIPCHAT_WEBHOOK_AUTH is "none".
 * Returns 0, or a status to answer with:
 *	204	with "none": an installation that is not known (logged)
 *	400	not a webhook
 *	401	not signed with the secret of an installation, or not for this
 *		room, or not now
 *	500	the store
 */
int webhook_read(struct webhook *hook, struct cgi *cgi);

/*
 * What stands behind a command such as "/echo", in upper or lower case, at
 * the start of the message, without white space around it: "" if nothing
 * does; NULL if the message does not start with the command.  Changes the
 * message, in which the result lies.
 */
char *webhook_argument(struct webhook *hook, const char *command);

/* Release what the hook holds. */
void webhook_close(struct webhook *hook);

#endif
