/*
 * hosts: see hosts.h.  hosts_valid() and hosts_match() both parse an entry into
 * struct entry, so they read the same grammar.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosts.h"

/* Longest host name in the domain name system. */
#define HOST_MAX 253

struct entry {
	enum hosts_verdict kind; /* HOSTS_PUBLIC or HOSTS_ORIGIN */
	const char *scheme;	 /* "https" or "http" */
	const char *host;	 /* not NUL-terminated */
	size_t host_len;
	unsigned int port;
};

static const char host_chars[] =
    "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

static const char path_chars[] =
    "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";

/* Take "host" or "[v6 address]" off *text. */
static bool
take_host(const char **text, const char *end, struct entry *e)
{
	const char *p = *text;

	e->host = p;
	if (p < end && *p == '[') {
		p += 1 + strspn(p + 1, "0123456789abcdefABCDEF:.");
		if (p == e->host + 1 || p >= end || *p++ != ']')
			return false;
	} else {
		p += strspn(p, host_chars);
		if (*e->host == '.' || *e->host == '-')
			return false;
	}
	e->host_len = (size_t)(p - e->host);
	*text = p;
	return e->host_len > 0 && e->host_len <= HOST_MAX;
}

/* Parse one entry that ends at end. */
static bool
parse_entry(const char *text, const char *end, struct entry *e)
{
	const bool plain = strncmp(text, "http://", 7) == 0;
	char *rest;

	e->kind = HOSTS_PUBLIC;
	e->scheme = "https";
	e->port = 443;
	if (plain || strncmp(text, "https://", 8) == 0) {
		e->kind = HOSTS_ORIGIN;
		e->scheme = plain ? "http" : "https";
		e->port = plain ? 80 : 443;
		text += plain ? 7 : 8;
	} else if (strncmp(text, "*.", 2) == 0) {
		e->host = text + 1; /* the dot is part of it */
		text += 2;
		e->host_len = strspn(text, host_chars) + 1;
		return *text != '.' && *text != '-' && e->host_len > 1 &&
		    e->host_len <= HOST_MAX && e->host + e->host_len == end;
	}
	if (!take_host(&text, end, e))
		return false;
	if (e->kind == HOSTS_ORIGIN && text + 1 < end && *text == ':' &&
	    text[1] >= '1' && text[1] <= '9') {
		const unsigned long port = strtoul(text + 1, &rest, 10);

		e->port = (unsigned int)port;
		return rest == end && port <= 65535;
	}
	return text == end;
}

static bool
covers(const struct entry *e, const char *scheme, const char *host,
    unsigned int port)
{
	const size_t len = strlen(host);

	if (strcmp(e->scheme, scheme) != 0 || e->port != port)
		return false;
	if (*e->host != '.')
		return len == e->host_len &&
		    strncasecmp(host, e->host, len) == 0;
	return len > e->host_len && *host != '.' &&
	    strspn(host, host_chars) == len &&
	    strncasecmp(host + len - e->host_len, e->host, e->host_len) == 0;
}

/* Step to the next entry; false at the end of the list. */
static bool
next_entry(const char **list, const char **end)
{
	*list += strspn(*list, " \t");
	*end = *list + strcspn(*list, " \t");
	return *end > *list;
}

const char *
hosts_bad(const char *list, size_t *len)
{
	struct entry e;
	const char *end;
	bool any = false;

	for (; next_entry(&list, &end); list = end) {
		if (!parse_entry(list, end, &e))
			break;
		any = true;
	}
	*len = (size_t)(end - list);
	return any && *len == 0 ? NULL : list;
}

bool
hosts_valid(const char *list)
{
	size_t len;

	return hosts_bad(list, &len) == NULL;
}

bool
hosts_base_url(const char *url)
{
	const char *path = strstr(url, "://");
	struct entry e;

	if (path == NULL)
		return false;
	path += 3 + strcspn(path + 3, "/");
	return parse_entry(url, path, &e) && e.kind == HOSTS_ORIGIN &&
	    path[strspn(path, path_chars)] == '\0' &&
	    url[strlen(url) - 1] != '/';
}

enum hosts_verdict
hosts_match(const char *list, const char *scheme, const char *host,
    unsigned int port)
{
	enum hosts_verdict verdict = HOSTS_NO;
	struct entry e;
	const char *end;

	for (; list != NULL && next_entry(&list, &end); list = end)
		if (parse_entry(list, end, &e) && e.kind > verdict &&
		    covers(&e, scheme, host, port))
			verdict = e.kind;
	return verdict;
}

void
hosts_name(const char *url, char *out)
{
	const char *host = strstr(url, "://") + 3;
	const size_t len =
	    *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");

	memcpy(out, host, len);
	out[len] = '\0';
}
