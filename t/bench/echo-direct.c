/*
 * POST /echo as it would be without the outbox, for comparison: it sends the
 * notification by itself, and answers when HipChat has it.  What HipChat does
 * not take is lost.
 */
#include <string.h>
#include <time.h>

#include "cgi.h"
#include "config.h"
#include "hipchat.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "webhook.h"

/* The notification as JSON text, which lives as long as *doc. */
static const char *
notification(const char *message, struct json_object **doc)
{
	*doc = json_new();
	json_add_string(*doc, "color", "green");
	json_add_string(*doc, "message", message);
	json_add_string(*doc, "message_format", "text");
	json_add(*doc, "notify", need(json_object_new_boolean(0)));
	return json_text(*doc);
}

/* Send it; HipChat's status, or the one to answer with. */
static int
post(const struct webhook *hook, const struct token *token, const char *text)
{
	const int64_t room_id = hook->inst.room_id != 0 ?
	    hook->inst.room_id : hook->room_id;
	struct http_request request;
	char url[HIPCHAT_URL_MAX];
	struct http_call call;
	int status;

	hipchat_post_request(&request, url, &hook->inst, room_id, token,
	    text);
	status = http_do(&call, hook->cfg, &request);
	if (status == 0)
		status = (int)call.reply.status;
	http_free(&call);
	return status;
}

/* Send it with a token from the cache, or with a new one. */
static int
send_now(const struct webhook *hook, const char *text)
{
	const char *id = hook->inst.oauth_id;
	struct token token;
	int status = store_find_token(&hook->store, id, &token);

	if (status == 0 && token.expires > time(NULL) &&
	    (status = post(hook, &token, text)) != 401)
		return status;
	status = hipchat_token(hook->cfg, &hook->inst, &token);
	if (status == 0)
		status = store_put_token(&hook->store, id, &token);
	return status == 0 ? post(hook, &token, text) : status;
}

static int
answer(struct webhook *hook)
{
	const char *message = webhook_argument(hook, "/echo");
	struct json_object *doc;
	const char *text;
	int status;

	if (message == NULL)
		return 0;
	text = notification(message, &doc);
	status = send_now(hook, text);
	json_object_put(doc);
	if (status >= 200 && status < 300)
		return 204;
	log_line("HipChat did not take the notification: %d", status);
	return 502;
}

int
main(void)
{
	struct webhook hook = { .program = "echo-direct", .dir.fd = -1,
	    .outbox = { NULL, -1, -1, -1 } };
	struct config cfg;
	struct cgi cgi;
	int status = cgi_read(&cgi, hook.program, CGI_POST);

	if (status == 0)
		status = config_read(&cfg);
	if (status != 0)
		return cgi_answer(&cgi, status);
	/* webhook_open() less the outbox */
	hook.cfg = &cfg;
	status = datadir_open(&hook.dir, cfg.data_dir);
	if (status == 0)
		status = store_open(&hook.store, &hook.dir);
	if (status == 0)
		status = webhook_read(&hook, &cgi);
	if (status == 0)
		status = answer(&hook);
	webhook_close(&hook);
	return cgi_answer(&cgi, status);
}
