/*
 * Parameters as a query string or a form carries them, and percent-encoding
 * both ways.
 */
#ifndef HIPCHATD_PARAMS_H
#define HIPCHATD_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

struct param {
	char *name;
	char *value;
};

struct params {
	struct param *list;
	size_t count;
};

/* Add what name=value&... holds; a pair that decodes to a NUL is left out. */
void params_parse(struct params *p, const char *text);
void params_add(struct params *p, const char *name, const char *value);
void params_free(struct params *p);

/* The first value of that name, borrowed, or NULL. */
const char *params_get(const struct params *p, const char *name);

/*
 * Decode %XX, and + as a blank where plus says so.  The caller frees; NULL
 * for a bad escape or an encoded NUL.
 */
char *percent_decode(const char *s, size_t len, bool plus);

/* Everything but the unreserved characters of RFC 3986 becomes %XX. */
char *percent_encode(const char *s);

#endif
