/*
 * json-c shorthands.  Objects are never shared between threads without the
 * server's lock: json-c caches serialised text inside the object.
 */
#include "json.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <unistr.h>

#include "util.h"

#define MAX_DEPTH 32

/*
 * Add the text with every character but ASCII as a \u escape: json-c 0.18 in
 * its strict mode understands no other form of them.
 */
static void
escape(struct buf *out, const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + len;
	char unit[8];
	uint16_t units[2];
	bool escaped = false;
	int i, n, used;
	ucs4_t c;

	for (; p < end; p += used) {
		used = u8_mbtouc(&c, p, (size_t)(end - p));
		/* a backslash before it is an error, and has to stay one */
		n = c < 0x80 || escaped ? 0 : u16_uctomb(units, c, 2);
		if (!n)
			buf_add(out, c < 0x80 ? (const void *)p : "?", 1);
		escaped = c == '\\' && !escaped;
		for (i = 0; i < n; i++) {
			snprintf(unit, sizeof(unit), "\\u%04x", units[i]);
			buf_puts(out, unit);
		}
	}
}

struct json_object *
json_parse(const char *text, size_t len)
{
	struct json_tokener *tok;
	struct json_object *o;
	struct buf copy = { 0 };

	if (!len || len >= INT_MAX / 3 ||
	    u8_check((const uint8_t *)text, len))
		return NULL;
	tok = json_tokener_new_ex(MAX_DEPTH);
	if (!tok)
		return NULL;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	escape(&copy, text, len);
	/* with its NUL, so that a bare number at the end is complete */
	o = json_tokener_parse_ex(tok, copy.data, (int)copy.len + 1);
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    json_tokener_get_parse_end(tok) < copy.len) {
		json_object_put(o);
		o = NULL;
	}
	buf_free(&copy);
	json_tokener_free(tok);
	return o;
}

struct json_object *
json_parse_object(const char *text, size_t len)
{
	struct json_object *o = json_parse(text, len);

	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

void
json_put(struct json_object *o, const char *key, struct json_object *v)
{
	json_object_object_add(o, key, v);
}

void
json_put_str(struct json_object *o, const char *key, const char *s)
{
	json_put(o, key, s ? json_object_new_string(s) : NULL);
}

void
json_put_int(struct json_object *o, const char *key, int64_t n)
{
	json_put(o, key, json_object_new_int64(n));
}

void
json_put_bool(struct json_object *o, const char *key, bool b)
{
	json_put(o, key, json_object_new_boolean(b));
}

void
json_append_str(struct json_object *array, const char *s)
{
	json_object_array_add(array, json_object_new_string(s));
}

struct json_object *
json_get(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v) ||
	    !json_object_is_type(v, type))
		return NULL;
	return v;
}

const char *
json_text(struct json_object *v)
{
	const char *s;

	if (!json_object_is_type(v, json_type_string))
		return NULL;
	s = json_object_get_string(v);
	if (strlen(s) != (size_t)json_object_get_string_len(v))
		return NULL;
	return s;
}

const char *
json_get_str(struct json_object *o, const char *key)
{
	return json_text(json_get(o, key, json_type_string));
}

int64_t
json_get_int(struct json_object *o, const char *key, int64_t dflt)
{
	struct json_object *v = json_get(o, key, json_type_int);

	return v ? json_object_get_int64(v) : dflt;
}

bool
json_get_bool(struct json_object *o, const char *key, bool dflt)
{
	struct json_object *v = json_get(o, key, json_type_boolean);

	return v ? json_object_get_boolean(v) : dflt;
}

const char *
json_pretty(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
		JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
}

const char *
json_compact(struct json_object *o)
{
	return json_object_to_json_string_ext(o,
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}
