/*
 * record: an installation's JSON, as HipChat posts it or the store keeps it.
 */
#include "fuzz.h"
#include "installation.h"
#include "json.h"

static bool
is_word(const char *text, size_t size)
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return p > text && (size_t)(p - text) < size;
}

static void
check_installation(const struct installation *inst)
{
	fuzz_check(is_word(inst->oauth_id, STORE_ID_MAX) &&
		strpbrk(inst->oauth_id, "/\\\"%") == NULL,
	    "record: the id");
	fuzz_check(is_word(inst->oauth_secret, STORE_SECRET_MAX) &&
		is_word(inst->capabilities_url, STORE_URL_MAX),
	    "record: secret and URL");
	fuzz_check(inst->group_id > 0 && inst->room_id >= 0,
	    "record: group and room");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct installation inst, again;
	struct json_object *doc;

	if (installation_parse(text, size, &inst) == NULL) {
		check_installation(&inst);
		strcpy(inst.token_url, "t");
		strcpy(inst.api_url, "a");
		doc = installation_json(&inst);
		fuzz_check(installation_load(json_text(doc), &again) == NULL &&
			memcmp(&inst, &again, sizeof(inst)) == 0,
		    "record: written and read it is the same");
		json_object_put(doc);
	}
	free(text);
	return 0;
}
