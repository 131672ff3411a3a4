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

/* The notification; the caller releases it. */
static struct json_object *
notification(const char *message)
{
	struct json_object *doc = json_new();

	json_add_string(doc, "color", "green");
	json_add_string(doc, "message", message);
	json_add_string(doc, "message_format", "text");
	json_add(doc, "notify", json_object_new_boolean(0));
	return doc;
}

/* Send it; HipChat's status, or the one to answer with. */
static int
post(const struct webhook *hook, const struct token *token, const char *text)
{
	const int64_t room_id =
	    hook->inst.room_id != 0 ? hook->inst.room_id : hook->room_id;
	struct http_request request;
	char url[HIPCHAT_URL_MAX];
	struct http_call call;
	int status;

	hipchat_post_request(&request, url, &hook->inst, room_id, token, text);
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
		status = store_put_token(&hook->store, &hook->inst, &token);
	return status == 0 ? post(hook, &token, text) : status;
}

static int
answer(struct webhook *hook)
{
	const char *message = webhook_argument(hook, "/echo");
	struct json_object *doc;
	int status;

	if (message == NULL)
		return 0;
	doc = notification(message);
	status = send_now(hook, json_text(doc));
	json_object_put(doc);
	if (status >= 200 && status < 300)
		return 0;
	log_line("HipChat did not take the notification: %d", status);
	return HTTP_BAD_GATEWAY;
}

/* As webhook_main(), but with the network in place of a courier. */
int
main(void)
{
	return webhook_main_keeping("echo-direct", answer,
	    KEEP_DATA | KEEP_NETWORK);
}
