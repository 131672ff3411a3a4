/*
 * Patterns as HipChat applied them to messages: an unanchored, case-sensitive
 * search of the PCRE kind, over UTF-8.
 */
#ifndef HIPCHATD_PATTERN_H
#define HIPCHATD_PATTERN_H

#include <stdbool.h>

/* Opaque; NULL for a pattern that can't be compiled. */
struct pattern;

struct pattern *pattern_new(const char *pattern);
void pattern_free(struct pattern *r);

/* Is there a match anywhere in text?  Too costly a search counts as no. */
bool pattern_search(const struct pattern *r, const char *text);

/* Compile, search, forget. */
bool pattern_search_once(const char *pattern, const char *text);

/* False with the reason, which the caller frees, if it can't be compiled. */
bool pattern_valid(const char *pattern, char **reason);

#endif
