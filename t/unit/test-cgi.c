/*
 * test-cgi: parameters.  All else that cgi does is seen from outside, in
 * input.t.
 */
#include "cgi.h"
#include "tap.h"

static const struct {
	const char *encoded;
	const char *name;
	int found;
	const char *value;	/* where found is 1 */
} table[] = {
	{ "", "a", 0, NULL },
	{ "a=1", "a", 1, "1" },
	{ "a=1&b=2", "b", 1, "2" },
	{ "b=2&a=1", "a", 1, "1" },
	{ "&&a=1&&", "a", 1, "1" },
	{ "a=1", "b", 0, NULL },
	{ "aa=1", "a", 0, NULL },
	{ "a=1", "aa", 0, NULL },
	{ "A=1", "a", 0, NULL },
	{ "a", "a", 0, NULL },
	{ "=1", "a", 0, NULL },
	{ "b=a=1", "a", 0, NULL },
	{ "%61=1", "a", 0, NULL },
	{ "a=1;b=2", "a", 1, "1;b=2" },
	{ "a=b=c", "a", 1, "b=c" },
	{ "a=x+y", "a", 1, "x y" },
	{ "a=x%20y", "a", 1, "x y" },
	{ "a=%2B", "a", 1, "+" },
	{ "a=%26b%3D1", "a", 1, "&b=1" },
	{ "a=%c3%A9", "a", 1, "\xc3\xa9" },
	{ "a=%252F", "a", 1, "%2F" },
	{ "a=%0d%0aX:%20y", "a", 1, "\r\nX: y" },
	{ "a=%ff", "a", 1, "\xff" },
	{ "a=http://h/?x=1", "a", 1, "http://h/?x=1" },

	/* twice */
	{ "a=1&a=1", "a", -1, NULL },
	{ "a=1&a=2", "a", -1, NULL },
	{ "a=1&b=2&a=3", "a", -1, NULL },
	{ "a=1&a=1", "b", 0, NULL },

	/* empty */
	{ "a=", "a", -1, NULL },
	{ "a=&a=1", "a", -1, NULL },

	/* not encoded */
	{ "a=%", "a", -1, NULL },
	{ "a=%4", "a", -1, NULL },
	{ "a=%4&1=2", "a", -1, NULL },
	{ "a=%%41", "a", -1, NULL },
	{ "a=%g1", "a", -1, NULL },
	{ "a=%1g", "a", -1, NULL },
	{ "a=%-1", "a", -1, NULL },
	{ "a=%+1", "a", -1, NULL },
	{ "a=%0x41", "a", -1, NULL },
	{ "a=%u0041", "a", -1, NULL },
	{ "a=% 41", "a", -1, NULL },
	{ "a=%\xef\xbc\x91" "1", "a", -1, NULL },

	/* a NUL */
	{ "a=%00", "a", -1, NULL },
	{ "a=x%00", "a", -1, NULL },
	{ "a=x%00y", "a", -1, NULL },
};

static void
test_table(void)
{
	char out[CGI_URL_MAX];
	size_t i;
	int found;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memset(out, '#', sizeof(out));
		found = cgi_param(table[i].encoded, table[i].name, out);
		is_int(found, table[i].found, "%s in \"%s\"", table[i].name,
		    table[i].encoded);
		if (found == 1 && table[i].value != NULL)
			ok(strcmp(out, table[i].value) == 0,
			    "... and its value");
	}
}

/* A value of len bytes, each of them encoded as text says. */
static int
find_long(const char *text, size_t len, char out[CGI_URL_MAX])
{
	char *query = malloc(len * strlen(text) + sizeof("a=&b=1")), *p;
	int found;
	size_t i;

	if (query == NULL)
		die("malloc");
	p = stpcpy(query, "a=");
	for (i = 0; i < len; i++)
		p = stpcpy(p, text);
	strcpy(p, "&b=1");
	found = cgi_param(query, "a", out);
	free(query);
	return found;
}

static void
test_length(void)
{
	char *const out = malloc(CGI_URL_MAX);	/* which sanitizers watch */

	if (out == NULL)
		die("malloc");
	is_int(find_long("x", CGI_URL_MAX - 1, out), 1, "the longest value");
	is_int((long long)strlen(out), CGI_URL_MAX - 1, "... is whole");
	is_int(find_long("x", CGI_URL_MAX, out), -1, "one byte more");
	is_int(find_long("%78", CGI_URL_MAX - 1, out), 1,
	    "the longest value, encoded");
	is_int((long long)strlen(out), CGI_URL_MAX - 1, "... is whole");
	is_int(find_long("%78", CGI_URL_MAX, out), -1, "one byte more");
	is_int(find_long("x", 65536, out), -1, "64 KiB");
	free(out);
}

int
main(void)
{
	test_table();
	test_length();
	return done();
}
