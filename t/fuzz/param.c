/*
 * param: a name on the first line, a query string or form behind it.
 */
#include "cgi.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text;
	const char *name = fuzz_line(&rest);
	char *out = malloc(CGI_URL_MAX);
	int found;

	fuzz_check(out != NULL, "out of memory");
	found = cgi_param(rest, name, out);
	fuzz_check(found >= -1 && found <= 1, "cgi_param: 1, 0 or -1");
	if (found == 1)
		fuzz_check(*out != '\0' &&
			strnlen(out, CGI_URL_MAX) < CGI_URL_MAX &&
			strlen(out) <= strlen(rest),
		    "cgi_param: a value");
	if (found != 0)
		fuzz_check(strstr(rest, name) != NULL, "cgi_param: is there");
	free(out);
	free(text);
	return 0;
}
