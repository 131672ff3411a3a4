/*
 * json-c with the handful of shorthands that this server needs.  Parsing is
 * strict: one document, valid UTF-8, bounded depth, nothing after it.
 */
#ifndef HIPCHATD_JSON_H
#define HIPCHATD_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The document, for the caller to json_object_put(), or NULL. */
struct json_object *json_parse(const char *text, size_t len);

/* Like json_parse, but NULL for anything that is not an object. */
struct json_object *json_parse_object(const char *text, size_t len);

/*
 * Add a member.  A NULL string becomes null; put takes over the reference to
 * value.
 */
void json_put(struct json_object *o, const char *key, struct json_object *v);
void json_put_str(struct json_object *o, const char *key, const char *s);
void json_put_int(struct json_object *o, const char *key, int64_t n);
void json_put_bool(struct json_object *o, const char *key, bool b);

/* Append text to an array. */
void json_append_str(struct json_object *array, const char *s);

/*
 * A member by name and type, borrowed from o.  NULL, or the default, where it
 * is absent, null or of another type; a string that holds a NUL counts as
 * another type.
 */
struct json_object *json_get(struct json_object *o, const char *key,
			     enum json_type type);
const char *json_get_str(struct json_object *o, const char *key);
int64_t json_get_int(struct json_object *o, const char *key, int64_t dflt);
bool json_get_bool(struct json_object *o, const char *key, bool dflt);

/* The text of a JSON string; NULL when it isn't one or holds a NUL. */
const char *json_text(struct json_object *v);

/* Serialise for people (HipChat's cloud did) or for machines; borrowed. */
const char *json_pretty(struct json_object *o);
const char *json_compact(struct json_object *o);

#endif
