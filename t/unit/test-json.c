/*
 * test-json: what json_read() takes and refuses, and the getters.
 */
#include <inttypes.h>

#include "json.h"
#include "tap.h"

#define TEXT(s) (s), sizeof(s) - 1

struct text {
	const char *name;
	const char *text;
	size_t len;
	const char *why; /* NULL: in json-c's words */
};

static const struct text good[] = {
	{ "an empty object", TEXT("{}"), NULL },
	{ "white space around", TEXT(" \t\r\n{ } \n"), NULL },
	{ "every type", TEXT("{\"a\":[1,-0.5e+3,true,false,null,\"\",{}]}"),
	    NULL },
	{ "every escape", TEXT("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"),
	    NULL },
	{ "an escaped NUL", TEXT("{\"a\":\"x\\u0000y\"}"), NULL },
	{ "a surrogate pair", TEXT("{\"a\":\"\\ud83d\\ude00\"}"), NULL },
	{ "two pairs", TEXT("{\"a\":\"\\uD83D\\uDE00\\ud83d\\ude00\"}"), NULL },
	{ "an escaped backslash before what is not ASCII",
	    TEXT("{\"a\":\"\\\\\xd5\xa3\"}"), NULL },
	{ "an escaped backslash before u", TEXT("{\"a\":\"\\\\ud800\"}"),
	    NULL },
	{ "four bytes of UTF-8", TEXT("{\"a\":\"\xf0\x9f\x98\x80\"}"), NULL },
	{ "a colon in a string", TEXT("{\"a:b\":\":\",\"c\":\"N:I\"}"), NULL },
	{ "one name in two objects", TEXT("{\"a\":{\"a\":1},\"b\":{\"a\":1}}"),
	    NULL },
	{ "names that differ in case", TEXT("{\"a\":1,\"A\":2}"), NULL },
	{ "an empty name", TEXT("{\"\":1}"), NULL },
	{ "a DEL in a string", TEXT("{\"a\":\"\x7f\"}"), NULL },
	{ "text that is not ASCII, in a name too",
	    TEXT("{\"caf\xc3\xa9\":\"\xf0\x9f\x98\x80 \xe2\x82\xac\"}"), NULL },
	{ "the integers at both ends of 64 bits",
	    TEXT("{\"a\":[18446744073709551615,-9223372036854775808]}"), NULL },
	{ "a fraction of 40 digits",
	    TEXT("{\"a\":1.234567890123456789012345678901234567890}"), NULL },
};

static const struct text bad[] = {
	{ "nothing", TEXT(""), "empty" },
	{ "white space", TEXT(" \n"), NULL },
	{ "an array", TEXT("[]"), "not an object" },
	{ "a string", TEXT("\"x\""), "not an object" },
	{ "a number", TEXT("1"), "not an object" },
	{ "null", TEXT("null"), "not an object" },
	{ "true", TEXT("true"), "not an object" },
	{ "two documents", TEXT("{}{}"), NULL },
	{ "two documents, apart", TEXT("{} {}"), NULL },
	{ "a word behind it", TEXT("{}x"), NULL },
	{ "a NUL behind it", TEXT("{}\0"), "trailing bytes" },
	{ "a document behind a NUL", TEXT("{}\0{}"), "trailing bytes" },
	{ "half an object", TEXT("{\"a\":"), NULL },
	{ "no end", TEXT("{\"a\":1"), NULL },
	{ "no end of a string", TEXT("{\"a"), NULL },
	{ "half an escape", TEXT("{\"a\":\"\\u12\"}"), NULL },
	{ "a character that is not ASCII, escaped",
	    TEXT("{\"a\":\"\\\xd5\xa3\"}"), NULL },
	{ "the same behind an escaped backslash, as a name",
	    TEXT("{\"\\\\\\\xd5\xa3\":1}"), NULL },
	{ "an unknown escape", TEXT("{\"a\":\"\\x41\"}"), NULL },
	{ "a byte order mark", TEXT("\xef\xbb\xbf{}"), NULL },
	{ "UTF-16, big end first", TEXT("\xfe\xff\0{\0}"), "not UTF-8" },
	{ "UTF-16, no mark", TEXT("{\0}\0"), NULL },
	{ "UTF-32", TEXT("{\0\0\0}\0\0\0"), NULL },
	{ "Latin-1", TEXT("{\"a\":\"\xe9\"}"), "not UTF-8" },
	{ "a cut character", TEXT("{\"a\":\"\xe2\x82\"}"), "not UTF-8" },
	{ "an overlong slash", TEXT("{\"a\":\"\xc0\xaf\"}"), "not UTF-8" },
	{ "an overlong NUL", TEXT("{\"a\":\"\xc0\x80\"}"), "not UTF-8" },
	{ "a surrogate in UTF-8", TEXT("{\"a\":\"\xed\xa0\x80\"}"),
	    "not UTF-8" },
	{ "beyond U+10FFFF", TEXT("{\"a\":\"\xf4\x90\x80\x80\"}"),
	    "not UTF-8" },
	{ "a lone high surrogate", TEXT("{\"a\":\"\\ud800\"}"), NULL },
	{ "a lone low surrogate", TEXT("{\"a\":\"\\udc00\"}"), NULL },
	{ "two high surrogates", TEXT("{\"a\":\"\\ud800\\ud800\"}"), NULL },
	{ "a pair the wrong way round", TEXT("{\"a\":\"\\ude00\\ud83d\"}"),
	    NULL },
	{ "a surrogate before text", TEXT("{\"a\":\"\\ud800xxxxxx\"}"), NULL },
	{ "a lone surrogate in a name", TEXT("{\"\\ud800\":1}"), NULL },
	{ "a raw NUL in a string", TEXT("{\"a\":\"x\0y\"}"), NULL },
	{ "a raw line feed in a string", TEXT("{\"a\":\"x\ny\"}"), NULL },
	{ "a raw tab in a name", TEXT("{\"a\tb\":1}"), NULL },
	{ "NaN", TEXT("{\"a\":NaN}"), NULL },
	{ "nan", TEXT("{\"a\":nan}"), NULL },
	{ "Infinity", TEXT("{\"a\":Infinity}"), NULL },
	{ "-Infinity", TEXT("{\"a\":-Infinity}"), NULL },
	{ "-infinity", TEXT("{\"a\":-infinity}"), NULL },
	{ "a comma at the end", TEXT("{\"a\":1,}"), NULL },
	{ "a comma at the end of an array", TEXT("{\"a\":[1,]}"), NULL },
	{ "a comma alone", TEXT("{,}"), NULL },
	{ "no colon", TEXT("{\"a\" 1}"), NULL },
	{ "two colons", TEXT("{\"a\"::1}"), NULL },
	{ "no value", TEXT("{\"a\"}"), NULL },
	{ "a name without quotes", TEXT("{a:1}"), NULL },
	{ "a name in single quotes", TEXT("{'a':1}"), NULL },
	{ "a name twice, in single quotes", TEXT("{'a:b':1,'a:b':1}"), NULL },
	{ "a value in single quotes", TEXT("{\"a\":'b'}"), NULL },
	{ "a comment", TEXT("{/* x */}"), NULL },
	{ "a comment to the line's end", TEXT("{} // x"), NULL },
	{ "a literal in capitals", TEXT("{\"a\":TRUE}"), NULL },
	{ "Null", TEXT("{\"a\":Null}"), NULL },
	{ "a leading zero", TEXT("{\"a\":01}"), NULL },
	{ "two zeros", TEXT("{\"a\":00}"), NULL },
	{ "a leading zero behind a minus", TEXT("{\"a\":-01}"), NULL },
	{ "a leading plus", TEXT("{\"a\":+1}"), NULL },
	{ "a leading point", TEXT("{\"a\":.5}"), NULL },
	{ "a point at the end", TEXT("{\"a\":1.}"), NULL },
	{ "a point behind a minus", TEXT("{\"a\":-.5}"), NULL },
	{ "a point before an exponent", TEXT("{\"a\":1.e3}"), NULL },
	{ "an empty exponent", TEXT("{\"a\":1e}"), NULL },
	{ "a minus alone", TEXT("{\"a\":-}"), NULL },
	{ "two minuses", TEXT("{\"a\":--1}"), NULL },
	{ "an integer of 40 digits",
	    TEXT("{\"a\":1234567890123456789012345678901234567890}"), NULL },
	{ "an integer beyond 64 bits", TEXT("{\"a\":18446744073709551616}"),
	    NULL },
	{ "an integer below 64 bits", TEXT("{\"a\":-9223372036854775809}"),
	    NULL },
	{ "a hexadecimal number", TEXT("{\"a\":0x10}"), NULL },
	{ "a form feed between tokens", TEXT("{\f}"), NULL },
	{ "a vertical tab between tokens", TEXT("{\v}"), NULL },
	{ "a no-break space between tokens", TEXT("{\xc2\xa0}"), NULL },
	{ "NUL in a name", TEXT("{\"a\\u0000b\":1}"),
	    "NUL in a member's name" },
	{ "NUL behind an escape in a name", TEXT("{\"\\n\\u0000\" : 1}"),
	    "NUL in a member's name" },
	{ "a member twice", TEXT("{\"a\":1,\"a\":1}"), "duplicate member" },
	{ "a member twice, once escaped", TEXT("{\"a\":1,\"\\u0061\":1}"),
	    "duplicate member" },
	{ "a member twice, further down", TEXT("{\"x\":[{\"a\":1,\"a\":2}]}"),
	    "duplicate member" },
	{ "a member twice, once null", TEXT("{\"a\":null,\"a\":1}"),
	    "duplicate member" },
	{ "an empty name twice", TEXT("{\"\":1,\"\":1}"), "duplicate member" },
};

static void
test_good(void)
{
	struct json_object *doc;
	const char *why;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		why = NULL;
		doc = json_read(good[i].text, good[i].len, &why);
		if (!ok(doc != NULL, "taken: %s", good[i].name))
			diag("%s", why);
		json_object_put(doc);
	}
}

static void
test_bad(void)
{
	struct json_object *doc;
	const char *why;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = NULL;
		doc = json_read(bad[i].text, bad[i].len, &why);
		if (bad[i].why != NULL)
			is_str(why, bad[i].why, "refused: %s", bad[i].name);
		else
			ok(doc == NULL && why != NULL && *why != '\0',
			    "refused, with a reason: %s", bad[i].name);
		json_object_put(doc);
	}
}

/* {"a":[[...]]}, where the innermost array is at the depth. */
static bool
nested(size_t depth)
{
	const size_t brackets = depth - 1;
	char *text = malloc(2 * brackets + 16), *p = text;
	struct json_object *doc;
	const char *why;

	if (text == NULL)
		die("malloc");
	p += sprintf(p, "{\"a\":");
	memset(p, '[', brackets);
	memset(p + brackets, ']', brackets);
	strcpy(p + 2 * brackets, "}");
	doc = json_read(text, strlen(text), &why);
	free(text);
	json_object_put(doc);
	return doc != NULL;
}

static void
test_depth(void)
{
	ok(nested(2), "an array in the object");
	ok(nested(JSON_DEPTH - 1), "close to the limit of depth");
	ok(!nested(JSON_DEPTH + 1), "beyond the limit of depth");
	ok(!nested(2000), "2,000 nested brackets");
	ok(!nested(1000000), "a million nested brackets");
}

static struct json_object *
document(const char *text)
{
	const char *why;
	struct json_object *doc = json_read(text, strlen(text), &why);

	if (doc == NULL)
		die(text);
	return doc;
}

static void
test_string(void)
{
	static const struct {
		const char *path;
		size_t max;
		int found;
		const char *value;
	} table[] = {
		{ "s", 4, 1, "text" },
		{ "s", 3, -1, NULL },
		{ "o.s", 9, 1, "inner" },
		{ "o.o.s", 9, 1, "innermost" },
		{ "escaped", 2, 1, "\xc3\xa9" },
		{ "escaped", 1, -1, NULL },
		{ "", 9, 0, NULL },
		{ "missing", 9, 0, NULL },
		{ "o.missing", 9, 0, NULL },
		{ "missing.s", 9, 0, NULL },
		{ "s.s", 9, 0, NULL },
		{ "null.s", 9, 0, NULL },
		{ "list.0", 9, 0, NULL },
		{ "o.", 9, 0, NULL },
		{ "null", 9, -1, NULL },
		{ "number", 9, -1, NULL },
		{ "true", 9, -1, NULL },
		{ "list", 9, -1, NULL },
		{ "o", 9, -1, NULL },
		{ "empty", 9, -1, NULL },
		{ "nul", 9, -1, NULL },
		{ "nul_alone", 9, -1, NULL },
		{ "a_name_that_is_longer_than_any_name_which_this_"
		  "program_will_ever_look_for_in_a_document",
		    9, 0, NULL },
	};
	struct json_object *doc = document(
	    "{\"s\":\"text\",\"o\":{"
	    "\"s\":\"inner\",\"o\":{\"s\":\"innermost\"}},"
	    "\"escaped\":\"\\u00e9\",\"null\":null,\"number\":7,"
	    "\"true\":true,\"list\":[\"x\"],\"empty\":\"\","
	    "\"nul\":\"a\\u0000b\",\"nul_alone\":\"\\u0000\"}");
	const char *value;
	size_t i;
	int found;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		value = NULL;
		found = json_string(doc, table[i].path, table[i].max, &value);
		is_int(found, table[i].found, "string \"%s\" up to %zu bytes",
		    table[i].path, table[i].max);
		is_str(value, table[i].value, "... and its value");
	}
	json_object_put(doc);
}

static void
test_id(void)
{
	static const struct {
		const char *json;
		int found;
		int64_t value;
	} table[] = {
		{ "1", 1, 1 },
		{ "2589171", 1, 2589171 },
		{ "4294967296", 1, 4294967296 },
		{ "9223372036854775806", 1, INT64_MAX - 1 },
		{ "\"2589171\"", 1, 2589171 },
		{ "\"007\"", 1, 7 },
		{ "\"999999999999999999\"", 1, 999999999999999999 },
		{ "0", -1, 0 },
		{ "-1", -1, 0 },
		{ "9223372036854775807", -1, 0 },
		{ "9223372036854775808", -1, 0 },
		{ "18446744073709551615", -1, 0 },
		{ "-9223372036854775808", -1, 0 },
		{ "1.0", -1, 0 },
		{ "1e3", -1, 0 },
		{ "null", -1, 0 },
		{ "true", -1, 0 },
		{ "[1]", -1, 0 },
		{ "{}", -1, 0 },
		{ "\"\"", -1, 0 },
		{ "\"0\"", -1, 0 },
		{ "\"+1\"", -1, 0 },
		{ "\"-1\"", -1, 0 },
		{ "\" 1\"", -1, 0 },
		{ "\"1 \"", -1, 0 },
		{ "\"0x10\"", -1, 0 },
		{ "\"1\\u0000\"", -1, 0 },
		{ "\"\xd9\xa1\"", -1, 0 },
		{ "\"1000000000000000000\"", -1, 0 },
	};
	struct json_object *doc;
	char text[64];
	int64_t value;
	size_t i;
	int found;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(text, sizeof(text), "{\"id\":%s}", table[i].json);
		doc = document(text);
		value = 0;
		found = json_positive(doc, "id", &value);
		ok(found == table[i].found && value == table[i].value,
		    "id %s is %" PRId64, table[i].json, table[i].value);
		json_object_put(doc);
	}
	doc = document("{}");
	value = 5;
	is_int(json_positive(doc, "id", &value), 0, "no id is no id");
	is_int(value, 5, "... and leaves the variable alone");
	json_object_put(doc);
}

static void
test_quote(void)
{
	static const struct {
		const char *text;
		const char *quoted;
	} table[] = {
		{ "", "\"\"" },
		{ "a/b", "\"a/b\"" },
		{ "\"\\", "\"\\\"\\\\\"" },
		{ "\n\t\x01", "\"\\n\\t\\u0001\"" },
		{ "\xc3\xa9", "\"\xc3\xa9\"" },
	};
	char *quoted;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		quoted = json_quote(table[i].text);
		is_str(quoted, table[i].quoted, "quoted: %s", table[i].quoted);
		free(quoted);
	}
}

static void
test_add(void)
{
	struct json_object *doc = json_object_new_object();

	json_add(doc, "a", json_object_new_boolean(true));
	json_add_int(doc, "b", INT64_MAX);
	json_add_string(doc, "c", "x/y");
	json_add_int(doc, "a", 1);
	is_str(json_text(doc),
	    "{\"a\":1,\"b\":9223372036854775807,"
	    "\"c\":\"x/y\"}",
	    "members are added, and replaced");
	json_object_put(doc);
}

int
main(void)
{
	test_good();
	test_bad();
	test_depth();
	test_string();
	test_id();
	test_quote();
	test_add();
	return done();
}
