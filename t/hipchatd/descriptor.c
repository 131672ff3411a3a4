/*
 * The rules of the descriptor, from the API's capabilities reference and from
 * the typed libraries that add-ons were written with.
 */
#include "descriptor.h"

#include <stdlib.h>
#include <string.h>

#include "schema.h"
#include "scope.h"

#define SERVER_API_VERSION 1
#define WEB_URL "^[Hh][Tt][Tt][Pp][Ss]?://"

#define TEXT(n) .name = n, .kind = K_STRING, .min = 1
#define KEY(n) .name = n, .kind = K_STRING, .min = 1, .max = 40
#define ALWAYS .required = true

static const struct rule i18n_text[] = {
	{ .name = "i18n", .kind = K_STRING, .min = 1, .max = 40 },
	{ .name = "value", .kind = K_STRING, .min = 1, .max = 100, ALWAYS },
	{ 0 }
};

static const struct rule icon[] = {
	{ TEXT("url"), ALWAYS },
	{ TEXT("url@2x") },
	{ 0 }
};

static const struct rule key_only[] = {
	{ KEY("key"), ALWAYS },
	{ 0 }
};

static const struct rule anything[] = { { 0 } };

#define NAME .name = "name", .kind = K_OBJECT, .members = i18n_text
#define ICON .name = "icon", .kind = K_OBJECT, .members = icon
#define WEIGHT .name = "weight", .kind = K_INT
#define TARGET .name = "target", .kind = K_EITHER, .min = 1, .max = 40, \
	.members = key_only
#define CONDITIONS .name = "conditions", .kind = K_OBJECTS, \
	.members = anything

static const char *const events[] = {
	"room_archived", "room_created", "room_deleted", "room_enter",
	"room_exit", "room_file_upload", "room_message", "room_notification",
	"room_topic_change", "room_unarchived", NULL
};

static const char *const authentications[] = { "jwt", "none", NULL };
static const char *const panel_locations[] = { "hipchat.sidebar.right", NULL };
static const char *const dialog_styles[] = { "normal", "warning", NULL };
static const char *const action_locations[] = {
	"hipchat.message.action", "hipchat.input.action", NULL
};

static const struct rule installable[] = {
	{ .name = "allowGlobal", .kind = K_BOOL },
	{ .name = "allowRoom", .kind = K_BOOL },
	{ TEXT("callbackUrl"), .pattern = WEB_URL },
	{ TEXT("updateCallbackUrl"), .pattern = WEB_URL },
	{ TEXT("installedUrl"), .pattern = WEB_URL },
	{ TEXT("updatedUrl"), .pattern = WEB_URL },
	{ TEXT("uninstalledUrl"), .pattern = WEB_URL },
	{ 0 }
};

static const struct rule consumer[] = {
	{ .name = "scopes", .kind = K_STRINGS, .choices = scope_names,
	  ALWAYS },
	{ TEXT("fromName") },
	{ .name = "avatar", .kind = K_EITHER, .min = 1, .members = icon },
	{ 0 }
};

static const struct rule webhook[] = {
	{ TEXT("url"), .pattern = WEB_URL, ALWAYS },
	{ .name = "event", .kind = K_STRING, .choices = events, ALWAYS },
	{ .name = "authentication", .kind = K_STRING,
	  .choices = authentications },
	{ KEY("key") },
	{ .name = "name", .kind = K_STRING },
	{ .name = "pattern", .kind = K_STRING, .regex = true },
	{ 0 }
};

static const struct rule configurable[] = {
	{ TEXT("url"), ALWAYS },
	{ .name = "allowAccessToRoomAdmins", .kind = K_BOOL },
	{ 0 }
};

static const struct rule url_only[] = {
	{ TEXT("url"), ALWAYS },
	{ 0 }
};

static const struct rule oauth_consumer[] = {
	{ .name = "redirectionUrls", .kind = K_STRINGS, .min = 1 },
	{ 0 }
};

static const struct rule oauth_provider[] = {
	{ TEXT("authorizationUrl"), ALWAYS },
	{ TEXT("tokenUrl"), ALWAYS },
	{ 0 }
};

static const struct rule glance[] = {
	{ KEY("key"), ALWAYS },
	{ NAME, ALWAYS },
	{ ICON, ALWAYS },
	{ TEXT("queryUrl") },
	{ TARGET },
	{ WEIGHT },
	{ CONDITIONS },
	{ 0 }
};

static const struct rule web_panel[] = {
	{ KEY("key"), ALWAYS },
	{ NAME, ALWAYS },
	{ TEXT("url"), ALWAYS },
	{ .name = "location", .kind = K_STRING, .choices = panel_locations,
	  ALWAYS },
	{ ICON },
	{ WEIGHT },
	{ 0 }
};

static const struct rule button[] = {
	{ NAME, ALWAYS },
	{ KEY("key") },
	{ .name = "enabled", .kind = K_BOOL },
	{ 0 }
};

#define LENGTH .kind = K_STRING, .pattern = "^[0-9]+(\\.[0-9]+)?(px|%)$", \
	.required = true

static const struct rule dialog_size[] = {
	{ .name = "height", LENGTH },
	{ .name = "width", LENGTH },
	{ 0 }
};

static const struct rule dialog_filter[] = {
	{ .name = "placeholder", .kind = K_OBJECT, .members = i18n_text,
	  ALWAYS },
	{ 0 }
};

static const struct rule dialog_options[] = {
	{ .name = "style", .kind = K_STRING, .choices = dialog_styles },
	{ .name = "primaryAction", .kind = K_OBJECT, .members = button },
	{ .name = "secondaryActions", .kind = K_OBJECTS, .members = button },
	{ .name = "size", .kind = K_OBJECT, .members = dialog_size },
	{ .name = "hint", .kind = K_OBJECT, .members = i18n_text },
	{ .name = "filter", .kind = K_OBJECT, .members = dialog_filter },
	{ 0 }
};

static const struct rule dialog[] = {
	{ KEY("key"), ALWAYS },
	{ .name = "title", .kind = K_OBJECT, .members = i18n_text, ALWAYS },
	{ TEXT("url"), ALWAYS },
	{ .name = "options", .kind = K_OBJECT, .members = dialog_options },
	{ 0 }
};

static const struct rule action[] = {
	{ KEY("key"), ALWAYS },
	{ NAME, ALWAYS },
	{ .name = "location", .kind = K_STRING, .choices = action_locations,
	  ALWAYS },
	{ TARGET, ALWAYS },
	{ WEIGHT },
	{ CONDITIONS },
	{ 0 }
};

static const struct rule external_page[] = {
	{ KEY("key"), ALWAYS },
	{ TEXT("url"), ALWAYS },
	{ NAME },
	{ 0 }
};

#define ONE(n, m) .name = n, .kind = K_OBJECT, .members = m
#define MANY(n, m) .name = n, .kind = K_OBJECTS, .members = m

static const struct rule capabilities[] = {
	{ ONE("installable", installable) },
	{ ONE("hipchatApiConsumer", consumer) },
	{ MANY("webhook", webhook) },
	{ ONE("configurable", configurable) },
	{ ONE("adminPage", url_only) },
	{ ONE("oauth2Consumer", oauth_consumer) },
	{ ONE("oauth2Provider", oauth_provider) },
	{ MANY("glance", glance) },
	{ MANY("webPanel", web_panel) },
	{ MANY("dialog", dialog) },
	{ MANY("action", action) },
	{ MANY("externalPage", external_page) },
	{ 0 }
};

static const struct rule vendor[] = {
	{ .name = "name", .kind = K_STRING, ALWAYS },
	{ .name = "url", .kind = K_STRING, ALWAYS },
	{ 0 }
};

static const struct rule links[] = {
	{ TEXT("self"), ALWAYS },
	{ TEXT("homepage") },
	{ 0 }
};

static const struct rule envelope[] = {
	{ .name = "apiVersion", .kind = K_STRING },
	{ TEXT("name"), .pattern = "\\S", ALWAYS },
	{ .name = "description", .kind = K_STRING, ALWAYS },
	{ TEXT("key"), ALWAYS },
	{ .name = "vendor", .kind = K_OBJECT, .members = vendor },
	{ ONE("links", links), ALWAYS },
	{ ONE("capabilities", capabilities), ALWAYS },
	{ 0 }
};

static char *
copy(struct json_object *o, const char *key)
{
	const char *s = json_get_str(o, key);

	return s ? xstrdup(s) : NULL;
}

/* apiVersion is "server:client", the least that the add-on can do with. */
static bool
version_suits(struct json_object *o, char **reason)
{
	const char *s = json_get_str(o, "apiVersion");

	if (!s || atoi(s) <= SERVER_API_VERSION)
		return true;
	*reason = xasprintf("Field 'apiVersion' asks for server version %d, "
			    "this one is %d", atoi(s), SERVER_API_VERSION);
	return false;
}

static void
read_hooks(struct json_object *list, struct addon *a)
{
	a->nhooks = list ? json_object_array_length(list) : 0;
	a->hooks = xcalloc(a->nhooks, sizeof(*a->hooks));
	for (size_t i = 0; i < a->nhooks; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *pattern = json_get_str(o, "pattern");
		const char *auth = json_get_str(o, "authentication");

		a->hooks[i].url = copy(o, "url");
		a->hooks[i].event = copy(o, "event");
		a->hooks[i].pattern = pattern ? pattern_new(pattern) : NULL;
		a->hooks[i].jwt = auth && !strcmp(auth, "jwt");
	}
}

static void
read_scopes(struct json_object *list, struct addon *a)
{
	size_t n = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++)
		scope_parse(json_text(json_object_array_get_idx(list, i)),
			    &a->scopes);
}

bool
descriptor_read(struct json_object *o, struct addon *a, char **reason)
{
	struct json_object *caps, *inst, *api;
	struct violation v;

	memset(a, 0, sizeof(*a));
	if (!schema_check(envelope, o, &v)) {
		*reason = xstrdup(v.message);
		violation_free(&v);
		return false;
	}
	if (!version_suits(o, reason))
		return false;
	caps = json_get(o, "capabilities", json_type_object);
	inst = json_get(caps, "installable", json_type_object);
	api = json_get(caps, "hipchatApiConsumer", json_type_object);
	a->key = copy(o, "key");
	a->name = copy(o, "name");
	a->from_name = copy(api, "fromName");
	a->callback = copy(inst, "callbackUrl");
	a->update_callback = copy(inst, "updateCallbackUrl");
	a->uninstalled = copy(inst, "uninstalledUrl");
	a->allow_global = json_get_bool(inst, "allowGlobal", true);
	a->allow_room = json_get_bool(inst, "allowRoom", true);
	read_scopes(json_get(api, "scopes", json_type_array), a);
	read_hooks(json_get(caps, "webhook", json_type_array), a);
	return true;
}
