/*
 * guard: see guard.h.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "guard.h"
#include "log.h"
#include "status.h"

/* IPv4 ranges that are not public (IANA special-purpose registry). */
static const struct {
	uint32_t net;
	unsigned int bits;
} inward[] = {
	{ 0x00000000, 8 },  /* this network */
	{ 0x0a000000, 8 },  /* private */
	{ 0x64400000, 10 }, /* carrier-grade NAT */
	{ 0x7f000000, 8 },  /* loopback */
	{ 0xa9fe0000, 16 }, /* link-local, cloud metadata */
	{ 0xac100000, 12 }, /* private */
	{ 0xc0000000, 24 }, /* protocol assignments */
	{ 0xc0000200, 24 }, /* documentation */
	{ 0xc0586300, 24 }, /* 6to4 relays */
	{ 0xc0a80000, 16 }, /* private */
	{ 0xc6120000, 15 }, /* benchmarks */
	{ 0xc6336400, 24 }, /* documentation */
	{ 0xcb007100, 24 }, /* documentation */
	{ 0xe0000000, 3 },  /* multicast, reserved, broadcast */
};

static bool
is_public_v4(uint32_t address)
{
	size_t i;

	for (i = 0; i < sizeof(inward) / sizeof(inward[0]); i++)
		if ((address ^ inward[i].net) >> (32 - inward[i].bits) == 0)
			return false;
	return true;
}

/*
 * An address of NAT64, 64:ff9b::/96, is as public as the IPv4 address in it,
 * where it leads.  Otherwise global unicast (2000::/3) is public, except for
 * what contains an IPv4 address or is not a host: Teredo and other assignments
 * 2001::/23, documentation 2001:db8::/32 and 3fff::/20, 6to4 2002::/16.  All
 * the rest, IPv4-mapped included, is not.
 */
static bool
is_public_v6(const uint8_t *a)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	uint32_t v4;

	if (memcmp(a, nat64, sizeof(nat64)) == 0) {
		memcpy(&v4, a + sizeof(nat64), sizeof(v4));
		return is_public_v4(ntohl(v4));
	}
	if ((a[0] & 0xe0) != 0x20 || (a[0] == 0x20 && a[1] == 0x02) ||
	    (a[0] == 0x3f && a[1] == 0xff && a[2] < 0x10))
		return false;
	if (a[0] == 0x20 && a[1] == 0x01)
		return a[2] >= 0x02 && !(a[2] == 0x0d && a[3] == 0xb8);
	return true;
}

static bool
is_public(const struct sockaddr *sa)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		return is_public_v4(ntohl(in.sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		return is_public_v6(in6.sin6_addr.s6_addr);
	}
	return false;
}

curl_socket_t
guard_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)arg;
	(void)purpose;
	if (!is_public(&address->addr)) {
		log_line("the host's address is private: not connected");
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
}

/* libcurl sets NULL for a part that is absent. */
static char *
part(CURLU *url, CURLUPart what)
{
	char *text = NULL;

	if (curl_url_get(url, what, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return NULL;
	return text;
}

static bool
is_plain(const char *url)
{
	for (; *url != '\0'; url++)
		if (*url <= ' ' || *url > '~' || strchr("\"<>\\^`{|}", *url))
			return false;
	return true;
}

static enum hosts_verdict
judge(const struct config *cfg, CURLU *url)
{
	enum hosts_verdict verdict = HOSTS_NO;
	char *scheme = part(url, CURLUPART_SCHEME);
	char *host = part(url, CURLUPART_HOST);
	char *port = part(url, CURLUPART_PORT);
	char *user = part(url, CURLUPART_USER);
	char *password = part(url, CURLUPART_PASSWORD);

	if (scheme != NULL && host != NULL && port != NULL && user == NULL &&
	    password == NULL)
		verdict = hosts_match(cfg->allowed_hosts, scheme, host,
		    (unsigned int)strtoul(port, NULL, 10));
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(user);
	curl_free(password);
	return verdict;
}

/* libcurl accepts one slash, or three, instead of the two of a browser. */
static bool
has_two_slashes(const char *url)
{
	const char *p = strstr(url, ":/");

	return p != NULL && p[2] == '/' && p[3] != '/';
}

int
guard_url(const struct config *cfg, const char *url, CURLU **parsed,
    enum hosts_verdict *verdict)
{
	*verdict = HOSTS_NO;
	*parsed = need(curl_url());
	if (is_plain(url) && has_two_slashes(url) &&
	    curl_url_set(*parsed, CURLUPART_URL, url, 0) == CURLUE_OK)
		*verdict = judge(cfg, *parsed);
	return *verdict != HOSTS_NO ? 0 : HOST_NOT_ALLOWED;
}
