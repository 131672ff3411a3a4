/*
 * installation: see installation.h.
 */
#include <string.h>

#include "installation.h"
#include "json.h"

static bool
visible(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static bool
id_fits(const char *id)
{
	return id[strspn(id, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")] == '\0';
}

/* Copy a string member without blanks; false where there is none. */
static bool
copy_string(struct json_object *doc, const char *name, char *out, size_t size)
{
	const char *text;

	if (json_string(doc, name, size - 1, &text) != 1 || !visible(text))
		return false;
	strcpy(out, text);
	return true;
}

/* What HipChat posts. */
static const char *
read_posted(struct json_object *doc, struct installation *inst)
{
	memset(inst, 0, sizeof(*inst));
	if (!copy_string(doc, "oauthId", inst->oauth_id,
	    sizeof(inst->oauth_id)) || !id_fits(inst->oauth_id))
		return "oauthId: a string of A-Z a-z 0-9 - . _ ~ is needed";
	if (!copy_string(doc, "oauthSecret", inst->oauth_secret,
	    sizeof(inst->oauth_secret)))
		return "oauthSecret: a string without blanks is needed";
	if (!copy_string(doc, "capabilitiesUrl", inst->capabilities_url,
	    sizeof(inst->capabilities_url)))
		return "capabilitiesUrl: a URL is needed";
	if (json_positive(doc, "groupId", &inst->group_id) != 1)
		return "groupId: a positive integer is needed";
	if (json_positive(doc, "roomId", &inst->room_id) < 0)
		return "roomId: a positive integer is needed";
	return NULL;
}

const char *
installation_parse(const char *text, size_t len, struct installation *inst)
{
	const char *why;
	struct json_object *doc = json_read(text, len, &why);

	if (doc != NULL)
		why = read_posted(doc, inst);
	json_object_put(doc);
	return why;
}

const char *
installation_load(const char *text, struct installation *inst)
{
	const char *why;
	struct json_object *doc = json_read(text, strlen(text), &why);

	if (doc != NULL)
		why = read_posted(doc, inst);
	if (why == NULL && (!copy_string(doc, "tokenUrl", inst->token_url,
	    sizeof(inst->token_url)) || !copy_string(doc, "apiUrl",
	    inst->api_url, sizeof(inst->api_url))))
		why = "no tokenUrl or no apiUrl";
	json_object_put(doc);
	return why;
}

struct json_object *
installation_json(const struct installation *inst)
{
	struct json_object *doc = json_new();

	json_add_string(doc, "oauthId", inst->oauth_id);
	json_add_string(doc, "oauthSecret", inst->oauth_secret);
	json_add_string(doc, "capabilitiesUrl", inst->capabilities_url);
	json_add_int(doc, "groupId", inst->group_id);
	if (inst->room_id != 0)
		json_add_int(doc, "roomId", inst->room_id);
	json_add_string(doc, "tokenUrl", inst->token_url);
	json_add_string(doc, "apiUrl", inst->api_url);
	return doc;
}

bool
token_load(const char *text, struct token *token)
{
	const char *why;
	struct json_object *doc = json_read(text, strlen(text), &why);
	const bool loaded = doc != NULL &&
	    copy_string(doc, "token", token->text, sizeof(token->text)) &&
	    json_positive(doc, "expires", &token->expires) == 1;

	json_object_put(doc);
	return loaded;
}

struct json_object *
token_json(const struct token *token)
{
	struct json_object *doc = json_new();

	json_add_string(doc, "token", token->text);
	json_add_int(doc, "expires", token->expires);
	return doc;
}
