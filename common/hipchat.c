/*
 * hipchat: see hipchat.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hipchat.h"
#include "http.h"
#include "json.h"
#include "log.h"

/* A token is given up this long before HipChat does, in seconds. */
#define TOKEN_MARGIN 60

/* Lifetimes are cut to this: they are added to the time of day. */
#define LIFETIME_MAX ((int64_t)1 << 40)

/* Log what was wrong with an answer. */
static int
unexpected(const char *what, const char *why)
{
	log_line("HipChat's %s: %s", what, why);
	return 502;
}

static int
unexpected_status(const char *what, long status)
{
	log_line("HipChat's %s: status %ld", what, status);
	return 502;
}

/* Make the call and parse a 200; *doc is the caller's.  http as http_do(). */
static int
call_json(const struct config *cfg, const struct http_request *request,
    const char *what, struct json_object **doc, long *http_status)
{
	struct http_call call;
	const char *why;
	int status;

	*doc = NULL;
	*http_status = 0;
	status = http_do(&call, cfg, request);
	if (status == 0) {
		*http_status = call.reply.status;
		if (call.reply.status != 200)
			status = unexpected_status(what, call.reply.status);
		else if ((*doc = json_read(call.reply.body, call.reply.len,
		    &why)) == NULL)
			status = unexpected(what, why);
	}
	http_free(&call);
	return status;
}

/* Copy a URL on an allowed host: 1, 0 when absent, -1 when unfit. */
static int
copy_url(const struct config *cfg, struct json_object *doc, const char *path,
    char *out)
{
	const char *url;
	const int found = json_string(doc, path, STORE_URL_MAX - 1, &url);

	if (found != 1)
		return found;
	if (!http_url_allowed(cfg, url))
		return -1;
	strcpy(out, url);
	return 1;
}

int
hipchat_discover(const struct config *cfg, struct installation *inst)
{
	const struct http_request request = { .url = inst->capabilities_url };
	static const char what[] = "capabilities";
	struct json_object *doc;
	const char *self;
	long http_status;
	int status, api;

	status = call_json(cfg, &request, what, &doc, &http_status);
	if (status != 0)
		return status;
	api = copy_url(cfg, doc, "capabilities.hipchatApiProvider.url",
	    inst->api_url);
	if (api == 0)
		api = copy_url(cfg, doc, "links.api", inst->api_url);
	if (json_string(doc, "links.self", STORE_URL_MAX - 1, &self) != 1 ||
	    strcmp(self, inst->capabilities_url) != 0)
		status = unexpected(what, "links.self is another URL");
	else if (api != 1)
		status = unexpected(what, "no API on an allowed host");
	else if (copy_url(cfg, doc, "capabilities.oauth2Provider.tokenUrl",
	    inst->token_url) != 1)
		status = unexpected(what, "no tokenUrl on an allowed host");
	json_object_put(doc);
	return status;
}

/* Take token and lifetime from the answer. */
static int
take_token(struct json_object *doc, struct token *token)
{
	int64_t lifetime = TOKEN_MARGIN;
	const char *text, *p;

	if (json_string(doc, "access_token", STORE_TOKEN_MAX - 1, &text) != 1)
		return unexpected("token", "no access_token");
	for (p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')	/* it goes into a header */
			return unexpected("token", "odd access_token");
	strcpy(token->text, text);
	if (json_id(doc, "expires_in", &lifetime) != 1)
		lifetime = TOKEN_MARGIN;	/* unknown: used once */
	if (lifetime > LIFETIME_MAX)
		lifetime = LIFETIME_MAX;
	token->expires = (int64_t)time(NULL) + lifetime - TOKEN_MARGIN;
	return 0;
}

int
hipchat_token(const struct config *cfg, const struct installation *inst,
    struct token *token)
{
	const struct http_request request = {
		.url = inst->token_url,
		.user = inst->oauth_id,
		.password = inst->oauth_secret,
		.content_type = "application/x-www-form-urlencoded",
		.body = "grant_type=client_credentials",
	};
	struct json_object *doc;
	long http_status;
	int status;

	status = call_json(cfg, &request, "token", &doc, &http_status);
	if (http_status == 401 || http_status == 403)
		return 403;
	if (status == 0)
		status = take_token(doc, token);
	json_object_put(doc);
	return status;
}

int
hipchat_removed(const struct config *cfg, const struct installation *inst)
{
	struct token token;

	switch (hipchat_token(cfg, inst, &token)) {
	case 403:
		return 0;
	case 0:
		log_line("%s is still installed: HipChat granted a token",
		    inst->oauth_id);
		return 409;
	default:
		return 503;
	}
}

int
hipchat_installable(const struct config *cfg, const char *url,
    char *oauth_id, char *secret)
{
	const struct http_request request = { .url = url };
	static const char what[] = "installable document";
	const char *id, *text = "";
	struct json_object *doc;
	long http_status;
	int status;

	status = call_json(cfg, &request, what, &doc, &http_status);
	if (status != 0)
		return status;
	if (json_string(doc, "oauthId", STORE_ID_MAX - 1, &id) != 1)
		status = unexpected(what, "no oauthId");
	else if (json_string(doc, "oauthSecret", STORE_SECRET_MAX - 1,
	    &text) < 0)
		status = unexpected(what, "odd oauthSecret");
	if (status == 0) {
		strcpy(oauth_id, id);
		strcpy(secret, text);
	}
	json_object_put(doc);
	return status;
}

/* A new token, kept for the next time.  Failing to keep it is no failure. */
static int
renew_token(const struct config *cfg, const struct store *st,
    const struct installation *inst, struct token *token)
{
	const int status = hipchat_token(cfg, inst, token);

	if (status == 0)
		store_put_token(st, inst->oauth_id, token);
	return status;
}

/* One POST; *http_status is HipChat's. */
static int
post_notification(const struct config *cfg, const struct installation *inst,
    int64_t room_id, const struct token *token, const char *json,
    long *http_status)
{
	char url[STORE_URL_MAX + 64];
	const struct http_request request = {
		.url = url,
		.bearer = token->text,
		.content_type = "application/json",
		.body = json,
	};
	size_t len = strlen(inst->api_url);
	struct http_call call;
	int status;

	while (len > 0 && inst->api_url[len - 1] == '/')
		len--;
	snprintf(url, sizeof(url), "%.*s/room/%" PRId64 "/notification",
	    (int)len, inst->api_url, room_id);
	status = http_do(&call, cfg, &request);
	*http_status = call.reply.status;
	http_free(&call);
	return status;
}

int
hipchat_send(const struct config *cfg, const struct store *st,
    const struct installation *inst, int64_t room_id, const char *json)
{
	struct token token;
	long http_status = 0;
	int status = 0;

	if (store_find_token(st, inst->oauth_id, &token) != 0 ||
	    token.expires <= time(NULL))
		status = renew_token(cfg, st, inst, &token);
	if (status == 0)
		status = post_notification(cfg, inst, room_id, &token, json,
		    &http_status);
	if (status == 0 && http_status == 401) {
		status = renew_token(cfg, st, inst, &token);
		if (status == 0)
			status = post_notification(cfg, inst, room_id, &token,
			    json, &http_status);
	}
	if (status == 0 && (http_status < 200 || http_status > 299))
		status = unexpected_status("notification", http_status);
	return status == 403 ? 502 : status;
}
