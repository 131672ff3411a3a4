/*
 * The log of every request that the server saw ("in") or made ("out"), for
 * GET /control/log.  An entry appears when the request starts, so that the
 * order is the order of events, and is completed when it has been answered.
 */
#ifndef HIPCHATD_LOG_H
#define HIPCHATD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "util.h"

struct entry {
	char *text;		/* JSON; status is null until it has ended */
};

struct log {
	struct entry *entries;
	size_t count;
	size_t size;
	size_t bytes;		/* of all texts; the oldest go beyond a cap */
	int64_t last;		/* number of the newest, 0 before the first */
};

/*
 * What is known of a request; the log copies it, except for the two objects,
 * which it takes over.
 */
struct exchange {
	int64_t n;		/* set by log_begin */
	const char *direction;	/* "in" or "out" */
	const char *method;
	const char *url;
	int64_t started;	/* set by log_begin */
	int status;		/* 0: no answer */
	const char *error;	/* why there was none, or NULL */
	const char *fault;	/* the fault played, or NULL */
	bool effect;		/* a request that came in was carried out */
	struct json_object *request_headers;
	struct json_object *response_headers;
	const char *request_body;
	const char *response_body;
};

/* All under the server's lock. */
void log_begin(struct log *l, struct exchange *x);
void log_end(struct log *l, struct exchange *x);

/* JSON text of the entries after number since; the caller frees it. */
char *log_text(const struct log *l, int64_t since);
void log_clear(struct log *l);
void log_free(struct log *l);

/* "Name: value" lines as an object with lower-case names. */
struct json_object *log_headers(const char *lines);

#endif
