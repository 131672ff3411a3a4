/*
 * Table-driven checks.  The wording for a wrong type is the one captured from
 * HipChat (a Python 2 program, hence u'...'); the others follow its manner.
 */
#include "schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "util.h"

#define MAX_SHOWN 80		/* bytes of a value in a message */

/* A value as Python 2 would print it, in so far as it fits. */
static char *
repr(struct json_object *value)
{
	const char *s;

	switch (json_object_get_type(value)) {
	case json_type_null:
		return xstrdup("None");
	case json_type_boolean:
		return xstrdup(json_object_get_boolean(value) ? "True" :
			       "False");
	case json_type_string:
		s = json_object_get_string(value);
		if (strlen(s) > MAX_SHOWN)
			return xstrdup("of that length");
		return xasprintf("u'%s'", s);
	default:
		s = json_compact(value);
		if (strlen(s) > MAX_SHOWN)
			return xstrdup("of that size");
		return xstrdup(s);
	}
}

static bool __attribute__((format(printf, 5, 6)))
violate(struct violation *v, const char *field, const char *validation,
	struct json_object *value, const char *fmt, ...)
{
	va_list ap;
	int n;

	v->field = xstrdup(field);
	v->validation = validation;
	v->value = value;
	va_start(ap, fmt);
	n = vasprintf(&v->message, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	return false;
}

static bool
wrong_type(struct violation *v, const char *field, struct json_object *value,
	   const char *expected)
{
	char *shown = repr(value);

	violate(v, field, "type", value,
		"Value %s for field '%s' is not of type '%s'", shown, field,
		expected);
	v->expected = expected;
	free(shown);
	return false;
}

static bool
check_choice(const struct rule *r, const char *field,
	     struct json_object *value, struct violation *v)
{
	const char *s = json_text(value);
	struct buf list = { 0 };

	for (size_t i = 0; r->choices[i]; i++) {
		if (!strcmp(s, r->choices[i])) {
			buf_free(&list);
			return true;
		}
		buf_puts(&list, i ? ", " : "");
		buf_puts(&list, r->choices[i]);
	}
	violate(v, field, "enum", value,
		"Value u'%.*s' for field '%s' is not one of: %s", MAX_SHOWN, s,
		field, buf_text(&list));
	buf_free(&list);
	return false;
}

static bool
check_string(const struct rule *r, const char *field,
	     struct json_object *value, struct violation *v)
{
	const char *s = json_text(value);
	char *reason;
	size_t n;

	if (!s)
		return wrong_type(v, field, value, "string");
	n = utf8_chars(s);
	if (n < r->min)
		return violate(v, field, "minLength", value, "Length of value "
			       "for field '%s' must be greater than or equal "
			       "to %zu", field, r->min);
	if (r->max && n > r->max)
		return violate(v, field, "maxLength", value, "Length of value "
			       "for field '%s' must be less than or equal to "
			       "%zu", field, r->max);
	if (r->choices && !check_choice(r, field, value, v))
		return false;
	if (r->pattern && !pattern_search_once(r->pattern, s))
		return violate(v, field, "pattern", value,
			       "Value u'%.*s' for field '%s' does not match "
			       "regular expression '%s'", MAX_SHOWN, s, field,
			       r->pattern);
	if (r->regex && !pattern_valid(s, &reason)) {
		violate(v, field, "regex", value, "Value for field '%s' is "
			"not a regular expression: %s", field, reason);
		free(reason);
		return false;
	}
	return true;
}

static bool check_members(const struct rule *rules, const char *prefix,
			  struct json_object *o, struct violation *v);

static bool
check_array(const struct rule *r, const char *field,
	    struct json_object *value, struct violation *v)
{
	bool ok = true;

	if (!json_object_is_type(value, json_type_array))
		return wrong_type(v, field, value, "array");
	for (size_t i = 0; ok && i < json_object_array_length(value); i++) {
		struct json_object *e = json_object_array_get_idx(value, i);
		char *name = xasprintf("%s[%zu]", field, i);

		if (r->kind == K_STRINGS)
			ok = check_string(r, name, e, v);
		else if (!json_object_is_type(e, json_type_object))
			ok = wrong_type(v, name, e, "object");
		else
			ok = check_members(r->members, name, e, v);
		free(name);
	}
	return ok;
}

static bool
check_value(const struct rule *r, const char *field,
	    struct json_object *value, struct violation *v)
{
	bool object = json_object_is_type(value, json_type_object);

	switch (r->kind) {
	case K_STRING:
		return check_string(r, field, value, v);
	case K_BOOL:
		return json_object_is_type(value, json_type_boolean) ||
			wrong_type(v, field, value, "boolean");
	case K_INT:
		return json_object_is_type(value, json_type_int) ||
			wrong_type(v, field, value, "integer");
	case K_OBJECTS:
	case K_STRINGS:
		return check_array(r, field, value, v);
	case K_EITHER:
		if (!object)
			return check_string(r, field, value, v);
		break;
	case K_OBJECT:
		break;
	}
	if (!object)
		return wrong_type(v, field, value, "object");
	return check_members(r->members, field, value, v);
}

static bool
check_members(const struct rule *rules, const char *prefix,
	      struct json_object *o, struct violation *v)
{
	bool ok = true;

	for (; ok && rules && rules->name; rules++) {
		char *field = xasprintf("%s%s%s", prefix, *prefix ? "." : "",
					rules->name);
		struct json_object *value;

		if (json_object_object_get_ex(o, rules->name, &value))
			ok = check_value(rules, field, value, v);
		else if (rules->required)
			ok = violate(v, field, "required", NULL,
				     "Required field '%s' is missing", field);
		free(field);
	}
	return ok;
}

bool
schema_check(const struct rule *rules, struct json_object *o,
	     struct violation *v)
{
	memset(v, 0, sizeof(*v));
	return check_members(rules, "", o, v);
}

void
violation_free(struct violation *v)
{
	free(v->field);
	free(v->message);
	memset(v, 0, sizeof(*v));
}
