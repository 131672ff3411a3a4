/*
 * json: strict parsing on json-c, and getters that check type and size.
 *
 * json-c's own strict mode still lets through duplicate members, NaN,
 * control characters and lone surrogates; json_read() refuses them, so a
 * document has one meaning or none.
 *
 * A memory failure ends the program (need() in log.h).
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

/* Deepest nesting, and longest text in bytes, that json_read() accepts. */
#define JSON_DEPTH 32
#define JSON_MAX (64 << 20)

/*
 * Parse exactly one JSON object (RFC 8259, UTF-8, no byte order mark) of len
 * bytes; text[len] must be NUL.  Returns the document, which the caller
 * releases with json_object_put(), or NULL with *why set to a static reason.
 */
struct json_object *json_read(const char *text, size_t len, const char **why);

/*
 * The same, for a text that somebody has to correct: *line, from 1, is where it
 * stopped making sense, or 0 if that is not known.
 */
struct json_object *
json_read_at(const char *text, size_t len, const char **why, int *line);

/*
 * Getters take a path of member names joined by dots, such as
 * "item.message.id", and return
 *	 1	present and valid; *out is set
 *	 0	absent; *out is untouched
 *	-1	present but invalid (null, another type, too long, ...)
 */

/* A string of 1 to max bytes without NUL; *out belongs to the document. */
int json_string(struct json_object *doc, const char *path, size_t max,
    const char **out);

/* A positive integer, or one as a string of digits: an id, a time. */
int json_positive(struct json_object *doc, const char *path, int64_t *out);

/* A new object, which the caller releases with json_object_put(). */
struct json_object *json_new(void);

/* Add a member, or replace the one of that name; takes over the value. */
void
json_add(struct json_object *doc, const char *name, struct json_object *value);

/* The same for a string, which is copied, and for a number. */
void
json_add_string(struct json_object *doc, const char *name, const char *text);
void json_add_int(struct json_object *doc, const char *name, int64_t n);

/* The document as compact JSON text, which it owns. */
const char *json_text(struct json_object *doc);

/* The text as a JSON string literal, quotes included; the caller frees it. */
char *json_quote(const char *text);

#endif
