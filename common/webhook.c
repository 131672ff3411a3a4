/*
 * webhook: see webhook.h.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <unictype.h>
#include <unistr.h>

#include "json.h"
#include "jwt.h"
#include "log.h"
#include "webhook.h"

/* Is it an empty string, as in the message of an uploaded file? */
static bool
is_empty(struct json_object *doc, const char *name)
{
	struct json_object *item, *message, *text;

	return json_object_object_get_ex(doc, "item", &item) &&
	    json_object_object_get_ex(item, "message", &message) &&
	    json_object_object_get_ex(message, name, &text) &&
	    json_object_is_type(text, json_type_string) &&
	    json_object_get_string_len(text) == 0;
}

static int
read_message(struct webhook *hook, const char **message)
{
	struct cgi *cgi = hook->cgi;

	if (hook->room_id == 0)
		return cgi_error(cgi, HTTP_BAD_REQUEST, "no item.room.id");
	switch (json_string(hook->doc, "item.message.message", WEBHOOK_BODY_MAX,
	    message)) {
	case 0:
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "no item.message.message");
	case -1:
		if (!is_empty(hook->doc, "message"))
			return cgi_error(cgi, HTTP_BAD_REQUEST,
			    "item.message.message: not a string, or one with "
			    "a NUL");
	}
	if (json_string(hook->doc, "item.message.id", 255, &hook->message_id) <
	    0)
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "item.message.id: not an id");
	return 0;
}

/* The webhook's own members; HipChat's reference, room_message. */
static int
read_members(struct webhook *hook, const char **oauth_id)
{
	struct cgi *cgi = hook->cgi;
	const char *message = "";
	int status = 0;

	hook->message_id = "";
	if (json_string(hook->doc, "oauth_client_id", STORE_ID_MAX - 1,
		oauth_id) != 1)
		return cgi_error(cgi, HTTP_BAD_REQUEST, "no oauth_client_id");
	if (json_string(hook->doc, "event", 64, &hook->event) != 1)
		return cgi_error(cgi, HTTP_BAD_REQUEST, "no event");
	if (json_positive(hook->doc, "item.room.id", &hook->room_id) < 0)
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "item.room.id: not an id");
	if (strcmp(hook->event, "room_message") == 0)
		status = read_message(hook, &message);
	hook->message = need(strdup(message));
	return status;
}

/* Whose webhook is it? */
static int
find_installation(struct webhook *hook, const char *oauth_id)
{
	const int status = store_find(&hook->store, oauth_id, &hook->inst);

	if (status != HTTP_NOT_FOUND)
		return status;
	log_line("webhook of %s, which is not installed", oauth_id);
	return hook->cfg->webhook_jwt ? HTTP_UNAUTHORIZED : HTTP_NO_CONTENT;
}

/*
 * The token, which is in the Authorization header according to HipChat's
 * reference, in the query according to its guide, and after "token=" according
 * to its libraries.  Returns "" if there is none; buf is for a token from the
 * query.
 */
static const char *
find_token(const struct cgi *cgi, char buf[CGI_URL_MAX])
{
	static const char *const schemes[] = { "JWT token=", "JWT ",
		"Bearer " };
	size_t i, len;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		len = strlen(schemes[i]);
		if (strncasecmp(cgi->authorization, schemes[i], len) == 0)
			return cgi->authorization + len;
	}
	return cgi_param(cgi->query, "signed_request", buf) == 1 ? buf : "";
}

/* Is the signed token about this webhook?  Returns NULL or why not. */
static const char *
check_claims(const struct webhook *hook, const struct jwt_claims *claims)
{
	/* an event that names no room belongs to the installation's */
	const int64_t here =
	    hook->room_id != 0 ? hook->room_id : hook->inst.room_id;

	if (strcmp(claims->iss, hook->inst.oauth_id) != 0)
		return "iss is another installation";
	if (claims->room_id != 0 && here != 0 && claims->room_id != here)
		return "context.room_id is another room";
	return NULL;
}

/* Has this installation's HipChat signed the webhook, here and now? */
static int
check_signature(const struct webhook *hook)
{
	char buf[CGI_URL_MAX];
	const char *token = find_token(hook->cgi, buf), *why;
	struct jwt_claims claims = { .room_id = 0 };

	if (*token == '\0')
		return cgi_refuse(HTTP_UNAUTHORIZED,
		    "webhook of %s: not "
		    "signed, or the web server keeps the Authorization "
		    "header (CGIPassAuth)",
		    hook->inst.oauth_id);
	why = jwt_verify(token, hook->inst.oauth_secret, (int64_t)time(NULL),
	    &claims);
	if (why == NULL)
		why = check_claims(hook, &claims);
	if (why == NULL)
		return 0;
	return cgi_refuse(HTTP_UNAUTHORIZED, "webhook of %s: %s",
	    hook->inst.oauth_id, why);
}

/* Read the body, and prove it. */
static int
read_webhook(struct webhook *hook)
{
	struct cgi *cgi = hook->cgi;
	const char *why, *oauth_id;
	int status;

	hook->doc = json_read(cgi->body, cgi->body_len, &why);
	if (hook->doc == NULL)
		return cgi_error(cgi, HTTP_BAD_REQUEST, "JSON body: %s", why);
	status = read_members(hook, &oauth_id);
	if (status == 0)
		status = find_installation(hook, oauth_id);
	if (status == 0 && hook->cfg->webhook_jwt)
		status = check_signature(hook);
	return status;
}

static int
serve(struct cgi *cgi, struct process *process)
{
	struct webhook hook = { .cfg = &process->cfg,
		.cgi = cgi,
		.program = process->endpoint->name,
		.outbox = &process->outbox,
		.wake = &process->wake };
	int status = store_open(&hook.store, &process->dir);

	if (process->is_resident)
		store_remember(&hook.store, &process->memory);
	if (status == 0)
		status = read_webhook(&hook);
	if (status == 0)
		status = process->endpoint->answer(&hook);
	json_object_put(hook.texts);
	json_object_put(hook.settings);
	json_object_put(hook.doc);
	free(hook.message);
	return status;
}

int
webhook_main_keeping(const char *name, int (*answer)(struct webhook *hook),
    unsigned int keeps)
{
	return endpoint_main(&(struct endpoint){ .name = name,
	    .methods = CGI_POST,
	    .keeps = keeps,
	    .body_max = WEBHOOK_BODY_MAX,
	    .serve = serve,
	    .answer = answer });
}

int
webhook_main(const char *name, int (*answer)(struct webhook *hook))
{
	return webhook_main_keeping(name, answer, KEEP_DATA | KEEP_COURIER);
}

int
webhook_get(struct webhook *hook, const char *name, const char **value)
{
	int status = 0;

	*value = "";
	if (hook->settings == NULL)
		status = store_settings(&hook->store, hook->inst.oauth_id,
		    &hook->settings);
	if (status == 0)
		json_string(hook->settings, name, BOOK_VALUE_MAX, value);
	return status;
}

int
webhook_set(struct webhook *hook, const char *name, const char *value)
{
	json_object_put(hook->settings);
	hook->settings = NULL;
	return store_set(&hook->store, hook->inst.oauth_id, name, value);
}

int
webhook_reply(struct webhook *hook, struct json_object *notification)
{
	return cgi_json(hook->cgi, notification);
}

const char *
webhook_text(const struct webhook *hook, const char *path)
{
	const char *text = "";

	json_string(hook->doc, path, WEBHOOK_BODY_MAX, &text);
	return text;
}

const char *
webhook_format(struct webhook *hook, const char *fmt, ...)
{
	struct json_object *text;
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		need(NULL);
	va_end(ap);
	text = need(json_object_new_string(s));
	free(s);
	if (hook->texts == NULL)
		hook->texts = need(json_object_new_array());
	if (json_object_array_add(hook->texts, text) != 0)
		need(NULL);
	return json_object_get_string(text);
}

/* Length of the white space at the start of text, in bytes. */
static size_t
leading_space(const uint8_t *text)
{
	const uint8_t *p = text, *next;
	ucs4_t c;

	while ((next = u8_next(&c, p)) != NULL && uc_is_property_white_space(c))
		p = next;
	return (size_t)(p - text);
}

char *
webhook_argument(struct webhook *hook, const char *command)
{
	const size_t len = strlen(command);
	uint8_t *text, *end;
	const uint8_t *last;
	size_t space;
	ucs4_t c;

	if (strncasecmp(hook->message, command, len) != 0)
		return NULL;
	text = (uint8_t *)hook->message + len;
	space = leading_space(text);
	if (space == 0 && *text != '\0')
		return NULL; /* "/echoes" is another command */
	text += space;
	end = text + strlen((char *)text);
	while ((last = u8_prev(&c, end, text)) != NULL &&
	    uc_is_property_white_space(c))
		end -= end - last;
	*end = '\0';
	return (char *)text;
}
