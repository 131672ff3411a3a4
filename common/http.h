/*
 * http: calls to HipChat's servers on libcurl, with limits and a guard.
 *
 * The guard: a URL's host must be on the list of allowed hosts (hosts.h), by
 * https unless an origin on the list says otherwise; no user name in it;
 * redirects are not followed; proxies from the environment are not used; and
 * if the list names a host, not an origin, we connect only to a public address,
 * whatever the name server says.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "config.h"

#define HTTP_CONNECT_SECONDS 5
#define HTTP_TOTAL_SECONDS 10
#define HTTP_REPLY_MAX 262144 /* bytes; a larger reply is an error */

struct http_request {
	const char *url;
	const char *method; /* NULL: GET, or with a body POST */
	const char *user;   /* Basic authentication, or NULL */
	const char *password;
	const char *bearer;	  /* token, or NULL */
	const char *content_type; /* of the body */
	const char *body;	  /* or NULL */
};

struct http_reply {
	long status;
	char *body; /* NUL-terminated; freed by http_free() */
	size_t len;
};

/* One call under way.  Its place in memory must not change. */
struct http_call {
	CURL *easy;
	CURLU *url;
	struct curl_slist *headers;
	struct http_reply reply;
	char error[CURL_ERROR_SIZE]; /* why there is no reply */
};

/* Does the guard let the URL pass?  Nothing is logged. */
bool http_url_allowed(const struct config *cfg, const char *url);

/*
 * Make the call and wait for the reply.  Returns 0 with a reply of any
 * status, HOST_NOT_ALLOWED (the guard), or 502 (no complete reply in time),
 * both logged.  The caller calls http_free() in any case.
 */
int http_do(struct http_call *call, const struct config *cfg,
    const struct http_request *request);

/*
 * http_do() in two steps, for a caller that runs the transfer itself.
 * http_begin() returns 0 or HOST_NOT_ALLOWED (logged).  http_end(), given the
 * outcome of the transfer, returns 0, or 502 with the reason in call->error
 * (not logged).
 */
int http_begin(struct http_call *call, const struct config *cfg,
    const struct http_request *request);
int http_end(struct http_call *call, CURLcode code);

/* Read a number from a header of the reply; false if there is none. */
bool
http_header(const struct http_call *call, const char *name, int64_t *value);

/* How many seconds Retry-After asks to wait, with a number or a date: at most a
 * day; or 0. */
int64_t http_retry_after(const struct http_call *call);

/* Release what the call holds. */
void http_free(struct http_call *call);

#endif
