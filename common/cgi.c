/*
 * cgi: see cgi.h.  The response is put together in full and written once, so a
 * program that dies before that has written nothing, and the web server
 * answers 500 for it.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "cgi.h"
#include "hosts.h"
#include "io.h"
#include "json.h"
#include "log.h"
#include "uptime.h"

/* Seconds to wait for a body. */
#define BODY_TIMEOUT 30

/* How much of a body that is refused is still read, in bytes and seconds. */
#define DRAIN_MAX 1048576
#define DRAIN_TIMEOUT 5

/* ---- standard input and output ---- */

static ssize_t
read_stdin(const struct cgi *cgi, char *p, size_t len, int ms)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	const int ready = poll(&pfd, 1, ms);

	(void)cgi;
	if (ready == 0)
		errno = ETIMEDOUT;
	return ready > 0 ? read(STDIN_FILENO, p, len) : -1;
}

static bool
write_stdout(const struct cgi *cgi, const char *p, size_t len)
{
	(void)cgi;
	return io_write(STDOUT_FILENO, p, len);
}

void
cgi_init(struct cgi *cgi)
{
	memset(cgi, 0, sizeof(*cgi));
	cgi->path_info = cgi->query = cgi->authorization = "";
	cgi->env = environ;
	cgi->read = read_stdin;
	cgi->write = write_stdout;
}

/* ---- the head ---- */

static const struct {
	const char *name;
	enum cgi_method method;
} methods[] = {
	{ "GET", CGI_GET },
	{ "HEAD", CGI_HEAD },
	{ "POST", CGI_POST },
	{ "DELETE", CGI_DELETE },
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

/*
 * Reason phrases, and what the client reads if nobody said more.  A status that
 * is not listed gets those of the first one of its class.
 */
static const struct phrase {
	int status;
	const char *phrase;
	const char *message;
} phrases[] = {
	{ HTTP_INTERNAL_SERVER_ERROR, "Internal Server Error",
	    "The add-on is misconfigured" },
	{ HTTP_OK, "OK", "" },
	{ 201, "Created", "" },
	{ 202, "Accepted", "" },
	{ HTTP_NO_CONTENT, "No Content", "" },
	{ HTTP_FOUND, "Found", "" },
	{ HTTP_NOT_MODIFIED, "Not Modified", "" },
	{ HTTP_BAD_REQUEST, "Bad Request", "The request is malformed" },
	{ HTTP_UNAUTHORIZED, "Unauthorized", "Authenticated requests only" },
	{ HTTP_FORBIDDEN, "Forbidden",
	    "This HipChat server or secret is not accepted" },
	{ HTTP_NOT_FOUND, "Not Found", "Nothing at this URL" },
	{ HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed",
	    "Another method is needed" },
	{ HTTP_REQUEST_TIMEOUT, "Request Timeout",
	    "The body did not arrive in time" },
	{ HTTP_CONFLICT, "Conflict", "It stays as it is" },
	{ HTTP_LENGTH_REQUIRED, "Length Required", "Content-Length is needed" },
	{ HTTP_CONTENT_TOO_LARGE, "Payload Too Large",
	    "The body is too large" },
	{ 429, "Too Many Requests", "Try again later" },
	{ HTTP_BAD_GATEWAY, "Bad Gateway",
	    "HipChat did not answer as expected" },
	{ HTTP_SERVICE_UNAVAILABLE, "Service Unavailable", "Try again later" },
};
#define PHRASES (sizeof(phrases) / sizeof(phrases[0]))

static const struct phrase *
phrase_of(int status)
{
	const struct phrase *class = &phrases[0];
	size_t i;

	for (i = 0; i < PHRASES; i++) {
		if (phrases[i].status == status)
			return &phrases[i];
		if (class->status / 100 != status / 100 &&
		    phrases[i].status / 100 == status / 100)
			class = &phrases[i];
	}
	return class;
}

const char *
cgi_variable(const struct cgi *cgi, const char *name)
{
	const size_t len = strlen(name);
	char *const *e;

	for (e = cgi->env; e != NULL && *e != NULL; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return *e + len + 1;
	return "";
}

int
cgi_error(struct cgi *cgi, int status, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	vsnprintf(cgi->reason, sizeof(cgi->reason), fmt, ap);
	va_end(ap);
	log_line("%d: %s", status, cgi->reason);
	/* it will stand in a JSON string */
	for (p = cgi->reason; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\')
			*p = '?';
	return status;
}

int
cgi_refuse(int status, const char *fmt, ...)
{
	char reason[LOG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	log_line("%d: %s", status, reason);
	return status;
}

static int
read_method(struct cgi *cgi)
{
	const char *name = cgi_variable(cgi, "REQUEST_METHOD");
	size_t i;

	if (*name == '\0') {
		log_line("no REQUEST_METHOD: this is a CGI program");
		return HTTP_INTERNAL_SERVER_ERROR;
	}
	for (i = 0; i < METHODS; i++)
		if (strcmp(name, methods[i].name) == 0)
			cgi->method = methods[i].method;
	if ((cgi->method & cgi->allowed) == 0)
		return cgi_error(cgi, HTTP_METHOD_NOT_ALLOWED,
		    "method %.20s is not served here", name);
	return 0;
}

static int
read_length(struct cgi *cgi)
{
	const char *text = cgi_variable(cgi, "CONTENT_LENGTH");

	if (*text == '\0') /* RFC 3875 4.1.2: empty means absent */
		return cgi_error(cgi, HTTP_LENGTH_REQUIRED,
		    "Content-Length is needed");
	if (text[strspn(text, "0123456789")] != '\0')
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "Content-Length: not a number");
	errno = 0;
	cgi->announced = strtoul(text, NULL, 10);
	if (errno != 0 || cgi->announced > cgi->body_max)
		return cgi_error(cgi, HTTP_CONTENT_TOO_LARGE,
		    "body larger than %zu bytes", cgi->body_max);
	return 0;
}

int
cgi_head(struct cgi *cgi, unsigned int allowed, size_t body_max)
{
	int status;

	cgi->allowed = allowed;
	cgi->body_max = body_max;
	cgi->path_info = cgi_variable(cgi, "PATH_INFO");
	cgi->query = cgi_variable(cgi, "QUERY_STRING");
	cgi->authorization = cgi_variable(cgi, "HTTP_AUTHORIZATION");

	if ((status = read_method(cgi)) != 0)
		return status;
	if ((cgi->method == CGI_DELETE) != (strlen(cgi->path_info) > 1))
		return cgi_error(cgi, HTTP_NOT_FOUND,
		    "nothing to %s at this URL",
		    cgi->method == CGI_DELETE ? "delete" : "find");
	return cgi->method == CGI_POST ? read_length(cgi) : 0;
}

/* ---- the body ---- */

static int
ms_until(int64_t deadline)
{
	const int64_t now = uptime_ms();

	return now < deadline ? (int)(deadline - now) : 0;
}

/*
 * Read and discard the rest of a body: a web server that can't deliver it may
 * not listen to the answer either.
 */
static void
drain(const struct cgi *cgi)
{
	const int64_t deadline = uptime_ms() + DRAIN_TIMEOUT * 1000;
	char bytes[16384];
	size_t total = 0;
	ssize_t n;

	while (total < DRAIN_MAX &&
	    (n = cgi->read(cgi, bytes, sizeof(bytes), ms_until(deadline))) > 0)
		total += (size_t)n;
}

int
cgi_body(struct cgi *cgi)
{
	const int64_t deadline = uptime_ms() + BODY_TIMEOUT * 1000;
	ssize_t n;

	if (cgi->method != CGI_POST)
		return 0;
	cgi->body = need(malloc(cgi->announced + 1));
	while (cgi->body_len < cgi->announced) {
		n = cgi->read(cgi, cgi->body + cgi->body_len,
		    cgi->announced - cgi->body_len, ms_until(deadline));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ETIMEDOUT)
			return cgi_error(cgi, HTTP_REQUEST_TIMEOUT,
			    "the body did not arrive in %d s", BODY_TIMEOUT);
		if (n <= 0)
			return cgi_error(cgi, HTTP_BAD_REQUEST,
			    "body of %zu bytes, %zu announced", cgi->body_len,
			    cgi->announced);
		cgi->body_len += (size_t)n;
	}
	cgi->body[cgi->body_len] = '\0';
	return 0;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Decode len bytes of application/x-www-form-urlencoded; false if invalid. */
static bool
decode(const char *p, size_t len, char *out)
{
	const char *const end = p + len;
	char *to = out;

	for (; p < end; p++) {
		if (to - out == CGI_URL_MAX - 1)
			return false;
		*to = *p == '+' ? ' ' : *p;
		if (*p == '%') {
			if (end - p < 3 || hex_value(p[1]) < 0 ||
			    hex_value(p[2]) < 0)
				return false;
			*to = (char)(hex_value(p[1]) * 16 + hex_value(p[2]));
			p += 2;
		}
		if (*to++ == '\0')
			return false;
	}
	*to = '\0';
	return to > out;
}

int
cgi_param(const char *encoded, const char *name, char *out)
{
	const size_t name_len = strlen(name);
	size_t len;
	int found = 0;

	for (;; encoded += len + 1) {
		len = strcspn(encoded, "&");
		if (len > name_len && encoded[name_len] == '=' &&
		    strncmp(encoded, name, name_len) == 0) {
			if (found != 0 ||
			    !decode(encoded + name_len + 1, len - name_len - 1,
				out))
				return -1;
			found = 1;
		}
		if (encoded[len] == '\0')
			return found;
	}
}

/* ---- the base URL ---- */

/* http or https?  RFC 3875 has neither variable, but web servers set one. */
static const char *
scheme_of(const struct cgi *cgi)
{
	const char *scheme = cgi_variable(cgi, "REQUEST_SCHEME");

	if (*scheme == '\0')
		scheme = strcasecmp(cgi_variable(cgi, "HTTPS"), "on") == 0 ?
		    "https" :
		    "http";
	if (strcmp(scheme, "http") == 0 &&
	    strcmp(cgi_variable(cgi, "HTTP_X_FORWARDED_PROTO"), "https") == 0)
		log_line(
		    "a proxy took https off this request: set "
		    "HIPCHAT_BASE_URL, or the descriptor says http");
	return scheme;
}

/* Copy a Host in its one canonical form: lower case, no dot at the end. */
static void
copy_host(char *out, size_t size, const char *host)
{
	size_t i, end;

	snprintf(out, size, "%s", host);
	for (i = 0; out[i] != '\0'; i++)
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] | 0x20);
	end = strcspn(out, ":");
	if (*out != '[' && end > 1 && out[end - 1] == '.')
		memmove(out + end - 1, out + end, strlen(out + end) + 1);
}

/* The base URL that the request itself gives. */
static int
derive_url(struct cgi *cgi, char *out)
{
	const char *script = cgi_variable(cgi, "SCRIPT_NAME");
	const char *slash = strrchr(script, '/');
	const int dir = slash != NULL ? (int)(slash - script) : 0;
	char host[CGI_URL_MAX];
	int len;

	copy_host(host, sizeof(host), cgi_variable(cgi, "HTTP_HOST"));
	len = snprintf(out, CGI_URL_MAX, "%s://%s%.*s", scheme_of(cgi), host,
	    dir, script);
	if (*host == '\0' || strchr(host, '/') != NULL || len < 0 ||
	    len >= CGI_URL_MAX || !hosts_base_url(out))
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "no base URL: "
		    "Host %.60s and script %.60s make none",
		    host, script);
	return 0;
}

int
cgi_base_url(struct cgi *cgi, const char *set, char *out)
{
	if (*set == '\0')
		return derive_url(cgi, out);
	snprintf(out, CGI_URL_MAX, "%s", set);
	return 0;
}

/* ---- the answer ---- */

int
cgi_redirect(struct cgi *cgi, const char *url)
{
	snprintf(cgi->location, sizeof(cgi->location), "%s", url);
	return HTTP_FOUND;
}

int
cgi_document(struct cgi *cgi, char *json, size_t len, bool shared)
{
	const char *theirs = cgi_variable(cgi, "HTTP_IF_NONE_MATCH");
	struct sha256_ctx ctx;
	uint8_t digest[8];
	size_t i, at = 1;

	cgi->document = json;
	cgi->document_len = len;
	cgi->shared = shared;
	sha256_init(&ctx);
	sha256_update(&ctx, len, (const uint8_t *)json);
	sha256_digest(&ctx, sizeof(digest), digest);
	cgi->etag[0] = '"';
	for (i = 0; i < sizeof(digest); i++, at += 2)
		snprintf(cgi->etag + at, 3, "%02x", digest[i]);
	cgi->etag[at] = '"';
	/* a tag that is listed, weak or "*": RFC 9110 13.1.2 */
	return strstr(theirs, cgi->etag) != NULL || strcmp(theirs, "*") == 0 ?
	    HTTP_NOT_MODIFIED :
	    HTTP_OK;
}

int
cgi_json(struct cgi *cgi, struct json_object *doc)
{
	cgi->document = need(strdup(json_text(doc)));
	cgi->document_len = strlen(cgi->document);
	return HTTP_OK;
}

/* Put HipChat's error envelope where the document would be. */
static void
make_envelope(struct cgi *cgi, int status, const struct phrase *phrase)
{
	const char *message =
	    *cgi->reason != '\0' ? cgi->reason : phrase->message;
	const int len = asprintf(&cgi->document,
	    "{\"error\":{\"code\":%d,\"message\":\"%s\",\"type\":\"%s\"}}\n",
	    status, message, phrase->phrase);

	if (len < 0)
		need(NULL);
	cgi->document_len = (size_t)len;
}

static void
write_allow(FILE *out, unsigned int allowed)
{
	const char *comma = "Allow: ";
	size_t i;

	for (i = 0; i < METHODS; i++) {
		if ((allowed & methods[i].method) == 0)
			continue;
		fprintf(out, "%s%s", comma, methods[i].name);
		comma = ", ";
	}
	fprintf(out, "\r\n");
}

/* A descriptor that depends on the Host is for this client only: RFC 9111. */
static void
write_caching(FILE *out, const struct cgi *cgi)
{
	if (cgi->etag[0] == '\0')
		fprintf(out, "Cache-Control: no-store\r\n");
	else if (cgi->shared)
		fprintf(out,
		    "ETag: %s\r\n"
		    "Cache-Control: public, max-age=60\r\n",
		    cgi->etag);
	else
		fprintf(out,
		    "ETag: %s\r\nVary: Host\r\n"
		    "Cache-Control: private, max-age=60\r\n",
		    cgi->etag);
}

static void
write_headers(FILE *out, const struct cgi *cgi, int status,
    const struct phrase *phrase)
{
	fprintf(out, "Status: %d %s\r\n", status, phrase->phrase);
	if (cgi->document_len > 0)
		fprintf(out,
		    "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n",
		    cgi->document_len);
	write_caching(out, cgi);
	if (status == HTTP_FOUND)
		fprintf(out, "Location: %s\r\n", cgi->location);
	if (status == HTTP_METHOD_NOT_ALLOWED)
		write_allow(out, cgi->allowed);
	fprintf(out, "\r\n");
}

/* The whole response; the caller frees it. */
static char *
compose(const struct cgi *cgi, int status, const struct phrase *phrase,
    size_t *len)
{
	char *response = NULL;
	FILE *out = need(open_memstream(&response, len));

	write_headers(out, cgi, status, phrase);
	if (cgi->method != CGI_HEAD && cgi->document_len > 0)
		fwrite(cgi->document, 1, cgi->document_len, out);
	if (fclose(out) != 0)
		need(NULL);
	return response;
}

/* Is the client still sending a body that nobody has read? */
static bool
is_unread(const struct cgi *cgi)
{
	return cgi->body == NULL &&
	    (*cgi_variable(cgi, "CONTENT_LENGTH") != '\0' ||
		*cgi_variable(cgi, "HTTP_TRANSFER_ENCODING") != '\0');
}

/* The status that the client sees. */
static int
final(int status)
{
	status %= 1000; /* HOST_NOT_ALLOWED is a 403 */
	if (status == 0)
		return HTTP_NO_CONTENT;
	return status >= 200 && status <= 599 ? status :
						HTTP_INTERNAL_SERVER_ERROR;
}

int
cgi_answer(struct cgi *cgi, int status)
{
	const struct phrase *phrase;
	bool written;
	char *response;
	size_t len;

	status = final(status);
	phrase = phrase_of(status);
	if (is_unread(cgi))
		drain(cgi);
	if (status == HTTP_NOT_MODIFIED || status == HTTP_NO_CONTENT)
		cgi->document_len = 0;
	if (status >= 400) {
		cgi->etag[0] = '\0';
		free(cgi->document);
		make_envelope(cgi, status, phrase);
	}
	response = compose(cgi, status, phrase, &len);
	written = cgi->write(cgi, response, len);
	if (!written)
		log_line("the answer %d was not written", status);
	free(response);
	free(cgi->document);
	free(cgi->body);
	return written ? 0 : 1;
}
