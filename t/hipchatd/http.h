/*
 * One request and its reply, as the handlers see them.  How they come in and
 * go out is server.c's business.
 */
#ifndef HIPCHATD_HTTP_H
#define HIPCHATD_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "json.h"
#include "limit.h"
#include "params.h"
#include "util.h"

#define BODY_LIMIT (1024 * 1024)
#define MAX_SEGMENTS 8
#define MAX_ARGS 2
#define MAX_HEADERS 4

struct MHD_Connection;

struct request {
	struct MHD_Connection *connection;
	char *method;			/* HEAD counts as GET */
	char *target;			/* as sent, query included */
	char *segment[MAX_SEGMENTS];	/* of the path, decoded */
	size_t nsegments;
	bool bad_path;			/* can't be decoded, or is too long */
	const char *arg[MAX_ARGS];	/* the segments that {} stands for */
	struct params query;
	struct buf body;
	bool too_large;			/* body over BODY_LIMIT, dropped */
};

struct header {
	const char *name;
	char *value;
};

struct reply {
	int status;
	struct buf body;
	const char *type;		/* of the body */
	struct header header[MAX_HEADERS];
	size_t nheaders;
	struct quota rate;
	struct quota flood;
	bool reset;			/* reset the connection instead */
};

/* For the URI exactly as it stands in the request line. */
struct request *request_new(const char *target);
void request_free(struct request *rq);

/* A header's value, borrowed, or NULL. */
const char *request_header(const struct request *rq, const char *name);

/*
 * The media type named in Content-Type, without parameters, in lower case,
 * "" for none; the caller frees.
 */
char *request_media_type(const struct request *rq);

/* The body as a JSON object, owned by the caller, or NULL. */
struct json_object *request_json(const struct request *rq);

void reply_free(struct reply *re);
void reply_header(struct reply *re, const char *name, const char *value);

/* Answers: nothing but a status; JSON, taken over; HipChat's envelope. */
void reply_empty(struct reply *re, int status);
void reply_json(struct reply *re, int status, struct json_object *o);
void reply_error(struct reply *re, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* {"error": o}; takes o over. */
void reply_error_object(struct reply *re, int status, struct json_object *o);

/* {"code","message","type"} as it stands in the envelope. */
struct json_object *error_object(int status, const char *message);

/* "Not Found" for 404 and so on. */
const char *status_text(int status);

#endif
