/*
 * template: a file with {{ name }} placeholders, rendered to JSON.
 */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <stddef.h>

/* Largest template, and largest rendered text, in bytes. */
#define TEMPLATE_MAX 65536

struct template_value {
	const char *name;  /* NULL ends the list */
	const char *value; /* plain text; it is JSON-escaped */
};

/*
 * Render DIR/NAME.  Placeholders belong inside JSON strings.  A name that is
 * not in values is an error, and so is a result that is not JSON.
 * Returns 0 with *out (malloc'ed, NUL-terminated, the caller's) and *len, or
 * 500 with the place in the log.
 */
int template_render(const char *dir, const char *name,
    const struct template_value *values, char **out, size_t *len);

#endif
