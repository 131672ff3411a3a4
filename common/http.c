/*
 * http: see http.h.
 */
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "guard.h"
#include "http.h"
#include "log.h"
#include "status.h"
#include "uptime.h"

/* So many sockets are asked about at once. */
#define EVENTS 64

/* Longest part of a URL in a log line. */
#define SHOWN_MAX 256

/*
 * As much of the URL as may be logged: the rest may contain a secret, and there
 * must be room for the reason on the line.
 */
static int
shown(const char *url)
{
	const size_t len = strcspn(url, "?#");

	if (memchr(url, '@', len) != NULL)
		return (int)strcspn(url, ":");
	return len < SHOWN_MAX ? (int)len : SHOWN_MAX;
}

bool
http_url_allowed(const struct config *cfg, const char *url)
{
	enum hosts_verdict verdict;
	CURLU *parsed;
	const int status = guard_url(cfg, url, &parsed, &verdict);

	curl_url_cleanup(parsed);
	return status == 0;
}

/* For so many bytes more, and the NUL. */
static void
make_room(struct http_reply *reply, size_t n)
{
	size_t room = reply->room > 0 ? reply->room : 256;

	while (room <= reply->len + n)
		room *= 2;
	if (room > reply->room) {
		reply->body = need(realloc(reply->body, room));
		reply->room = room;
	}
}

/* Of a body that is too large, as much as is allowed. */
static size_t
take_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_reply *reply = arg;
	const size_t left = HTTP_REPLY_MAX - reply->len;
	const size_t taken = n * size < left ? n * size : left;

	make_room(reply, taken);
	memcpy(reply->body + reply->len, data, taken);
	reply->len += taken;
	reply->body[reply->len] = '\0';
	return taken; /* if not all, the transfer ends: CURLE_WRITE_ERROR */
}

/* One line of the headers; an empty one is the last, or that of a 1xx. */
static size_t
take_header(char *data, size_t size, size_t n, void *arg)
{
	struct http_call *call = arg;
	long status = 0;

	if (n * size > 0 && (*data == '\r' || *data == '\n')) {
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status >= 200)
			call->reply.status = status;
	}
	return n * size;
}

/* The outcome of setting an option: only memory can fail. */
static void
sure(CURLcode code)
{
	if (code != CURLE_OK)
		need(NULL);
}

static void
set_limits(struct http_call *call, const struct config *cfg)
{
	CURL *easy = call->easy;

	sure(curl_easy_setopt(easy, CURLOPT_CURLU, call->url));
	sure(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
#if LIBCURL_VERSION_NUM >= 0x075700 /* do not wait for a mute name server */
	sure(curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L));
#endif
	sure(curl_easy_setopt(easy, CURLOPT_PROXY, ""));
	sure(curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
	sure(curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error));
	sure(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body));
	sure(curl_easy_setopt(easy, CURLOPT_WRITEDATA, &call->reply));
	sure(curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header));
	sure(curl_easy_setopt(easy, CURLOPT_HEADERDATA, call));
	if (cfg->ca_file != NULL)
		sure(curl_easy_setopt(easy, CURLOPT_CAINFO, cfg->ca_file));
}

/* Append a header line. */
static void
add_header(struct http_call *call, const char *name, const char *value)
{
	char *line = NULL;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		need(NULL);
	call->headers = need(curl_slist_append(call->headers, line));
	free(line);
}

static void
set_request(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;

	add_header(call, "Accept", "application/json");
	sure(curl_easy_setopt(easy, CURLOPT_USERAGENT, "hipchat-cgi"));
	if (request->user != NULL) {
		sure(curl_easy_setopt(easy, CURLOPT_USERNAME, request->user));
		sure(curl_easy_setopt(easy, CURLOPT_PASSWORD,
		    request->password));
	}
	if (request->bearer != NULL) {
		sure(curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER));
		sure(curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER,
		    request->bearer));
	}
	if (request->body != NULL) {
		add_header(call, "Content-Type", request->content_type);
		sure(curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
		    request->body));
	}
	if (request->method != NULL)
		sure(curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST,
		    request->method));
	sure(curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers));
}

/*
 * Make a call ready: 0 or HOST_NOT_ALLOWED.  Of several addresses, libcurl
 * gives each its share of the time to connect.
 */
static int
begin(struct http_call *call, const struct config *cfg,
    const struct http_request *request, long connect_ms)
{
	enum hosts_verdict verdict;
	int status;

	memset(call, 0, sizeof(*call));
	status = guard_url(cfg, request->url, &call->url, &verdict);
	if (status != 0) {
		log_line(
		    "%.*s: not on a host of HIPCHAT_ALLOWED_HOSTS, which "
		    "is \"%s\"",
		    shown(request->url), request->url, cfg->allowed_hosts);
		return status;
	}
	call->easy = need(curl_easy_init());
	make_room(&call->reply, 0);
	call->reply.body[0] = '\0';
	set_limits(call, cfg);
	set_request(call, request);
	if (verdict == HOSTS_PUBLIC)
		sure(curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETFUNCTION,
		    guard_socket));
	sure(curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS,
	    connect_ms));
	return 0;
}

/* Why there is no reply, if libcurl didn't say already. */
static void
explain(struct http_call *call, CURLcode code)
{
	if (code == CURLE_WRITE_ERROR)
		strcpy(call->error, "the reply is too large");
	else if (code == CURLE_OK)
		strcpy(call->error, "the reply has no headers");
	else if (call->error[0] == '\0')
		snprintf(call->error, sizeof(call->error), "%s",
		    curl_easy_strerror(code));
}

int
http_do(struct http_call *call, const struct config *cfg,
    const struct http_request *request)
{
	const int status = begin(call, cfg, request, HTTP_CONNECT_MS);
	CURLcode code;

	if (status != 0)
		return status;
	sure(curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS,
	    (long)HTTP_TOTAL_MS));
	code = curl_easy_perform(call->easy);
	if (code == CURLE_OK && call->reply.status != 0)
		return 0;
	explain(call, code);
	log_line("%.*s: %s", shown(request->url), request->url, call->error);
	return HTTP_BAD_GATEWAY;
}

bool
http_header(const struct http_call *call, const char *name, int64_t *value)
{
	struct curl_header *header;
	size_t len;

	if (curl_easy_header(call->easy, name, 0, CURLH_HEADER, -1, &header) !=
	    CURLHE_OK)
		return false;
	len = strspn(header->value, "0123456789");
	if (len == 0 || len > 15)
		return false;
	*value = strtoll(header->value, NULL, 10);
	return true;
}

/* A day; more can't be meant. */
#define RETRY_AFTER_MAX 86400

int64_t
http_retry_after(const struct http_call *call)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds < 0) /* a date in the past */
		return 0;
	return seconds < RETRY_AFTER_MAX ? seconds : RETRY_AFTER_MAX;
}

void
http_free(struct http_call *call)
{
	curl_easy_cleanup(call->easy);
	curl_url_cleanup(call->url);
	curl_slist_free_all(call->headers);
	free(call->reply.body);
	memset(call, 0, sizeof(*call));
}

/* ---- many at once ---- */

/* Likewise. */
static void
sure_multi(CURLMcode code)
{
	if (code != CURLM_OK)
		need(NULL);
}

/* libcurl says which sockets it waits for, and how. */
static int
take_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	const struct http_pool *pool = arg;
	struct epoll_event event = { .data.fd = fd };

	(void)easy;
	(void)unused;
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (what == CURL_POLL_REMOVE) /* a closed one is out already */
		epoll_ctl(pool->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(pool->epoll, EPOLL_CTL_ADD, fd, &event) != 0 &&
	    epoll_ctl(pool->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
		log_errno("a socket", "watching");
	return 0;
}

/* ... and when it wants to be called besides; -1: not at all. */
static int
take_timer(CURLM *multi, long ms, void *arg)
{
	struct http_pool *pool = arg;

	(void)multi;
	pool->timer = ms >= 0 ? uptime_ms() + ms : INT64_MAX;
	return 0;
}

/*
 * With a few calls, curl_multi_perform() would do.  But it looks at every call,
 * so those that get no answer would slow down the others.
 */
void
http_pool_open(struct http_pool *pool)
{
	*pool = (struct http_pool){ .multi = need(curl_multi_init()),
		.epoll = epoll_create1(EPOLL_CLOEXEC),
		.timer = INT64_MAX,
		.send_ms = HTTP_SEND_MS,
		.answer_ms = HTTP_ANSWER_MS };
	/* or libcurl keeps four for each call that is under way just now */
	sure_multi(
	    curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, HTTP_KEPT));
	TAILQ_INIT(&pool->unsent);
	TAILQ_INIT(&pool->sent);
	if (pool->epoll < 0) {
		log_errno("epoll", "opening");
		need(NULL);
	}
	sure_multi(curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION,
	    take_socket));
	sure_multi(curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool));
	sure_multi(
	    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, take_timer));
	sure_multi(curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool));
}

static struct http_calls *
list_of(const struct http_call *call)
{
	return call->sent ? &call->pool->sent : &call->pool->unsent;
}

/* All deadlines of a list were set by the same rule: the last is the latest. */
static void
set_deadline(struct http_call *call, int64_t ms)
{
	call->deadline = uptime_ms() + ms;
	TAILQ_INSERT_TAIL(list_of(call), call, near);
}

/*
 * A connection is there, new or kept open, and the request is the next thing
 * that libcurl sends.
 *
 * If a connection that was kept open breaks before the first byte of an answer,
 * libcurl sends the request again on another one, up to five times, and we are
 * asked each time; so the request may have its effect twice, as after any
 * answer that got lost.  For whoever delivers at least once, that is right: it
 * is not lost, and should the last of them not get through, the outcome is
 * CALL_BROKEN, for the first may have.  (CURLOPT_FORBID_RETRY_ON_REUSE, which
 * prevents that, is of 8.16.)  The deadline stays that of the first.
 */
static int
about_to_send(void *arg, char *remote, char *local, int remote_port,
    int local_port)
{
	struct http_call *call = arg;

	(void)remote;
	(void)local;
	(void)remote_port;
	(void)local_port;
	if (call->may_send != NULL && !call->may_send(call->owner)) {
		call->stopped = true;
		return CURL_PREREQFUNC_ABORT;
	}
	if (!call->sent) {
		TAILQ_REMOVE(list_of(call), call, near);
		call->sent = true;
		set_deadline(call, call->pool->answer_ms);
	}
	return CURL_PREREQFUNC_OK;
}

int
http_pool_add(struct http_pool *pool, struct http_call *call,
    const struct config *cfg, const struct http_request *request, void *owner,
    bool (*may_send)(void *owner))
{
	const int status = begin(call, cfg, request, (long)pool->send_ms);

	if (status != 0) {
		http_free(call);
		return status;
	}
	call->pool = pool;
	call->owner = owner;
	call->may_send = may_send;
	sure(curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call));
	sure(curl_easy_setopt(call->easy, CURLOPT_PREREQFUNCTION,
	    about_to_send));
	sure(curl_easy_setopt(call->easy, CURLOPT_PREREQDATA, call));
	set_deadline(call, pool->send_ms);
	pool->count++;
	sure_multi(curl_multi_add_handle(pool->multi, call->easy));
	return 0;
}

static void
take_out(struct http_call *call)
{
	curl_multi_remove_handle(call->pool->multi, call->easy);
	TAILQ_REMOVE(list_of(call), call, near);
	call->pool->count--;
}

void
http_pool_close(struct http_pool *pool)
{
	struct http_call *call;

	while ((call = TAILQ_FIRST(&pool->unsent)) != NULL ||
	    (call = TAILQ_FIRST(&pool->sent)) != NULL) {
		take_out(call);
		http_free(call);
	}
	curl_multi_cleanup(pool->multi);
	close(pool->epoll);
}

/* The call is over; if it got no answer, this is the outcome. */
static struct http_call *
end(struct http_call *call, enum http_outcome outcome)
{
	take_out(call);
	call->outcome = outcome;
	if (call->reply.status != 0)
		call->outcome = CALL_ANSWERED;
	else if (call->stopped)
		call->outcome = CALL_STOPPED;
	else if (!call->sent)
		call->outcome = CALL_UNREACHED;
	return call;
}

/* A call whose transfer has ended, or NULL. */
static struct http_call *
ended(struct http_pool *pool)
{
	struct http_call *call;
	CURLMsg *msg;
	char *private;
	int left;

	while ((msg = curl_multi_info_read(pool->multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		sure(curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
		    &private));
		call = (void *)private;
		if (call->reply.status == 0)
			explain(call, msg->data.result);
		return end(call, CALL_BROKEN);
	}
	return NULL;
}

/* What did the call wait for when its time was up? */
static const char *
missing(const struct http_call *call)
{
	curl_off_t us = 0;

	if (call->sent)
		return "answer";
	curl_easy_getinfo(call->easy, CURLINFO_NAMELOOKUP_TIME_T, &us);
	if (us == 0)
		return "address";
	curl_easy_getinfo(call->easy, CURLINFO_CONNECT_TIME_T, &us);
	return us == 0 ? "connection" : "TLS session";
}

/* A call whose deadline had passed when we last began to look, or NULL. */
static struct http_call *
late(struct http_pool *pool)
{
	struct http_call *call = TAILQ_FIRST(&pool->unsent);

	if (call == NULL || call->deadline > pool->looked)
		call = TAILQ_FIRST(&pool->sent);
	if (call == NULL || call->deadline > pool->looked)
		return NULL;
	snprintf(call->error, sizeof(call->error), "no %s within %g s",
	    missing(call),
	    (double)(call->sent ? pool->answer_ms : pool->send_ms) / 1000);
	return end(call, CALL_TIMED_OUT);
}

/* Something has happened to a socket, or (CURL_SOCKET_TIMEOUT) it is time. */
static void
act(struct http_pool *pool, curl_socket_t fd, uint32_t events)
{
	int what = 0;

	if (events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	sure_multi(
	    curl_multi_socket_action(pool->multi, fd, what, &pool->running));
}

/* Do what libcurl wants to do by now: begin calls, above all. */
static void
act_in_time(struct http_pool *pool)
{
	if (pool->timer > uptime_ms())
		return;
	pool->timer = INT64_MAX;
	act(pool, CURL_SOCKET_TIMEOUT, 0);
}

/* See what happened on all sockets until now. */
static void
look_at_sockets(struct http_pool *pool)
{
	struct epoll_event events[EVENTS];
	int i, n = EVENTS;
	size_t left;

	pool->looked = uptime_ms();
	/* each call may have two: for both kinds of address */
	for (left = 2 * pool->count; n == EVENTS && left > 0;
	     left -= left < EVENTS ? left : EVENTS) {
		n = epoll_wait(pool->epoll, events, EVENTS, 0);
		for (i = 0; i < n; i++)
			act(pool, events[i].data.fd, events[i].events);
	}
}

struct http_call *
http_pool_next(struct http_pool *pool)
{
	struct http_call *call = ended(pool);

	if (call == NULL && pool->look) {
		pool->look = false;
		look_at_sockets(pool);
		call = ended(pool);
	}
	return call != NULL ? call : late(pool);
}

/* ms until the first deadline of the list, at most so many. */
static int64_t
until_first(const struct http_calls *calls, int64_t ms)
{
	const struct http_call *call = TAILQ_FIRST(calls);
	const int64_t left =
	    call != NULL ? call->deadline - uptime_ms() : INT_MAX;

	return left < ms ? left : ms;
}

bool
http_pool_wait(struct http_pool *pool, int fd, int64_t ms)
{
	struct pollfd fds[] = { { .fd = pool->epoll, .events = POLLIN },
		{ .fd = fd, .events = POLLIN } };

	act_in_time(pool);
	ms = until_first(&pool->unsent, until_first(&pool->sent, ms));
	if (pool->timer < INT64_MAX && pool->timer - uptime_ms() < ms)
		ms = pool->timer - uptime_ms();
	if (ms < 0 || (size_t)pool->running < pool->count)
		ms = 0; /* one is over */
	pool->looked = uptime_ms();
	pool->look = poll(fds, 2, (int)ms) < 0 || fds[0].revents != 0;
	return fds[1].revents != 0;
}
