/*
 * Calls to add-ons: ten seconds at most, no redirects followed, no proxy, all
 * of them logged.  Several run side by side.
 */
#ifndef HIPCHATD_CLIENT_H
#define HIPCHATD_CLIENT_H

#include "hipchatd.h"

struct call {
	/* the request; all but method and url may be NULL */
	const char *method;
	const char *url;
	const char *body;		/* sent as application/json */
	const char *authorization;	/* value of the header */

	/* the answer, for call_free() */
	int status;			/* 0: none */
	char *error;			/* why there was none, or NULL */
	char *location;			/* value of the header, or NULL */
	struct buf reply;
};

/*
 * Make the calls and wait for all of the answers.  The lock must not be held.
 */
void client_run(struct hipchatd *h, struct call *calls, size_t count);
void call_free(struct call *c);

#endif
