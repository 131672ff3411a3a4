/*
 * template: a file with {{ name }} placeholders, rendered to JSON.
 */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <stddef.h>

#include "stamp.h"

/* Largest template, and largest rendered text, in bytes. */
#define TEMPLATE_MAX 65536

struct template_value {
	const char *name;  /* NULL ends the list */
	const char *value; /* plain text; it is JSON-escaped */
};

/* A template as it was rendered last; all zeros: never. */
struct template
{
	struct stamp stamp; /* of the file */
	char *values;	    /* path and values, one a line */
	char *text;
	size_t len;
};

/*
 * Render DIR/NAME.  Placeholders belong inside JSON strings.  A name that is
 * not in values is an error, and so is a result that is not JSON.
 * Returns 0 with *out (malloc'ed, NUL-terminated, the caller's) and *len, or
 * 500 with the place in the log.
 *
 * If the file and the values are those of the last time, so is the result.
 */
int template_render(struct template *last, const char *dir, const char *name,
    const struct template_value *values, char **out, size_t *len);

/* Free what is kept. */
void template_free(struct template *last);

#endif
