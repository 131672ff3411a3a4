/* Calls to add-ons, on libcurl's multi interface. */
#include "client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT 10L			/* seconds, for the whole call */
#define REPLY_LIMIT BODY_LIMIT
#define POLL_MS 200

/* One call under way. */
struct transfer {
	struct call *call;
	CURL *curl;
	struct curl_slist *headers;
	struct exchange exchange;
	struct buf sent;		/* header lines, as they went out */
	struct buf got;
};

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	if (n * size > REPLY_LIMIT - t->call->reply.len)
		return 0;
	buf_add(&t->call->reply, data, n * size);
	return n * size;
}

static size_t
on_header(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	buf_add(&t->got, data, n * size);
	return n * size;
}

static int
on_debug(CURL *curl, curl_infotype type, char *data, size_t n, void *arg)
{
	struct transfer *t = arg;

	(void)curl;
	if (type == CURLINFO_HEADER_OUT)
		buf_add(&t->sent, data, n);
	return 0;
}

static void
add_header(struct transfer *t, const char *name, const char *value)
{
	char *line = xasprintf("%s: %s", name, value);
	struct curl_slist *list = curl_slist_append(t->headers, line);

	if (!list)
		abort();
	t->headers = list;
	free(line);
}

static void
set_body(struct transfer *t)
{
	const char *method = t->call->method, *body = t->call->body;
	CURL *c = t->curl;

	if (!strcmp(method, "POST")) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body ? body : "");
		add_header(t, "Content-Type", "application/json");
		add_header(t, "Expect", "");
	} else if (strcmp(method, "GET")) {
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	}
	if (t->call->authorization)
		add_header(t, "Authorization", t->call->authorization);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
}

static void
prepare(struct hipchatd *h, struct transfer *t)
{
	CURL *c = t->curl = curl_easy_init();

	if (!c)
		abort();
	curl_easy_setopt(c, CURLOPT_URL, t->call->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, TIMEOUT);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_USERAGENT, "HipChat.com");
	if (h->ca_file)
		curl_easy_setopt(c, CURLOPT_CAINFO, h->ca_file);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
	/* the only way to see all headers that went out */
	curl_easy_setopt(c, CURLOPT_VERBOSE, 1L);
	curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, on_debug);
	curl_easy_setopt(c, CURLOPT_DEBUGDATA, t);
	curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	set_body(t);
	t->exchange.direction = "out";
	t->exchange.method = t->call->method;
	t->exchange.url = t->call->url;
	hipchatd_lock(h);
	log_begin(&h->log, &t->exchange);
	hipchatd_unlock(h);
}

static void
set_result(struct transfer *t, CURLcode code)
{
	struct call *call = t->call;
	struct json_object *headers = log_headers(buf_text(&t->got));
	const char *location = json_get_str(headers, "location");
	long status = 0;

	if (code == CURLE_OK) {
		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
		call->status = (int)status;
		call->location = location ? xstrdup(location) : NULL;
	} else {
		call->error = xstrdup(curl_easy_strerror(code));
	}
	t->exchange.response_headers = headers;
}

/* Log what came of it and release all but the call itself. */
static void
finish(struct hipchatd *h, struct transfer *t)
{
	struct call *call = t->call;
	struct exchange *x = &t->exchange;

	if (!call->status && !call->error)
		call->error = xstrdup("The server is stopping");
	x->status = call->status;
	x->error = call->error;
	x->request_headers = log_headers(buf_text(&t->sent));
	x->request_body = call->body;
	x->response_body = buf_text(&call->reply);
	hipchatd_lock(h);
	log_end(&h->log, x);
	hipchatd_unlock(h);
	curl_easy_cleanup(t->curl);
	curl_slist_free_all(t->headers);
	buf_free(&t->sent);
	buf_free(&t->got);
}

static void
collect(CURLM *multi)
{
	struct transfer *t;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(multi, &left)))
		if (msg->msg == CURLMSG_DONE &&
		    !curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t))
			set_result(t, msg->data.result);
}

void
client_run(struct hipchatd *h, struct call *calls, size_t count)
{
	CURLM *multi = curl_multi_init();
	struct transfer *all = xcalloc(count, sizeof(*all));
	int running = 1;

	if (!multi)
		abort();
	for (size_t i = 0; i < count; i++) {
		all[i].call = &calls[i];
		prepare(h, &all[i]);
		curl_multi_add_handle(multi, all[i].curl);
	}
	while (running && !hipchatd_stopping(h)) {
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			break;
		if (running)
			curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
	}
	collect(multi);
	for (size_t i = 0; i < count; i++) {
		curl_multi_remove_handle(multi, all[i].curl);
		finish(h, &all[i]);
	}
	free(all);
	curl_multi_cleanup(multi);
}

void
call_free(struct call *c)
{
	free(c->error);
	free(c->location);
	buf_free(&c->reply);
}
