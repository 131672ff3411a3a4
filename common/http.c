/*
 * http: see http.h.
 *
 * The URL is parsed only once, by libcurl: the guard judges the same parse that
 * libcurl connects to, so no strange spelling can mean two things.  Addresses
 * are judged when the socket is opened, so it does not help a name to resolve
 * differently the second time.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hosts.h"
#include "http.h"
#include "log.h"
#include "status.h"

/* Longest part of a URL in a log line. */
#define SHOWN_MAX 256

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

/* libcurl asks for a socket to each address that it is about to try. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
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

/*
 * As much of the URL as may be logged: the rest may contain a secret, and there
 * must be room for the reason on the line.
 */
static int
shown(const char *url)
{
	const size_t len = strcspn(url, "?#");

	if (memchr(url, '@', len) != NULL)
		return (int)strcspn(url, ":");
	return len < SHOWN_MAX ? (int)len : SHOWN_MAX;
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

/* Parse and judge: 0 or HOST_NOT_ALLOWED; *parsed is always the caller's. */
static int
guard(const struct config *cfg, const char *url, CURLU **parsed,
    enum hosts_verdict *verdict)
{
	*verdict = HOSTS_NO;
	*parsed = need(curl_url());
	if (is_plain(url) && has_two_slashes(url) &&
	    curl_url_set(*parsed, CURLUPART_URL, url, 0) == CURLUE_OK)
		*verdict = judge(cfg, *parsed);
	return *verdict != HOSTS_NO ? 0 : HOST_NOT_ALLOWED;
}

bool
http_url_allowed(const struct config *cfg, const char *url)
{
	enum hosts_verdict verdict;
	CURLU *parsed;
	const int status = guard(cfg, url, &parsed, &verdict);

	curl_url_cleanup(parsed);
	return status == 0;
}

static size_t
take_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_reply *reply = arg;

	n *= size;
	if (n > HTTP_REPLY_MAX - reply->len)
		return 0; /* the transfer ends with CURLE_WRITE_ERROR */
	memcpy(reply->body + reply->len, data, n);
	reply->len += n;
	reply->body[reply->len] = '\0';
	return n;
}

/* The outcome of setting an option: only memory can fail. */
static void
sure(CURLcode code)
{
	if (code != CURLE_OK)
		need(NULL);
}

static void
set_limits(struct http_call *call, const struct config *cfg)
{
	CURL *easy = call->easy;

	sure(curl_easy_setopt(easy, CURLOPT_CURLU, call->url));
	sure(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
#if LIBCURL_VERSION_NUM >= 0x075700 /* do not wait for a mute name server */
	sure(curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L));
#endif
	sure(curl_easy_setopt(easy, CURLOPT_PROXY, ""));
	sure(curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
	sure(curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT,
	    (long)HTTP_CONNECT_SECONDS));
	sure(curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)HTTP_TOTAL_SECONDS));
	sure(curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error));
	sure(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body));
	sure(curl_easy_setopt(easy, CURLOPT_WRITEDATA, &call->reply));
	if (cfg->ca_file != NULL)
		sure(curl_easy_setopt(easy, CURLOPT_CAINFO, cfg->ca_file));
}

/* Append a header line. */
static void
add_header(struct http_call *call, const char *name, const char *value)
{
	char *line = NULL;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		need(NULL);
	call->headers = need(curl_slist_append(call->headers, line));
	free(line);
}

static void
set_request(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;

	add_header(call, "Accept", "application/json");
	sure(curl_easy_setopt(easy, CURLOPT_USERAGENT, "hipchat-cgi"));
	if (request->user != NULL) {
		sure(curl_easy_setopt(easy, CURLOPT_USERNAME, request->user));
		sure(curl_easy_setopt(easy, CURLOPT_PASSWORD,
		    request->password));
	}
	if (request->bearer != NULL) {
		sure(curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER));
		sure(curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER,
		    request->bearer));
	}
	if (request->body != NULL) {
		add_header(call, "Content-Type", request->content_type);
		sure(curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
		    request->body));
	}
	if (request->method != NULL)
		sure(curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST,
		    request->method));
	sure(curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers));
}

int
http_begin(struct http_call *call, const struct config *cfg,
    const struct http_request *request)
{
	enum hosts_verdict verdict;
	int status;

	memset(call, 0, sizeof(*call));
	status = guard(cfg, request->url, &call->url, &verdict);
	if (status != 0) {
		log_line(
		    "%.*s: not on a host of HIPCHAT_ALLOWED_HOSTS, which "
		    "is \"%s\"",
		    shown(request->url), request->url, cfg->allowed_hosts);
		return status;
	}
	call->easy = need(curl_easy_init());
	call->reply.body = need(malloc(HTTP_REPLY_MAX + 1));
	set_limits(call, cfg);
	set_request(call, request);
	if (verdict == HOSTS_PUBLIC)
		sure(curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETFUNCTION,
		    open_socket));
	call->reply.body[0] = '\0';
	return 0;
}

int
http_end(struct http_call *call, CURLcode code)
{
	if (code == CURLE_OK) {
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE,
		    &call->reply.status);
		return 0;
	}
	if (code == CURLE_WRITE_ERROR)
		strcpy(call->error, "the reply is too large");
	else if (call->error[0] == '\0')
		snprintf(call->error, sizeof(call->error), "%s",
		    curl_easy_strerror(code));
	return HTTP_BAD_GATEWAY;
}

int
http_do(struct http_call *call, const struct config *cfg,
    const struct http_request *request)
{
	int status = http_begin(call, cfg, request);

	if (status != 0)
		return status;
	status = http_end(call, curl_easy_perform(call->easy));
	if (status != 0)
		log_line("%.*s: %s", shown(request->url), request->url,
		    call->error);
	return status;
}

bool
http_header(const struct http_call *call, const char *name, int64_t *value)
{
	struct curl_header *header;
	size_t len;

	if (curl_easy_header(call->easy, name, 0, CURLH_HEADER, -1, &header) !=
	    CURLHE_OK)
		return false;
	len = strspn(header->value, "0123456789");
	if (len == 0 || len > 15)
		return false;
	*value = strtoll(header->value, NULL, 10);
	return true;
}

/* A day; more can't be meant. */
#define RETRY_AFTER_MAX 86400

int64_t
http_retry_after(const struct http_call *call)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds < 0) /* a date in the past */
		return 0;
	return seconds < RETRY_AFTER_MAX ? seconds : RETRY_AFTER_MAX;
}

void
http_free(struct http_call *call)
{
	curl_easy_cleanup(call->easy);
	curl_url_cleanup(call->url);
	curl_slist_free_all(call->headers);
	free(call->reply.body);
	memset(call, 0, sizeof(*call));
}
