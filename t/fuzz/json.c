/*
 * json: json_read() against a second opinion, a grammar of RFC 8259 in a few
 * lines, and the getters.  The input is the document.
 */
#include <stdio.h>

#include <unistr.h>

#include "fuzz.h"
#include "json.h"

/* What the second opinion finds out about a document. */
struct opinion {
	const char *p; /* ends with a NUL */
	int depth, deepest;
	size_t members;
	unsigned int nuls; /* \u0000, in strings */
	bool nul_in_name;
	bool valid;
};

static void read_value(struct opinion *o);

static void
skip_space(struct opinion *o)
{
	o->p += strspn(o->p, " \t\r\n");
}

static bool
take(struct opinion *o, const char *text)
{
	const size_t len = strlen(text);

	if (strncmp(o->p, text, len) != 0)
		return false;
	o->p += len;
	return true;
}

static void
take_digits(struct opinion *o)
{
	const size_t len = strspn(o->p, "0123456789");

	o->valid = o->valid && len > 0;
	o->p += len;
}

/* Is the integer, whose digits end at o->p, one that 64 bits hold? */
static bool
is_small(const struct opinion *o, const char *digits, bool negative)
{
	const char *most =
	    negative ? "9223372036854775808" : "18446744073709551615";
	const size_t len = (size_t)(o->p - digits);

	return len < strlen(most) ||
	    (len == strlen(most) && strncmp(digits, most, len) <= 0);
}

static void
read_number(struct opinion *o)
{
	const bool negative = take(o, "-");
	const char *const digits = o->p;

	if (!take(o, "0"))
		take_digits(o);
	if (strchr(".eE", *o->p) == NULL || *o->p == '\0')
		o->valid = o->valid && is_small(o, digits, negative);
	if (take(o, "."))
		take_digits(o);
	if (take(o, "e") || take(o, "E")) {
		if (!take(o, "+"))
			take(o, "-");
		take_digits(o);
	}
}

/* \uXXXX at o->p, behind \u: its value. */
static unsigned int
read_unit(struct opinion *o)
{
	unsigned int unit = 0;
	int n = 0;

	o->valid = o->valid && strspn(o->p, "0123456789abcdefABCDEF") >= 4 &&
	    sscanf(o->p, "%4x%n", &unit, &n) == 1;
	o->p += n;
	o->nuls += o->valid && unit == 0;
	return unit;
}

static void
read_escape(struct opinion *o)
{
	unsigned int unit;

	if (!take(o, "u")) {
		o->valid = o->valid && *o->p != '\0' &&
		    strchr("\"\\/bfnrt", *o->p) != NULL;
		o->p += *o->p != '\0';
		return;
	}
	unit = read_unit(o);
	if (unit < 0xd800 || unit > 0xdfff)
		return;
	o->valid = o->valid && unit < 0xdc00 && take(o, "\\u");
	if (o->valid) {
		unit = read_unit(o);
		o->valid = o->valid && unit >= 0xdc00 && unit <= 0xdfff;
	}
}

static void
read_string(struct opinion *o)
{
	o->valid = o->valid && take(o, "\"");
	while (o->valid && *o->p != '"') {
		if (take(o, "\\"))
			read_escape(o);
		else if ((unsigned char)*o->p < 0x20)
			o->valid = false;
		else
			o->p++;
	}
	o->p += o->valid;
}

/* What stands between brackets or braces. */
static void
read_list(struct opinion *o, const char *end, bool named)
{
	if (++o->depth > o->deepest)
		o->deepest = o->depth;
	if (o->depth > 2 * JSON_DEPTH) /* deep enough to know */
		o->valid = false;
	skip_space(o);
	if (!take(o, end)) {
		do {
			skip_space(o);
			if (named) {
				o->nuls = 0;
				read_string(o);
				o->nul_in_name = o->nul_in_name || o->nuls > 0;
				skip_space(o);
				o->valid = o->valid && take(o, ":");
				o->members++;
			}
			read_value(o);
		} while (o->valid && take(o, ","));
		o->valid = o->valid && take(o, end);
	}
	o->depth--;
}

static void
read_value(struct opinion *o)
{
	if (!o->valid)
		return;
	skip_space(o);
	if (take(o, "{"))
		read_list(o, "}", true);
	else if (take(o, "["))
		read_list(o, "]", false);
	else if (*o->p == '"')
		read_string(o);
	else if (!take(o, "true") && !take(o, "false") && !take(o, "null"))
		read_number(o);
	skip_space(o);
}

/* The second opinion on a whole document. */
static struct opinion
ask(const char *text, size_t len)
{
	struct opinion o = { .p = text, .valid = true };

	if (u8_check((const uint8_t *)text, len) != NULL ||
	    strlen(text) != len) {
		o.valid = false;
		return o;
	}
	skip_space(&o);
	o.valid = *o.p == '{';
	read_value(&o);
	o.valid = o.valid && *o.p == '\0';
	return o;
}

static size_t
count_members(struct json_object *value)
{
	size_t i, n = 0;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach (value, name, member) {
			(void)name;
			n += 1 + count_members(member);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (i = 0; i < json_object_array_length(value); i++)
			n += count_members(json_object_array_get_idx(value, i));
	}
	return n;
}

static void
check_getters(struct json_object *doc)
{
	static const char *const paths[] = { "a", "a.b", "a.b.c", "", "." };
	const char *text;
	int64_t id;
	size_t i;
	int found;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		text = NULL;
		found = json_string(doc, paths[i], 5, &text);
		fuzz_check(found == 1 ? *text != '\0' && strlen(text) <= 5 :
					text == NULL,
		    "json_string: 1 to max bytes");
		id = -7;
		found = json_positive(doc, paths[i], &id);
		fuzz_check(found == 1 ? id > 0 && id < INT64_MAX : id == -7,
		    "json_positive: positive");
	}
}

/* Written out and read again it is the same. */
static void
check_again(struct json_object *doc)
{
	const char *why,
	    *text = json_object_to_json_string_ext(doc,
		JSON_C_TO_STRING_NOSLASHESCAPE);
	struct json_object *again = json_read(text, strlen(text), &why);

	fuzz_check(again != NULL, "json_read: reads what json-c writes");
	fuzz_check(json_object_equal(doc, again), "json_read: reads the same");
	json_object_put(again);
}

static void
check_quote(const char *text)
{
	char *doc = NULL, *quoted;
	const char *why, *back;
	struct json_object *parsed;

	if (*text == '\0' ||
	    u8_check((const uint8_t *)text, strlen(text)) != NULL)
		return;
	quoted = json_quote(text);
	fuzz_check(quoted != NULL && asprintf(&doc, "{\"a\":%s}", quoted) > 0,
	    "out of memory");
	parsed = json_read(doc, strlen(doc), &why);
	fuzz_check(parsed != NULL &&
		json_string(parsed, "a", strlen(text), &back) == 1 &&
		strcmp(back, text) == 0,
	    "json_quote: the text comes back");
	json_object_put(parsed);
	free(doc);
	free(quoted);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	const struct opinion o = ask(text, size);
	const char *why = NULL;
	struct json_object *doc = json_read(text, size, &why);

	if (doc != NULL) {
		fuzz_check(o.valid, "json_read: takes RFC 8259 only");
		fuzz_check(o.deepest <= JSON_DEPTH, "json_read: the depth");
		fuzz_check(!o.nul_in_name, "json_read: no NUL in a name");
		fuzz_check(o.members == count_members(doc),
		    "json_read: no duplicate members");
		check_getters(doc);
		check_again(doc);
	} else {
		fuzz_check(why != NULL, "json_read: a reason");
		fuzz_check(!o.valid || o.deepest >= JSON_DEPTH ||
			o.nul_in_name || strcmp(why, "duplicate member") == 0,
		    "json_read: takes all of RFC 8259");
	}
	json_object_put(doc);
	check_quote(text);
	free(text);
	return 0;
}
