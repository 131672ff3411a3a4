/*
 * test-installation: what HipChat posts.
 */
#include "installation.h"
#include "json.h"
#include "tap.h"

static const struct {
	const char *json;
	const char *why; /* what the reason starts with; NULL: good */
} posts[] = {
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":\"u\","
	  "\"groupId\":1,\"roomId\":2}",
	    NULL },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":\"u\","
	  "\"groupId\":\"1\",\"roomId\":\"2\"}",
	    NULL },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":\"u\","
	  "\"groupId\":1,\"more\":[{\"oauthId\":null}]}",
	    NULL },
	{ "", "empty" },
	{ "[]", "not an object" },
	{ "{}", "oauthId:" },
	{ "{\"oauthId\":null}", "oauthId:" },
	{ "{\"oauthId\":7}", "oauthId:" },
	{ "{\"oauthId\":\"\"}", "oauthId:" },
	{ "{\"oauthId\":\"a b\"}", "oauthId:" },
	{ "{\"oauthId\":\"a/b\"}", "oauthId:" },
	{ "{\"oauthId\":\"a%41\"}", "oauthId:" },
	{ "{\"oauthId\":\"Az09-._~\"}", "oauthSecret:" },
	{ "{\"oauthId\":\"a\\u0000b\"}", "oauthId:" },
	{ "{\"oauthId\":\"\xc3\xa9\"}", "oauthId:" },
	{ "{\"OAUTHID\":\"i\"}", "oauthId:" },
	{ "{\"oauthId\":\"i\"}", "oauthSecret:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":[]}", "oauthSecret:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"a b\"}", "oauthSecret:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"a\\nb\"}", "oauthSecret:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\"}", "capabilitiesUrl:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":{}}",
	    "capabilitiesUrl:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":\"u\"}",
	    "groupId:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":\"u\","
	  "\"groupId\":null}",
	    "groupId:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":\"u\","
	  "\"groupId\":0}",
	    "groupId:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":\"u\","
	  "\"groupId\":1,\"roomId\":null}",
	    NULL },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":\"u\","
	  "\"groupId\":1,\"roomId\":0}",
	    "roomId:" },
	{ "{\"oauthId\":\"i\",\"oauthSecret\":\"s\",\"capabilitiesUrl\":\"u\","
	  "\"groupId\":1,\"roomId\":1.5}",
	    "roomId:" },
};

static void
test_posts(void)
{
	struct installation inst;
	const char *why, *start;
	size_t i;

	for (i = 0; i < sizeof(posts) / sizeof(posts[0]); i++) {
		why = installation_parse(posts[i].json, strlen(posts[i].json),
		    &inst);
		start = posts[i].why;
		if (!ok(start == NULL ? why == NULL :
					why != NULL &&
				strncmp(why, start, strlen(start)) == 0,
			"%s %s",
			start != NULL ? start : "good:", posts[i].json))
			diag("%s", why != NULL ? why : "taken");
	}
}

static const char *
parse(struct json_object *doc)
{
	const char *text = json_object_to_json_string(doc);
	struct installation inst;

	return installation_parse(text, strlen(text), &inst);
}

static void
fill(char *text, size_t size, char c)
{
	memset(text, c, size - 1);
	text[size - 1] = '\0';
}

/* The member at its longest, and one byte longer. */
static void
test_post_limits(void)
{
	static const struct {
		const char *name;
		size_t max;
	} members[] = {
		{ "oauthId", STORE_ID_MAX - 1 },
		{ "oauthSecret", STORE_SECRET_MAX - 1 },
		{ "capabilitiesUrl", STORE_URL_MAX - 1 },
	};
	char text[STORE_URL_MAX + 1];
	struct json_object *doc;
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		doc = json_object_new_object();
		json_add(doc, "oauthId", json_object_new_string("i"));
		json_add(doc, "oauthSecret", json_object_new_string("s"));
		json_add(doc, "capabilitiesUrl", json_object_new_string("u"));
		json_add(doc, "groupId", json_object_new_int(1));
		fill(text, members[i].max + 1, 'x');
		json_add(doc, members[i].name, json_object_new_string(text));
		is_str(parse(doc), NULL, "%s of %zu bytes", members[i].name,
		    members[i].max);
		fill(text, members[i].max + 2, 'x');
		json_add(doc, members[i].name, json_object_new_string(text));
		ok(parse(doc) != NULL, "... and no byte more");
		json_object_put(doc);
	}
}

int
main(void)
{
	test_posts();
	test_post_limits();
	return done();
}
