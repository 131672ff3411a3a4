/*
 * guard: where calls may go.
 *
 * A URL's host must be on the list of allowed hosts (hosts.h), by https unless
 * an origin on the list says otherwise; there may be no user name in it; and if
 * the list names a host, not an origin, we connect only to a public address,
 * whatever the name server says.
 *
 * The URL is parsed only once, by libcurl: the guard judges the same parse that
 * libcurl connects to, so no strange spelling can mean two things.  Addresses
 * are judged when the socket is opened, so it does not help a name to resolve
 * differently the second time.
 */
#ifndef GUARD_H
#define GUARD_H

#include <curl/curl.h>

#include "config.h"
#include "hosts.h"

/*
 * Parse and judge.  Returns 0 or HOST_NOT_ALLOWED (not logged).  The caller
 * calls curl_url_cleanup(*parsed) in any case.
 */
int guard_url(const struct config *cfg, const char *url, CURLU **parsed,
    enum hosts_verdict *verdict);

/*
 * CURLOPT_OPENSOCKETFUNCTION for a URL whose verdict is HOSTS_PUBLIC.  libcurl
 * asks for a socket to each address that it is about to try.
 */
curl_socket_t
guard_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);

#endif
