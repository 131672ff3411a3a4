/*
 * Failures on demand: a queue of faults, each for one route (and, if wanted,
 * one room) and a number of requests, played in the order in which they were
 * asked for.
 */
#ifndef HIPCHATD_FAULT_H
#define HIPCHATD_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"

enum fault_kind {
	FAULT_REFUSE,		/* close at once, the body unread */
	FAULT_RESET_BEFORE,	/* read the request, then RST */
	FAULT_RESET_AFTER,	/* carry it out, then RST */
	FAULT_DELAY,		/* wait "ms", then as usual */
	FAULT_STATUS,		/* answer "status" */
	FAULT_HALF,		/* carry it out, close within the answer */
	FAULT_REDIRECT,		/* 302 to "location" */
	FAULT_HTML,		/* 200 with a web page */
	FAULT_TRUNCATED,	/* carry it out, answer half of the JSON */
	FAULT_ENDLESS,		/* 200 with a body that does not end */
	FAULT_SLOW,		/* carry it out, answer a byte a second */
	FAULT_HUGE,		/* carry it out, pad the JSON to 300 KiB */
	FAULT_BODY		/* answer "body", as "status" and "type" */
};

struct fault {
	enum fault_kind kind;
	char *route;
	int64_t room;		/* 0: any */
	char *text;		/* that the body has to contain; NULL: any */
	int64_t count;		/* requests left; -1: until cleared */
	int64_t ms;		/* waited before anything else */
	bool hold;		/* and until POST /control/release */
	int64_t status;
	char *header;		/* of a 429; NULL: the usual ones */
	int64_t seconds;	/* of waiting that the header asks for */
	bool absolute;		/* as a moment in time, not as a number */
	char *location;
	char *body;
	char *type;
	struct fault *next;
};

/*
 * Add the fault that a control request describes to the queue's end.  NULL,
 * or what is wrong with the description.
 */
const char *fault_add(struct fault **queue, struct json_object *o);

/*
 * The fault to be played for a request, for fault_free(), or NULL.  body is
 * NULL at first; when it is here, ask again for the faults that have a text.
 */
struct fault *fault_take(struct fault **queue, const char *route,
			 int64_t room, const char *body);
void fault_free(struct fault *f);
void fault_clear(struct fault **queue);

const char *fault_name(const struct fault *f);
struct json_object *fault_list(const struct fault *queue);

/* Is the request carried out in spite of it? */
bool fault_lets_pass(const struct fault *f);

/* The reply of a fault that does not let the request pass. */
void fault_reply(const struct fault *f, struct reply *re);

#endif
