/*
 * record: an installation's JSON, as HipChat posts it or the store keeps it.
 * It includes store.c to write it out and read it again.
 */
#include "../../common/store.c"
#include "fuzz.h"

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
	    strpbrk(inst->oauth_id, "/\\\"%") == NULL, "record: the id");
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
	const char *why;

	if ((doc = json_read(text, size, &why)) != NULL)
		why = installation_read(doc, &inst);
	json_object_put(doc);
	if (why == NULL) {
		check_installation(&inst);
		doc = installation_write(&inst);
		fuzz_check(doc != NULL &&
		    installation_read(doc, &again) == NULL &&
		    memcmp(&inst, &again, sizeof(inst)) == 0,
		    "record: written and read it is the same");
		json_object_put(doc);
	}
	free(text);
	return 0;
}
