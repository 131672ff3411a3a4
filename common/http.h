/*
 * http: calls to HipChat's servers on libcurl, one by one or many at once, with
 * limits.  Only what the guard (guard.h) lets pass is called; redirects are not
 * followed, and proxies from the environment are not used.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <curl/curl.h>

#include "config.h"

/* Of http_do(), for a client that waits meanwhile. */
#define HTTP_CONNECT_MS 5000
#define HTTP_TOTAL_MS 10000

/* Of a pool: until the request is sent, and from then on. */
#define HTTP_SEND_MS 5000
#define HTTP_ANSWER_MS 60000

/*
 * A pool keeps connections open unless there are more, those in use included:
 * so there must be more than calls under way, and fewer than descriptors.
 */
#define HTTP_KEPT 384L

#define HTTP_REPLY_MAX 262144 /* bytes of a body */

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
	long status; /* 0 until the headers are complete */
	char *body;  /* NUL-terminated; freed by http_free() */
	size_t len;
	size_t room; /* bytes that *body has */
};

/* What has become of a call. */
enum http_outcome {
	/*
	 * The reply's status line and headers are complete.  Its body need not
	 * be: a status is believed even if the body is too large or breaks off.
	 */
	CALL_ANSWERED,
	/*
	 * Nothing of the request was sent, for want of an address, a connection
	 * or a TLS session: to repeat it can't double anything.
	 */
	CALL_UNREACHED,
	/* Sent, but no answer came in time: it may have had its effect. */
	CALL_TIMED_OUT,
	/* Sent, then the connection broke or made no sense: may have, too. */
	CALL_BROKEN,
	/* may_send() said no; call->sent tells if it had said yes before. */
	CALL_STOPPED,
};

struct http_pool;

/* One call under way.  Its place in memory must not change. */
struct http_call {
	CURL *easy;
	CURLU *url;
	struct curl_slist *headers;
	struct http_reply reply;
	char error[CURL_ERROR_SIZE]; /* why there is no reply */

	/* in a pool */
	enum http_outcome outcome; /* once it is over */
	void *owner;		   /* the caller's */
	bool (*may_send)(void *owner);
	bool sent;	  /* or about to be: may_send() agreed */
	bool stopped;	  /* it did not */
	int64_t deadline; /* ms of CLOCK_MONOTONIC */
	struct http_pool *pool;
	TAILQ_ENTRY(http_call) near;
};

TAILQ_HEAD(http_calls, http_call); /* the nearest deadline first */

/*
 * Many calls at once.  Deadlines are the pool's own: a process that was stopped
 * for longer looks at its sockets first, and finds the answers that came
 * meanwhile, before it believes that one is missing.
 */
struct http_pool {
	CURLM *multi;
	int epoll;	 /* of the sockets that libcurl waits for */
	int64_t timer;	 /* when it wants to be called besides; or INT64_MAX */
	int running;	 /* calls that were not over when it was called last */
	size_t count;	 /* calls under way */
	int64_t send_ms; /* HTTP_SEND_MS; may be changed before a call */
	int64_t answer_ms; /* HTTP_ANSWER_MS, likewise */
	bool look;	   /* something has happened on the sockets */
	int64_t looked;	   /* when we began to see about that */
	struct http_calls unsent, sent;
};

/* Does the guard let the URL pass?  Nothing is logged. */
bool http_url_allowed(const struct config *cfg, const char *url);

/*
 * Make the call and wait for the reply.  Returns 0 with a reply of any
 * status, HOST_NOT_ALLOWED (the guard), or 502 (no reply in time, or not a
 * whole one of at most HTTP_REPLY_MAX), both logged.  The caller calls
 * http_free() in any case.
 */
int http_do(struct http_call *call, const struct config *cfg,
    const struct http_request *request);

/* Read a number from a header of the reply; false if there is none. */
bool
http_header(const struct http_call *call, const char *name, int64_t *value);

/* How many seconds Retry-After asks to wait, with a number or a date: at most a
 * day; or 0. */
int64_t http_retry_after(const struct http_call *call);

/* Release what the call holds.  Not for one that is under way in a pool. */
void http_free(struct http_call *call);

void http_pool_open(struct http_pool *pool);

/* Takes all calls that are under way out of it, and frees them. */
void http_pool_close(struct http_pool *pool);

/*
 * Begin a call.  Returns 0 or HOST_NOT_ALLOWED (the guard, logged; the call is
 * free).  Whenever the request is about to be sent, may_send(owner) is asked,
 * unless it is NULL; it may not use the pool.  libcurl sends a request again by
 * itself if a connection that was kept open turns out to be dead: then
 * may_send() is asked again.
 */
int http_pool_add(struct http_pool *pool, struct http_call *call,
    const struct config *cfg, const struct http_request *request, void *owner,
    bool (*may_send)(void *owner));

/*
 * The next call that is over, or NULL: then http_pool_wait() comes first.  The
 * call is out of the pool, its outcome is set and, unless it was answered, its
 * error; nothing is logged.  The caller calls http_free().
 */
struct http_call *http_pool_next(struct http_pool *pool);

/*
 * Sleep until something happens to a call, the descriptor (if it is not -1) can
 * be read, a signal comes, or so many ms have passed.  Returns whether the
 * descriptor can be read.
 */
bool http_pool_wait(struct http_pool *pool, int fd, int64_t ms);

#endif
