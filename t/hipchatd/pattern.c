/*
 * Patterns, on PCRE2.  A match limit keeps a descriptor with a catastrophic
 * pattern from holding up the server, whose lock is held meanwhile.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <pcre2.h>
#include <stdlib.h>

#include "util.h"

#define MATCH_LIMIT 100000

struct pattern {
	pcre2_code *code;
};

static pcre2_code *
compile(const char *pattern, int *error, size_t *offset)
{
	return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
			     PCRE2_UTF, error, offset, NULL);
}

struct pattern *
pattern_new(const char *pattern)
{
	struct pattern *r;
	pcre2_code *code;
	size_t offset;
	int error;

	code = compile(pattern, &error, &offset);
	if (!code)
		return NULL;
	r = xcalloc(1, sizeof(*r));
	r->code = code;
	return r;
}

void
pattern_free(struct pattern *r)
{
	if (r)
		pcre2_code_free(r->code);
	free(r);
}

bool
pattern_search(const struct pattern *r, const char *text)
{
	pcre2_match_context *ctx = pcre2_match_context_create(NULL);
	pcre2_match_data *data;
	int n = -1;

	data = pcre2_match_data_create_from_pattern(r->code, NULL);
	if (ctx && data) {
		pcre2_set_match_limit(ctx, MATCH_LIMIT);
		n = pcre2_match(r->code, (PCRE2_SPTR)text,
				PCRE2_ZERO_TERMINATED, 0, 0, data, ctx);
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(ctx);
	return n >= 0;
}

bool
pattern_search_once(const char *pattern, const char *text)
{
	struct pattern *r = pattern_new(pattern);
	bool found = r && pattern_search(r, text);

	pattern_free(r);
	return found;
}

bool
pattern_valid(const char *pattern, char **reason)
{
	PCRE2_UCHAR text[128];
	pcre2_code *code;
	size_t offset;
	int error;

	code = compile(pattern, &error, &offset);
	if (!code) {
		pcre2_get_error_message(error, text, sizeof(text));
		*reason = xasprintf("%s at offset %zu", (char *)text, offset);
		return false;
	}
	pcre2_code_free(code);
	return true;
}
