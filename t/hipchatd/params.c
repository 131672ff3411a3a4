/* Query strings and forms (application/x-www-form-urlencoded). */
#include "params.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
percent_decode(const char *s, size_t len, bool plus)
{
	char *out = xcalloc(len + 1, 1), *p = out;
	const char *end = s + len;

	while (s < end) {
		if (*s == '%') {
			int hi = end - s > 2 ? hex_value(s[1]) : -1;
			int lo = hi >= 0 ? hex_value(s[2]) : -1;

			if (lo < 0 || !(hi | lo)) {
				free(out);
				return NULL;
			}
			*p++ = (char)(hi * 16 + lo);
			s += 3;
		} else {
			*p++ = plus && *s == '+' ? ' ' : *s;
			s++;
		}
	}
	return out;
}

char *
percent_encode(const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	struct buf b = { 0 };

	buf_puts(&b, "");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		char escape[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (c < 128 && (isalnum(c) || strchr("-._~", c)))
			buf_add(&b, s, 1);
		else
			buf_add(&b, escape, 3);
	}
	return b.data;
}

void
params_add(struct params *p, const char *name, const char *value)
{
	p->list = xrealloc(p->list, p->count + 1, sizeof(*p->list));
	p->list[p->count].name = xstrdup(name);
	p->list[p->count].value = xstrdup(value);
	p->count++;
}

void
params_parse(struct params *p, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "&"), name = strcspn(text, "=&");
		size_t from = name < len ? name + 1 : len;
		char *n = percent_decode(text, name, true);
		char *v = percent_decode(text + from, len - from, true);

		if (n && v && *n)
			params_add(p, n, v);
		free(n);
		free(v);
		text += len;
		text += *text == '&';
	}
}

void
params_free(struct params *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->list[i].name);
		free(p->list[i].value);
	}
	free(p->list);
	memset(p, 0, sizeof(*p));
}

const char *
params_get(const struct params *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (!strcmp(p->list[i].name, name))
			return p->list[i].value;
	return NULL;
}
