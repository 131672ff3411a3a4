/*
 * hipchat: see hipchat.h.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hipchat.h"
#include "json.h"
#include "log.h"
#include "status.h"

/* Stop using a token this long before it expires, in seconds. */
#define TOKEN_MARGIN 60

/* Lifetimes are cut to this: they are added to the time of day. */
#define LIFETIME_MAX ((int64_t)1 << 40)

/* Log what was wrong with an answer. */
static int
unexpected(const char *what, const char *why)
{
	log_line("HipChat's %s: %s", what, why);
	return HTTP_BAD_GATEWAY;
}

static int
unexpected_status(const char *what, long status)
{
	log_line("HipChat's %s: status %ld", what, status);
	return HTTP_BAD_GATEWAY;
}

/* Parse the body of a 200; *doc is the caller's. */
static int
parse_reply(const struct http_reply *reply, const char *what,
    struct json_object **doc)
{
	const char *why;

	*doc = NULL;
	if (reply->status != HTTP_OK)
		return unexpected_status(what, reply->status);
	*doc = json_read(reply->body, reply->len, &why);
	return *doc != NULL ? 0 : unexpected(what, why);
}

/* GET a document; *doc is the caller's. */
static int
get_document(const struct config *cfg, const char *url, const char *what,
    struct json_object **doc)
{
	const struct http_request request = { .url = url };
	struct http_call call;
	int status;

	*doc = NULL;
	status = http_do(&call, cfg, &request);
	if (status == 0)
		status = parse_reply(&call.reply, what, doc);
	http_free(&call);
	return status;
}

/* Copy a URL on an allowed host: 1, 0 if absent, -1 if invalid. */
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

void
hipchat_host(const struct installation *inst, char host[HIPCHAT_HOST_MAX])
{
	const char *start = strstr(inst->capabilities_url, "://");

	start = start != NULL ? start + 3 : inst->capabilities_url;
	snprintf(host, HIPCHAT_HOST_MAX, "%.*s", (int)strcspn(start, "/?#"),
	    start);
}

void
hipchat_log(const struct installation *inst, const char *what)
{
	const bool room = inst->room_id != 0;
	char host[HIPCHAT_HOST_MAX];

	hipchat_host(inst, host);
	log_line("%s of %s, %s %" PRId64 ": %s", inst->oauth_id, host,
	    room ? "room" : "group", room ? inst->room_id : inst->group_id,
	    what);
}

int
hipchat_discover(const struct config *cfg, struct installation *inst)
{
	static const char what[] = "capabilities";
	struct json_object *doc;
	const char *self;
	int status, api;

	status = get_document(cfg, inst->capabilities_url, what, &doc);
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
		if (*p <= ' ' || *p > '~') /* it goes into a header */
			return unexpected("token", "invalid access_token");
	strcpy(token->text, text);
	if (json_positive(doc, "expires_in", &lifetime) != 1)
		lifetime = TOKEN_MARGIN; /* unknown: used once */
	if (lifetime > LIFETIME_MAX)
		lifetime = LIFETIME_MAX;
	token->expires = (int64_t)time(NULL) + lifetime - TOKEN_MARGIN;
	return 0;
}

void
hipchat_token_request(struct http_request *request,
    const struct installation *inst)
{
	*request = (struct http_request){
		.url = inst->token_url,
		.user = inst->oauth_id,
		.password = inst->oauth_secret,
		.content_type = "application/x-www-form-urlencoded",
		.body = "grant_type=client_credentials",
	};
}

int
hipchat_token_reply(const struct http_reply *reply, struct token *token)
{
	struct json_object *doc;
	int status;

	if (reply->status == HTTP_UNAUTHORIZED ||
	    reply->status == HTTP_FORBIDDEN)
		return HTTP_FORBIDDEN;
	status = parse_reply(reply, "token", &doc);
	if (status == 0)
		status = take_token(doc, token);
	json_object_put(doc);
	return status;
}

/* hipchat_token(), but a refusal is not logged: it may be what we hope for. */
static int
ask_token(const struct config *cfg, const struct installation *inst,
    struct token *token)
{
	struct http_request request;
	struct http_call call;
	int status;

	hipchat_token_request(&request, inst);
	status = http_do(&call, cfg, &request);
	if (status == 0)
		status = hipchat_token_reply(&call.reply, token);
	http_free(&call);
	return status;
}

int
hipchat_token(const struct config *cfg, const struct installation *inst,
    struct token *token)
{
	const int status = ask_token(cfg, inst, token);

	if (status == HTTP_FORBIDDEN)
		log_line("%s: HipChat refuses this secret", inst->oauth_id);
	return status;
}

int
hipchat_removed(const struct config *cfg, const struct installation *inst)
{
	struct token token;

	switch (ask_token(cfg, inst, &token)) {
	case HTTP_FORBIDDEN:
		return 0;
	case 0:
		log_line("%s stays for now: HipChat still grants it a token",
		    inst->oauth_id);
		return HTTP_CONFLICT;
	default:
		return HTTP_SERVICE_UNAVAILABLE;
	}
}

int
hipchat_installable(const struct config *cfg, const char *url, char *oauth_id,
    char *secret)
{
	static const char what[] = "installable document";
	const char *id, *text = "";
	struct json_object *doc;
	int status;

	status = get_document(cfg, url, what, &doc);
	if (status != 0)
		return status;
	if (json_string(doc, "oauthId", STORE_ID_MAX - 1, &id) != 1)
		status = unexpected(what, "no oauthId");
	else if (json_string(doc, "oauthSecret", STORE_SECRET_MAX - 1, &text) <
	    0)
		status = unexpected(what, "invalid oauthSecret");
	if (status == 0) {
		strcpy(oauth_id, id);
		strcpy(secret, text);
	}
	json_object_put(doc);
	return status;
}

/* The URL of a path below the installation's API. */
static void
make_url(char url[HIPCHAT_URL_MAX], const struct installation *inst,
    const char *path)
{
	size_t len = strlen(inst->api_url);

	/* with or without a slash at the end: HipChat has sent both */
	while (len > 0 && inst->api_url[len - 1] == '/')
		len--;
	snprintf(url, HIPCHAT_URL_MAX, "%.*s/%s", (int)len, inst->api_url,
	    path);
}

void
hipchat_post_request(struct http_request *request, char url[HIPCHAT_URL_MAX],
    const struct installation *inst, int64_t room_id, const struct token *token,
    const char *json)
{
	char path[HIPCHAT_PATH_MAX];

	snprintf(path, sizeof(path), "room/%" PRId64 "/notification", room_id);
	make_url(url, inst, path);
	*request = (struct http_request){
		.url = url,
		.bearer = token->text,
		.content_type = "application/json",
		.body = json,
	};
}

void
hipchat_reason(const struct http_reply *reply, char *out, size_t size)
{
	const char *why, *message = "";
	struct json_object *doc;

	doc = json_read(reply->body, reply->len, &why);
	json_string(doc, "error.message", 100, &message);
	snprintf(out, size, "HipChat answers %ld%s%s", reply->status,
	    *message != '\0' ? ": " : "", message);
	json_object_put(doc);
}

/* The stored token, or a new one if there is none or it must be fresh. */
static int
get_token(const struct config *cfg, const struct store *st,
    const struct installation *inst, bool fresh, struct token *token)
{
	int status;

	if (!fresh && store_find_token(st, inst->oauth_id, token) == 0 &&
	    token->expires > (int64_t)time(NULL))
		return 0;
	status = hipchat_token(cfg, inst, token);
	if (status == 0) /* a failure is logged, and costs one call */
		store_put_token(st, inst, token);
	return status;
}

/* What the reply to hipchat_call() means; the document is the caller's. */
static int
take_answer(const struct http_reply *reply, const char *path,
    struct json_object **answer)
{
	char reason[160];
	const char *why;

	if (reply->status < 200 || reply->status > 299) {
		hipchat_reason(reply, reason, sizeof(reason));
		log_line("%s: %s", path, reason);
		return reply->status >= 400 ? (int)reply->status :
					      HTTP_BAD_GATEWAY;
	}
	if (answer == NULL || reply->len == 0)
		return 0;
	*answer = json_read(reply->body, reply->len, &why);
	return *answer != NULL ? 0 : unexpected(path, why);
}

int
hipchat_call(const struct config *cfg, const struct store *st,
    const struct installation *inst, const char *method, const char *path,
    struct json_object *body, struct json_object **answer)
{
	char url[HIPCHAT_URL_MAX];
	struct token token;
	struct http_request request = { .url = url,
		.method = method,
		.bearer = token.text,
		.content_type = "application/json",
		.body = body != NULL ? json_text(body) : NULL };
	struct http_call call = { .easy = NULL };
	int status;

	if (answer != NULL)
		*answer = NULL;
	if (strlen(path) >= HIPCHAT_PATH_MAX)
		return unexpected(path, "too long a path");
	make_url(url, inst, path);
	status = get_token(cfg, st, inst, false, &token);
	if (status == 0)
		status = http_do(&call, cfg, &request);
	if (status == 0 && call.reply.status == HTTP_UNAUTHORIZED) {
		http_free(&call);
		status = get_token(cfg, st, inst, true, &token);
		if (status == 0)
			status = http_do(&call, cfg, &request);
	}
	if (status == 0)
		status = take_answer(&call.reply, path, answer);
	http_free(&call);
	return status;
}
