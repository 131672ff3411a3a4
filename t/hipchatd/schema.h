/*
 * JSON checked against tables of rules, in the manner of the validator that
 * HipChat itself used: the first violation is reported with the field, the
 * kind of check and the value.  Members that no rule names are ignored,
 * because real add-ons and clients sent some.
 */
#ifndef HIPCHATD_SCHEMA_H
#define HIPCHATD_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "json.h"

enum kind {
	K_STRING,	/* limits, choices, pattern and regex apply */
	K_BOOL,		/* a real boolean */
	K_INT,		/* an integer */
	K_OBJECT,	/* an object with members */
	K_OBJECTS,	/* an array of objects, each with members */
	K_STRINGS,	/* an array of strings; string checks for each */
	K_EITHER	/* a string with its checks, or such an object */
};

struct rule {
	const char *name;
	enum kind kind;
	bool required;
	size_t min;			/* least characters */
	size_t max;			/* most characters; 0: any number */
	const char *const *choices;	/* ended by NULL */
	const char *pattern;		/* PCRE2 that must be found */
	bool regex;			/* must itself be a valid PCRE2 */
	const struct rule *members;	/* ended by an empty rule */
};

struct violation {
	char *field;			/* "capabilities.webhook[0].url" */
	char *message;
	const char *validation;		/* "type", "required", "enum", ... */
	const char *expected;		/* type's name, for "type" */
	struct json_object *value;	/* borrowed; NULL: none or null */
};

/* True: o obeys.  False: v says what is wrong, for violation_free(). */
bool schema_check(const struct rule *rules, struct json_object *o,
		  struct violation *v);
void violation_free(struct violation *v);

#endif
