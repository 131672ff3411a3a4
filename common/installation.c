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

bool
installation_id_fits(const char *id)
{
	const size_t len = strspn(id,
	    "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~");

	return len > 0 && len < STORE_ID_MAX && id[len] == '\0';
}

/* Copy a string member without blanks; false if there is none. */
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
	struct json_object *room;

	memset(inst, 0, sizeof(*inst));
	if (!copy_string(doc, "oauthId", inst->oauth_id,
		sizeof(inst->oauth_id)) ||
	    !installation_id_fits(inst->oauth_id))
		return "oauthId: 1 to 255 of A-Z a-z 0-9 - . _ ~ are needed";
	if (!copy_string(doc, "oauthSecret", inst->oauth_secret,
		sizeof(inst->oauth_secret)))
		return "oauthSecret: 1 to 255 ASCII characters, no blanks, "
		       "are needed";
	if (!copy_string(doc, "capabilitiesUrl", inst->capabilities_url,
		sizeof(inst->capabilities_url)))
		return "capabilitiesUrl: 1 to 2047 ASCII characters, no "
		       "blanks, are needed";
	if (json_positive(doc, "groupId", &inst->group_id) != 1)
		return "groupId: a positive integer is needed";
	/* HipChat, or a library for it, may say null for "no room" */
	if (json_object_object_get_ex(doc, "roomId", &room) && room != NULL &&
	    json_positive(doc, "roomId", &inst->room_id) < 0)
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
	if (why == NULL &&
	    (!copy_string(doc, "tokenUrl", inst->token_url,
		 sizeof(inst->token_url)) ||
		!copy_string(doc, "apiUrl", inst->api_url,
		    sizeof(inst->api_url))))
		why = "no tokenUrl or no apiUrl";
	if (json_positive(doc, "installed", &inst->installed) != 1)
		inst->installed = 0; /* written by an older version */
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
	if (inst->installed != 0)
		json_add_int(doc, "installed", inst->installed);
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
