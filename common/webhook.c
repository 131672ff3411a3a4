/*
 * webhook: see webhook.h.
 */
#include <stdbool.h>
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

/* The webhook's own members; HipChat's reference, room_message. */
static int
read_members(struct webhook *hook, struct cgi *cgi, const char **oauth_id)
{
	const char *message = "";

	hook->message_id = "";
	if (json_string(hook->doc, "oauth_client_id", STORE_ID_MAX - 1,
	    oauth_id) != 1)
		return cgi_error(cgi, 400, "no oauth_client_id");
	if (json_string(hook->doc, "event", 64, &hook->event) != 1)
		return cgi_error(cgi, 400, "no event");
	if (json_id(hook->doc, "item.room.id", &hook->room_id) < 0)
		return cgi_error(cgi, 400, "item.room.id: not an id");
	if (strcmp(hook->event, "room_message") == 0) {
		if (hook->room_id == 0)
			return cgi_error(cgi, 400, "no item.room.id");
		if (json_string(hook->doc, "item.message.message",
		    CGI_BODY_MAX, &message) != 1)
			return cgi_error(cgi, 400, "no item.message.message");
		if (json_string(hook->doc, "item.message.id", 255,
		    &hook->message_id) < 0)
			return cgi_error(cgi, 400,
			    "item.message.id: not an id");
	}
	hook->message = need(strdup(message));
	return 0;
}

/* Whose webhook is it? */
static int
find_installation(struct webhook *hook, const char *oauth_id)
{
	const int status = store_find(&hook->store, oauth_id, &hook->inst);

	if (status != 404)
		return status;
	log_line("webhook of %s, which is not installed", oauth_id);
	return hook->cfg->webhook_jwt ? 401 : 204;
}

/*
 * The token, which HipChat's reference has in the Authorization header, its
 * guide in the query, and its libraries also behind "token=".  Returns "" if
 * there is none; room is for a token from the query.
 */
static const char *
find_token(const struct cgi *cgi, char room[CGI_URL_MAX])
{
	static const char *const schemes[] = { "JWT token=", "JWT ",
	    "Bearer " };
	size_t i, len;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		len = strlen(schemes[i]);
		if (strncasecmp(cgi->authorization, schemes[i], len) == 0)
			return cgi->authorization + len;
	}
	return cgi_param(cgi->query, "signed_request", room) == 1 ? room : "";
}

/* Has this installation's HipChat signed the webhook, here and now? */
static int
check_signature(const struct webhook *hook, const struct cgi *cgi)
{
	char room[CGI_URL_MAX];
	const char *token = find_token(cgi, room), *why;
	/* an event that names no room is of the installation's */
	const int64_t here = hook->room_id != 0 ? hook->room_id :
	    hook->inst.room_id;
	struct jwt_claims claims = { .room_id = 0 };

	if (*token == '\0')
		why = "not signed";
	else
		why = jwt_verify(token, hook->inst.oauth_secret,
		    (int64_t)time(NULL), &claims);
	if (why == NULL && strcmp(claims.iss, hook->inst.oauth_id) != 0)
		why = "iss is another installation";
	if (why == NULL && claims.room_id != 0 && here != 0 &&
	    claims.room_id != here)
		why = "context.room_id is another room";
	if (why == NULL)
		return 0;
	log_line("401: webhook of %s: %s", hook->inst.oauth_id, why);
	return 401;
}

int
webhook_open(struct webhook *hook, const struct cgi *cgi,
    const struct config *cfg)
{
	int status;

	memset(hook, 0, sizeof(*hook));
	hook->cfg = cfg;
	hook->program = cgi->program;
	if ((status = datadir_open(&hook->dir, cfg->data_dir)) != 0)
		return status;
	if ((status = store_open(&hook->store, &hook->dir)) == 0)
		status = outbox_open(&hook->outbox, &hook->dir);
	if (status == 0)
		outbox_reserve(&hook->outbox, cfg->courier);
	else
		datadir_close(&hook->dir);
	return status;
}

int
webhook_read(struct webhook *hook, struct cgi *cgi)
{
	const char *why, *oauth_id;
	int status;

	hook->doc = json_read(cgi->body, cgi->body_len, &why);
	if (hook->doc == NULL)
		return cgi_error(cgi, 400, "JSON body: %s", why);
	status = read_members(hook, cgi, &oauth_id);
	if (status == 0)
		status = find_installation(hook, oauth_id);
	if (status == 0 && hook->cfg->webhook_jwt)
		status = check_signature(hook, cgi);
	return status;
}

/* Length of the white space that text starts with, in bytes. */
static size_t
leading_space(const uint8_t *text)
{
	const uint8_t *p = text, *next;
	ucs4_t c;

	while ((next = u8_next(&c, p)) != NULL &&
	    uc_is_property_white_space(c))
		p = next;
	return (size_t)(p - text);
}

char *
webhook_argument(struct webhook *hook, const char *command)
{
	const size_t len = strlen(command);
	uint8_t *text, *end;
	const uint8_t *last;
	ucs4_t c;

	if (strncasecmp(hook->message, command, len) != 0)
		return NULL;
	text = (uint8_t *)hook->message + len;
	text += leading_space(text);
	end = text + strlen((char *)text);
	while ((last = u8_prev(&c, end, text)) != NULL &&
	    uc_is_property_white_space(c))
		end -= end - last;
	*end = '\0';
	return (char *)text;
}

void
webhook_close(struct webhook *hook)
{
	json_object_put(hook->doc);
	free(hook->message);
	outbox_close(&hook->outbox);
	datadir_close(&hook->dir);
	memset(hook, 0, sizeof(*hook));
}
