/*
 * json: see json.h.  Nothing is logged here: the caller knows what the text was
 * and who sent it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistr.h>

#include "json.h"
#include "log.h"

/* The code unit of a \uXXXX escape at p, or -1; the JSON is known valid. */
static long
unit(const char *p, const char *end)
{
	char digits[5] = "";

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	memcpy(digits, p + 2, 4);
	return strtol(digits, NULL, 16);
}

/* Skip the escape at p; NULL for half of a surrogate pair. */
static const char *
skip_escape(const char *p, const char *end)
{
	const long first = unit(p, end);
	long second;

	if (first < 0)
		return p + 2;
	if (first < 0xd800 || first > 0xdfff)
		return p + 6;
	second = unit(p + 6, end);
	if (first > 0xdbff || second < 0xdc00 || second > 0xdfff)
		return NULL;
	return p + 12;
}

/*
 * Skip the string that opens at p; NULL with the reason if it is invalid.  Says
 * whether it contains a NUL, where json-c would end a member's name.
 */
static const char *
skip_string(const char *p, const char *end, bool *nul, const char **why)
{
	*nul = false;
	for (p++; p < end && *p != '"';) {
		if ((unsigned char)*p < 0x20) {
			*why = "control character in a string";
			return NULL;
		}
		if (*p != '\\') {
			p++;
			continue;
		}
		*nul = *nul || unit(p, end) == 0;
		if ((p = skip_escape(p, end)) == NULL) {
			*why = "lone surrogate in a string";
			return NULL;
		}
	}
	return p + 1;
}

/*
 * Does the integer at p fit into 64 bits?  json-c clamped larger ones up to
 * 0.16, and refuses them from 0.18 on.
 */
static bool
is_small(const char *p)
{
	errno = 0;
	if (*p == '-')
		strtoll(p, NULL, 10);
	else
		strtoull(p, NULL, 10);
	return errno == 0;
}

/*
 * Skip the number at p; NULL with the reason if RFC 8259 does not allow it,
 * such as "01" or "1."
 */
static const char *
skip_number(const char *p, const char **why)
{
	static const char digit[] = "0123456789";
	const char *const start = p;
	size_t whole;
	bool good;

	p += *p == '-';
	whole = strspn(p, digit);
	good = whole == 1 || (whole > 1 && *p != '0');
	p += whole;
	if (good && *p != '.' && (*p | 0x20) != 'e' && !is_small(start)) {
		*why = "integer beyond 64 bits";
		return NULL;
	}
	if (*p == '.') {
		p++;
		good = good && strspn(p, digit) > 0;
		p += strspn(p, digit);
	}
	p += strspn(p, "eE+-0123456789");
	if (good)
		return p;
	*why = "malformed number";
	return NULL;
}

/*
 * Walk over a text that json-c took for valid, refuse what only json-c accepts,
 * and count the members: outside strings, each has one colon.
 */
static bool
scan(const char *p, const char *end, size_t *members, const char **why)
{
	bool nul = false;

	*members = 0;
	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end, &nul, why);
		} else if (*p == '-' || (*p >= '0' && *p <= '9')) {
			p = skip_number(p, why);
		} else if (*p == 'N' || *p == 'I' || *p == '\'') {
			*why = "NaN, Infinity or a single quote";
			return false;
		} else if (*p == ':' && nul) {
			*why = "NUL in a member's name";
			return false;
		} else {
			*members += (*p++ == ':');
		}
		if (p == NULL)
			return false;
	}
	return true;
}

/* The members of the parsed document, where each name counts once. */
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

/*
 * The text, which is UTF-8, with every non-ASCII character as a \u escape: in
 * strict mode, json-c 0.18 refuses any other form.
 */
static char *
escape(const char *text, size_t len, size_t *escaped_len)
{
	const uint8_t *p = (const uint8_t *)text, *const end = p + len;
	bool escaped = false; /* the last character was half an escape */
	char *out, *to;
	ucs4_t c;

	/* at most 3 times as long: two bytes become six */
	out = to = need(malloc(3 * len + 1));
	while (p < end) {
		p += u8_mbtouc(&c, p, (size_t)(end - p));
		if (c < 0x80 || escaped) /* \? is refused, too */
			*to++ = c < 0x80 ? (char)c : '?';
		else if (c < 0x10000)
			to += sprintf(to, "\\u%04x", c);
		else
			to += sprintf(to, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10),
			    0xdc00 + (c & 0x3ff));
		escaped = c == '\\' && !escaped;
	}
	*to = '\0';
	*escaped_len = (size_t)(to - out);
	return out;
}

/* The line, from 1, in which json-c stopped; 0 if at the end of the text. */
static int
line_of(const char *text, size_t len, size_t stop)
{
	int line = 1;
	size_t i;

	if (stop >= len)
		return 0;
	for (i = 0; i < stop; i++)
		line += text[i] == '\n';
	return line;
}

static struct json_object *
parse(const char *text, size_t len, const char **why, int *line)
{
	struct json_tokener *tok = need(json_tokener_new_ex(JSON_DEPTH));
	struct json_object *doc;
	size_t stop;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	/* the NUL after the text ends a number that is all of it */
	doc = json_tokener_parse_ex(tok, text, (int)len + 1);
	stop = json_tokener_get_parse_end(tok);
	*line = line_of(text, len, stop);
	*why = NULL;
	if (json_tokener_get_error(tok) != json_tokener_success)
		*why = json_tokener_error_desc(json_tokener_get_error(tok));
	else if (stop < len)
		*why = "trailing bytes";
	else if (!json_object_is_type(doc, json_type_object))
		*why = "not an object";
	json_tokener_free(tok);
	if (*why != NULL) {
		json_object_put(doc);
		return NULL;
	}
	return doc;
}

/* What is wrong with the text before json-c sees it; NULL if nothing is. */
static const char *
complaint(const char *text, size_t len)
{
	if (len == 0)
		return "empty";
	if (len > JSON_MAX)
		return "too long";
	if (u8_check((const uint8_t *)text, len) != NULL)
		return "not UTF-8";
	return NULL;
}

struct json_object *
json_read(const char *text, size_t len, const char **why)
{
	int line;

	return json_read_at(text, len, why, &line);
}

struct json_object *
json_read_at(const char *text, size_t len, const char **why, int *line)
{
	struct json_object *doc;
	size_t members, escaped_len;
	char *escaped;

	*line = 0;
	if ((*why = complaint(text, len)) != NULL)
		return NULL;
	escaped = escape(text, len, &escaped_len);
	doc = parse(escaped, escaped_len, why, line);
	free(escaped);
	if (doc == NULL)
		return NULL;
	if (!scan(text, text + len, &members, why)) {
		json_object_put(doc);
		return NULL;
	}
	if (members != count_members(doc)) {
		*why = "duplicate member";
		json_object_put(doc);
		return NULL;
	}
	return doc;
}

/* Follow the path; false where a step is missing or not in an object. */
static bool
find(struct json_object *doc, const char *path, struct json_object **out)
{
	char name[64];
	size_t len;

	for (*out = doc;; path += len + 1) {
		len = strcspn(path, ".");
		if (len >= sizeof(name))
			return false;
		memcpy(name, path, len);
		name[len] = '\0';
		if (!json_object_is_type(*out, json_type_object) ||
		    !json_object_object_get_ex(*out, name, out))
			return false;
		if (path[len] == '\0')
			return true;
	}
}

int
json_string(struct json_object *doc, const char *path, size_t max,
    const char **out)
{
	struct json_object *value;
	const char *text;
	size_t len;

	if (!find(doc, path, &value))
		return 0;
	if (!json_object_is_type(value, json_type_string))
		return -1;
	text = json_object_get_string(value);
	len = (size_t)json_object_get_string_len(value);
	if (len == 0 || len > max || strlen(text) != len)
		return -1;
	*out = text;
	return 1;
}

/* Digits only, no sign, no blank, at most 18 of them: fits int64_t. */
static int64_t
digits(struct json_object *string)
{
	const char *text = json_object_get_string(string);
	const size_t len = (size_t)json_object_get_string_len(string);

	if (len == 0 || len > 18 || strspn(text, "0123456789") != len)
		return -1;
	return strtoll(text, NULL, 10);
}

int
json_positive(struct json_object *doc, const char *path, int64_t *out)
{
	struct json_object *value;
	int64_t id;

	if (!find(doc, path, &value))
		return 0;
	switch (json_object_get_type(value)) {
	case json_type_int:
		id = json_object_get_int64(value);
		break;
	case json_type_string:
		id = digits(value);
		break;
	default:
		return -1;
	}
	if (id <= 0 || id == INT64_MAX) /* json-c clamps to the maximum */
		return -1;
	*out = id;
	return 1;
}

struct json_object *
json_new(void)
{
	return need(json_object_new_object());
}

void
json_add(struct json_object *doc, const char *name, struct json_object *value)
{
	if (json_object_object_add(doc, name, need(value)) != 0)
		need(NULL);
}

void
json_add_string(struct json_object *doc, const char *name, const char *text)
{
	json_add(doc, name, json_object_new_string(text));
}

void
json_add_int(struct json_object *doc, const char *name, int64_t n)
{
	json_add(doc, name, json_object_new_int64(n));
}

const char *
json_text(struct json_object *doc)
{
	const char *text =
	    json_object_to_json_string_ext(doc, JSON_C_TO_STRING_NOSLASHESCAPE);

	if (text == NULL)
		need(NULL);
	return text;
}

char *
json_quote(const char *text)
{
	struct json_object *string = need(json_object_new_string(text));
	char *quoted = need(strdup(json_text(string)));

	json_object_put(string);
	return quoted;
}
