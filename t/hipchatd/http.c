/* Requests and replies. */
#include "http.h"

#include <ctype.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SHOWN 2000		/* bytes of an error's message */

/* Repeated slashes count as one: add-ons join URLs carelessly. */
static void
split_path(struct request *rq, const char *path, size_t len)
{
	const char *end = path + len;

	while (path < end) {
		size_t n = strcspn(path, "/?");
		char *s;

		if (n) {
			s = percent_decode(path, n, false);
			if (!s || rq->nsegments == MAX_SEGMENTS) {
				free(s);
				rq->bad_path = true;
				return;
			}
			rq->segment[rq->nsegments++] = s;
		}
		path += n + 1;
	}
}

struct request *
request_new(const char *target)
{
	struct request *rq = xcalloc(1, sizeof(*rq));
	size_t len = strcspn(target, "?");

	rq->target = xstrdup(target);
	if (*target == '/')
		split_path(rq, target, len);
	else
		rq->bad_path = true;
	if (target[len])
		params_parse(&rq->query, target + len + 1);
	return rq;
}

void
request_free(struct request *rq)
{
	for (size_t i = 0; i < rq->nsegments; i++)
		free(rq->segment[i]);
	params_free(&rq->query);
	buf_free(&rq->body);
	free(rq->method);
	free(rq->target);
	free(rq);
}

const char *
request_header(const struct request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND,
					   name);
}

char *
request_media_type(const struct request *rq)
{
	const char *s = request_header(rq, "Content-Type");
	char *type;

	if (!s)
		return xstrdup("");
	s += strspn(s, " \t");
	type = xstrndup(s, strcspn(s, "; \t"));
	for (char *p = type; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return type;
}

struct json_object *
request_json(const struct request *rq)
{
	return json_parse_object(buf_text(&rq->body), rq->body.len);
}

void
reply_free(struct reply *re)
{
	for (size_t i = 0; i < re->nheaders; i++)
		free(re->header[i].value);
	buf_free(&re->body);
	memset(re, 0, sizeof(*re));
}

void
reply_header(struct reply *re, const char *name, const char *value)
{
	if (re->nheaders == MAX_HEADERS)
		abort();
	re->header[re->nheaders].name = name;
	re->header[re->nheaders].value = xstrdup(value);
	re->nheaders++;
}

void
reply_empty(struct reply *re, int status)
{
	re->status = status;
	buf_free(&re->body);
}

void
reply_json(struct reply *re, int status, struct json_object *o)
{
	re->status = status;
	re->type = "application/json";
	buf_free(&re->body);
	buf_puts(&re->body, json_pretty(o));
	json_object_put(o);
}

struct json_object *
error_object(int status, const char *message)
{
	struct json_object *o = json_object_new_object();

	json_put_int(o, "code", status);
	json_put_str(o, "message", message);
	json_put_str(o, "type", status_text(status));
	return o;
}

void
reply_error_object(struct reply *re, int status, struct json_object *o)
{
	struct json_object *envelope = json_object_new_object();

	json_put(envelope, "error", o);
	reply_json(re, status, envelope);
}

void
reply_error(struct reply *re, int status, const char *fmt, ...)
{
	va_list ap;
	char *text, *clean;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	clean = utf8_clean(text, MESSAGE_SHOWN);
	reply_error_object(re, status, error_object(status, clean));
	free(clean);
	free(text);
}

const char *
status_text(int status)
{
	switch (status) {
	case 200: return "OK";
	case 201: return "Created";
	case 202: return "Accepted";
	case 204: return "No Content";
	case 302: return "Found";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 409: return "Conflict";
	case 413: return "Request Entity Too Large";
	case 429: return "Too Many Requests";
	case 500: return "Internal Server Error";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	default: return "Error";
	}
}
