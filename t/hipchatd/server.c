/*
 * HTTP, on libmicrohttpd.  A request's way: on_target (its URI, exactly as
 * sent), on_request for the headers, for each piece of the body and for the
 * end, on_completed.
 */
#include "server.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "misbehave.h"
#include "routes.h"

/* Of a body that is too large this much is read, for the sake of a 413. */
#define DISCARD_LIMIT ((size_t)16 * 1024 * 1024)

/* One request under way. */
struct job {
	struct request *rq;
	const struct route *route;	/* NULL: there is none */
	char *allow;			/* other methods of this path */
	struct fault *fault;		/* NULL: none to be played */
	struct exchange exchange;
	int64_t releases;		/* when the fault was taken */
	bool begun;
	bool logged;
	size_t received;
};

static void *
on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
	struct job *j = xcalloc(1, sizeof(*j));

	(void)arg;
	j->rq = request_new(target);
	j->rq->connection = connection;
	return j;
}

static void
on_completed(void *arg, struct MHD_Connection *connection, void **context,
	     enum MHD_RequestTerminationCode code)
{
	struct job *j = *context;

	(void)arg;
	(void)connection;
	(void)code;
	if (!j)
		return;
	request_free(j->rq);
	fault_free(j->fault);
	free(j->allow);
	free(j);
	*context = NULL;
}

static enum MHD_Result
add_line(void *arg, enum MHD_ValueKind kind, const char *name,
	 const char *value)
{
	struct buf *lines = arg;

	(void)kind;
	buf_puts(lines, name);
	buf_puts(lines, ": ");
	buf_puts(lines, value ? value : "");
	buf_puts(lines, "\r\n");
	return MHD_YES;
}

static void
end_log(struct hipchatd *h, struct job *j, const struct reply *re,
	bool effect)
{
	struct exchange *x = &j->exchange;
	struct buf lines = { 0 };

	if (!j->logged)
		return;
	MHD_get_connection_values(j->rq->connection, MHD_HEADER_KIND, add_line,
				  &lines);
	x->request_headers = log_headers(buf_text(&lines));
	x->request_body = buf_text(&j->rq->body);
	x->status = re ? re->status : 0;
	x->response_headers = json_object_new_object();
	for (size_t i = 0; re && i < re->nheaders; i++)
		json_put_str(x->response_headers, re->header[i].name,
			     re->header[i].value);
	x->response_body = re ? buf_text(&re->body) : NULL;
	x->fault = j->fault ? fault_name(j->fault) : NULL;
	x->effect = effect;
	hipchatd_lock(h);
	log_end(&h->log, x);
	hipchatd_unlock(h);
	buf_free(&lines);
}

/* The room that a request's path names, 0 for none.  Under the lock. */
static int64_t
room_of(struct hipchatd *h, const struct job *j)
{
	const struct room *r = NULL;

	if (j->route && !strncmp(j->route->path, "v2/room/{}", 10))
		r = state_find_room(&h->state, j->rq->arg[0]);
	return r ? r->id : 0;
}

static bool
is_control(const struct request *rq)
{
	return rq->nsegments && !strcmp(rq->segment[0], "control");
}

/* The headers are here: route the request, log it, see what is in store. */
static void
begin(struct hipchatd *h, struct job *j, const char *method)
{
	const char *length = request_header(j->rq, "Content-Length");
	struct exchange *x = &j->exchange;
	int64_t n;

	j->begun = true;
	j->rq->method = xstrdup(strcmp(method, "HEAD") ? method : "GET");
	j->rq->too_large = length && (!parse_number(length, 0, INT64_MAX, &n)
				      || n > BODY_LIMIT);
	j->route = route_find(j->rq, &j->allow);
	j->logged = j->route ? j->route->name != NULL : !is_control(j->rq);
	x->direction = "in";
	x->method = j->rq->method;
	x->url = j->rq->target;
	hipchatd_lock(h);
	if (j->logged)
		log_begin(&h->log, x);
	if (j->route && j->route->name)
		j->fault = fault_take(&h->faults, j->route->name,
				      room_of(h, j), NULL);
	j->releases = h->releases;
	hipchatd_unlock(h);
}

/*
 * Another site's page, open in the same browser, must not be able to steer
 * this server: its requests bear its Origin.
 */
static bool
is_foreign(const struct request *rq)
{
	const char *origin = request_header(rq, "Origin");
	const char *host = request_header(rq, "Host");

	if (!origin || !is_control(rq))
		return false;
	origin = strstr(origin, "://");
	return !origin || !host || strcasecmp(origin + 3, host);
}

static void
run(struct hipchatd *h, struct job *j, struct reply *re)
{
	if (j->rq->too_large) {
		reply_error(re, 413, "Request body is too large");
	} else if (is_foreign(j->rq)) {
		reply_error(re, 403, "Request comes from another site");
	} else if (j->allow) {
		reply_error(re, 405, "Method not allowed");
		reply_header(re, "Allow", j->allow);
	} else if (!j->route) {
		reply_error(re, 404, "Not found");
	} else if (j->route->locked) {
		hipchatd_lock(h);
		j->route->handle(h, j->rq, re);
		hipchatd_unlock(h);
	} else {
		j->route->handle(h, j->rq, re);
	}
}

static void
quota_headers(struct MHD_Response *r, const char *prefix,
	      const struct quota *q)
{
	const struct { const char *name; int64_t value; } all[] = {
		{ "Limit", q->limit },
		{ "Remaining", q->remaining },
		{ "Reset", q->reset },
	};
	char name[64], value[32];

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s-%s", prefix, all[i].name);
		snprintf(value, sizeof(value), "%lld",
			 (long long)all[i].value);
		MHD_add_response_header(r, name, value);
	}
}

/* Quotas for replies that came about before anything was counted. */
static void
usual_quotas(const struct job *j, struct reply *re)
{
	int64_t now = now_us() / 1000000;
	const char *name = j->route && j->route->name ? j->route->name : "";

	if (!re->rate.shown)
		re->rate = (struct quota){ true, RATE_LIMIT, RATE_LIMIT - 1,
			now + RATE_WINDOW };
	if (!re->flood.shown && (!strcmp(name, "notification") ||
				 !strcmp(name, "message")))
		re->flood = (struct quota){ true, FLOOD_LIMIT, FLOOD_LIMIT - 1,
			now + FLOOD_WINDOW };
}

static enum MHD_Result
send_reply(struct hipchatd *h, struct job *j, struct reply *re)
{
	struct MHD_Response *r = misbehave_response(h, j->fault, re);
	enum MHD_Result ok;

	if (!r)
		return MHD_NO;
	if (re->type && re->body.len)
		MHD_add_response_header(r, "Content-Type", re->type);
	for (size_t i = 0; i < re->nheaders; i++)
		MHD_add_response_header(r, re->header[i].name,
					re->header[i].value);
	if (j->logged) {
		quota_headers(r, "X-Ratelimit", &re->rate);
		if (re->flood.shown)
			quota_headers(r, "X-FloodControl", &re->flood);
	}
	ok = MHD_queue_response(j->rq->connection, (unsigned)re->status, r);
	MHD_destroy_response(r);
	return ok;
}

/* The fault in store for what is said. */
static void
take_fault_by_text(struct hipchatd *h, struct job *j)
{
	if (j->fault || !j->route || !j->route->name)
		return;
	hipchatd_lock(h);
	j->fault = fault_take(&h->faults, j->route->name, room_of(h, j),
			      buf_text(&j->rq->body));
	hipchatd_unlock(h);
}

/* The request is here as a whole: answer it, or do what the fault says. */
static enum MHD_Result
finish(struct hipchatd *h, struct job *j)
{
	const struct fault *f = j->fault;
	struct reply re = { 0 };
	bool effect = !f || fault_lets_pass(f);
	bool reset = f && (f->kind == FAULT_RESET_BEFORE ||
			   f->kind == FAULT_RESET_AFTER);
	enum MHD_Result ok = MHD_NO;

	if (f && f->ms)
		hipchatd_sleep(h, f->ms);
	if (f && f->hold)
		hipchatd_hold(h, j->releases);
	if (effect)
		run(h, j, &re);
	else
		fault_reply(f, &re);
	usual_quotas(j, &re);
	if (f)
		misbehave_body(f, &re);
	end_log(h, j, reset ? NULL : &re, effect);
	if (reset)
		misbehave_reset(j->rq->connection);
	else if (f && f->kind == FAULT_HALF && !re.body.len)
		misbehave_half_head(h, j->rq->connection);
	else
		ok = send_reply(h, j, &re);
	reply_free(&re);
	return ok;
}

static void
take_body(struct job *j, const char *data, size_t len)
{
	if (len > BODY_LIMIT - j->rq->body.len)
		j->rq->too_large = true;
	if (j->rq->too_large)
		buf_free(&j->rq->body);
	else
		buf_add(&j->rq->body, data, len);
	j->received += len;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url,
	   const char *method, const char *version, const char *data,
	   size_t *size, void **context)
{
	struct hipchatd *h = arg;
	struct job *j = *context;

	(void)connection;
	(void)url;
	(void)version;
	if (!j->begun) {
		begin(h, j, method);
		if (j->fault && j->fault->kind == FAULT_REFUSE) {
			end_log(h, j, NULL, false);
			return MHD_NO;
		}
		return j->rq->too_large ? finish(h, j) : MHD_YES;
	}
	if (*size) {
		take_body(j, data, *size);
		*size = 0;
		return j->received > DISCARD_LIMIT ? MHD_NO : MHD_YES;
	}
	take_fault_by_text(h, j);
	return finish(h, j);
}

struct MHD_Daemon *
server_start(struct hipchatd *h, int fd, const char *cert, const char *key)
{
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION |
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key },
		{ MHD_OPTION_END, 0, NULL }
	};

	if (cert)
		flags |= MHD_USE_TLS;
	else
		tls[0].option = MHD_OPTION_END;
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, h,
				MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_URI_LOG_CALLBACK, on_target, h,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
				MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

void
server_stop(struct hipchatd *h, struct MHD_Daemon *d)
{
	hipchatd_lock(h);
	h->stopping = true;
	pthread_cond_broadcast(&h->wake);
	hipchatd_unlock(h);
	MHD_stop_daemon(d);
}
