/*
 * hosts: the list of HipChat servers that may install the add-on.
 *
 * A list holds entries separated by blanks.  An entry is
 *	api.hipchat.com		that host, by https on port 443
 *	*.hipchat.com		any host below that domain, likewise
 *	http://127.0.0.1:8081	that origin; it alone permits plain http,
 *				another port or a private address
 * Host names are compared without regard to case.
 */
#ifndef HOSTS_H
#define HOSTS_H

#include <stdbool.h>
#include <stddef.h>

enum hosts_verdict {
	HOSTS_NO,     /* not on the list */
	HOSTS_PUBLIC, /* on it as a host: public addresses only */
	HOSTS_ORIGIN, /* on it as an origin: any address */
};

/* Is the list well-formed?  An empty one is not. */
bool hosts_valid(const char *list);

/*
 * The first malformed entry, and its length; an empty one if the list has no
 * entries.  Returns NULL if the list is well-formed.
 */
const char *hosts_bad(const char *list, size_t *len);

/*
 * Is this http(s)://host[:port][/path], that is, an origin as above and perhaps
 * a path of letters, digits and -._~, without a slash at the end?
 */
bool hosts_base_url(const char *url);

/*
 * What does a valid list say about scheme://host:port?  An empty one, or NULL,
 * allows nobody.  The scheme is in lower case; an IPv6 host is in brackets.
 */
enum hosts_verdict hosts_match(const char *list, const char *scheme,
    const char *host, unsigned int port);

/* Copy the host of a base URL to out, which must be as large as the URL. */
void hosts_name(const char *url, char *out);

#endif
