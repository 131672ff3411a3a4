/*
 * hosts: a line each of list, scheme, host and port.
 */
#include "fuzz.h"
#include "hosts.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text;
	const char *list = fuzz_line(&rest);
	const char *scheme = fuzz_line(&rest);
	const char *host = fuzz_line(&rest);
	const unsigned int port = (unsigned int)strtoul(rest, NULL, 10);
	const bool valid = hosts_valid(list);
	const enum hosts_verdict verdict =
	    hosts_match(list, scheme, host, port);

	fuzz_check(!valid || list[strspn(list, " \t")] != '\0',
	    "hosts_valid: an empty list is not");
	fuzz_check(!valid || strpbrk(list, "@/?#%\\") == NULL ||
		strstr(list, "://") != NULL,
	    "hosts_valid: host or origin");
	fuzz_check(verdict == HOSTS_NO || *host != '\0', "hosts_match: a host");
	if (verdict == HOSTS_PUBLIC)
		fuzz_check(strcmp(scheme, "https") == 0 && port == 443,
		    "hosts_match: a host means https on its port");
	if (verdict == HOSTS_ORIGIN)
		fuzz_check(strstr(list, scheme) != NULL &&
			strcasestr(list, host) != NULL && port < 65536,
		    "hosts_match: an origin is listed");
	free(text);
	return 0;
}
