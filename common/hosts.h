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

enum hosts_verdict {
	HOSTS_NO,	/* not on the list */
	HOSTS_PUBLIC,	/* on it as a host: public addresses only */
	HOSTS_ORIGIN,	/* on it as an origin: any address */
};

/* Is the list well-formed?  An empty one is not. */
bool hosts_valid(const char *list);

/*
 * What does a valid list say of scheme://host:port?  The scheme is in lower
 * case; an IPv6 host stands in brackets.
 */
enum hosts_verdict hosts_match(const char *list, const char *scheme,
    const char *host, unsigned int port);

/*
 * Is the text http(s)://host[:port][/path], with neither query nor slash at
 * the end?  Its origin has the syntax of one on a list.
 */
bool hosts_base_url(const char *url);

/* Copy the host of such a URL to out, which is as large as the URL. */
void hosts_name(const char *url, char *out);

#endif
