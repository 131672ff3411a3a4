/*
 * cgi: see cgi.h.  The response is put together whole and written once, so
 * a program that dies on its way has written nothing, and the web server
 * answers 500 for it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
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
#include "io.h"
#include "log.h"

/* Seconds until a body that does not arrive is given up. */
#define BODY_TIMEOUT 30

/* Bytes and seconds of a body that is refused, but still read. */
#define DRAIN_MAX 1048576
#define DRAIN_TIMEOUT 5

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

/* Reason phrases, and what the client reads where nobody said more. */
static const struct {
	int status;
	const char *phrase;
	const char *message;
} phrases[] = {
	{ 200, "OK", "" },
	{ 204, "No Content", "" },
	{ 302, "Found", "" },
	{ 304, "Not Modified", "" },
	{ 400, "Bad Request", "The request is malformed" },
	{ 401, "Unauthorized", "Authenticated requests only" },
	{ 403, "Forbidden", "This HipChat server or secret is not accepted" },
	{ 404, "Not Found", "Nothing at this URL" },
	{ 405, "Method Not Allowed", "Another method is needed" },
	{ 408, "Request Timeout", "The body did not arrive in time" },
	{ 409, "Conflict", "It stays as it is" },
	{ 411, "Length Required", "Content-Length is needed" },
	{ 413, "Payload Too Large", "The body is larger than 65536 bytes" },
	{ 502, "Bad Gateway", "HipChat did not answer as expected" },
	{ 503, "Service Unavailable", "Try again later" },
	{ 500, "Internal Server Error", "The add-on is misconfigured" },
};
#define PHRASES (sizeof(phrases) / sizeof(phrases[0]))

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL ? value : "";
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

static int
read_method(struct cgi *cgi)
{
	const char *name = getenv("REQUEST_METHOD");
	size_t i;

	if (name == NULL) {
		log_line("no REQUEST_METHOD: this is a CGI program");
		return 500;
	}
	for (i = 0; i < METHODS; i++)
		if (strcmp(name, methods[i].name) == 0)
			cgi->method = methods[i].method;
	if ((cgi->method & cgi->allowed) == 0)
		return cgi_error(cgi, 405, "method %.20s is not served here",
		    name);
	return 0;
}

static int
read_length(struct cgi *cgi, size_t *len)
{
	const char *text = variable("CONTENT_LENGTH");

	if (*text == '\0')	/* RFC 3875 4.1.2: empty is as absent */
		return cgi_error(cgi, 411, "Content-Length is needed");
	if (text[strspn(text, "0123456789")] != '\0')
		return cgi_error(cgi, 400, "Content-Length: not a number");
	errno = 0;
	*len = strtoul(text, NULL, 10);
	if (errno != 0 || *len > CGI_BODY_MAX)
		return cgi_error(cgi, 413, "body larger than %d bytes",
		    CGI_BODY_MAX);
	return 0;
}

static time_t
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Wait for input until the deadline; false when it has passed. */
static bool
wait_for_input(time_t deadline)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	const time_t now = seconds_now();

	return now < deadline &&
	    poll(&pfd, 1, (int)(deadline - now) * 1000) > 0;
}

/*
 * Throw away a body that nobody has read: a web server that can't deliver it
 * may not listen to the answer either.
 */
static void
drain(void)
{
	const time_t deadline = seconds_now() + DRAIN_TIMEOUT;
	char bytes[16384];
	size_t total = 0;
	ssize_t n;

	while (total < DRAIN_MAX && wait_for_input(deadline) &&
	    (n = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
		total += (size_t)n;
}

static int
read_body(struct cgi *cgi)
{
	const time_t deadline = seconds_now() + BODY_TIMEOUT;
	size_t len = 0;
	ssize_t n;
	int status;

	if ((status = read_length(cgi, &len)) != 0)
		return status;
	cgi->body = need(malloc(len + 1));
	while (cgi->body_len < len) {
		if (!wait_for_input(deadline))
			return cgi_error(cgi, 408,
			    "the body did not arrive in %d s", BODY_TIMEOUT);
		n = read(STDIN_FILENO, cgi->body + cgi->body_len,
		    len - cgi->body_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return cgi_error(cgi, 400, "body of %zu bytes, "
			    "%zu announced", cgi->body_len, len);
		cgi->body_len += (size_t)n;
	}
	cgi->body[len] = '\0';
	return 0;
}

int
cgi_read(struct cgi *cgi, const char *program, unsigned int allowed)
{
	int status;

	log_open(program);
	signal(SIGPIPE, SIG_IGN);
	memset(cgi, 0, sizeof(*cgi));
	cgi->program = program;
	cgi->allowed = allowed;
	cgi->path_info = variable("PATH_INFO");
	cgi->query = variable("QUERY_STRING");
	cgi->authorization = variable("HTTP_AUTHORIZATION");

	if ((status = read_method(cgi)) != 0)
		return status;
	if ((cgi->method == CGI_DELETE) != (strlen(cgi->path_info) > 1))
		return cgi_error(cgi, 404, "nothing to %s at this URL",
		    cgi->method == CGI_DELETE ? "delete" : "find");
	return cgi->method == CGI_POST ? read_body(cgi) : 0;
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

/* Decode len bytes of application/x-www-form-urlencoded; false if unfit. */
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
			if (found != 0 || !decode(encoded + name_len + 1,
			    len - name_len - 1, out))
				return -1;
			found = 1;
		}
		if (encoded[len] == '\0')
			return found;
	}
}

int
cgi_redirect(struct cgi *cgi, const char *url)
{
	snprintf(cgi->location, sizeof(cgi->location), "%s", url);
	return 302;
}

int
cgi_document(struct cgi *cgi, char *json, size_t len)
{
	struct sha256_ctx ctx;
	uint8_t digest[8];
	size_t i, at = 1;

	cgi->document = json;
	cgi->document_len = len;
	sha256_init(&ctx);
	sha256_update(&ctx, len, (const uint8_t *)json);
	sha256_digest(&ctx, sizeof(digest), digest);
	cgi->etag[0] = '"';
	for (i = 0; i < sizeof(digest); i++, at += 2)
		snprintf(cgi->etag + at, 3, "%02x", digest[i]);
	cgi->etag[at] = '"';
	/* a tag that is listed, weak or "*": RFC 9110 13.1.2 */
	if (strstr(variable("HTTP_IF_NONE_MATCH"), cgi->etag) != NULL ||
	    strcmp(variable("HTTP_IF_NONE_MATCH"), "*") == 0)
		return 304;
	return 200;
}

/* Put HipChat's error envelope where the document would be. */
static void
make_envelope(struct cgi *cgi, int status, size_t phrase)
{
	const char *message = *cgi->reason != '\0' ? cgi->reason :
	    phrases[phrase].message;
	const int len = asprintf(&cgi->document,
	    "{\"error\":{\"code\":%d,\"message\":\"%s\",\"type\":\"%s\"}}\n",
	    status, message, phrases[phrase].phrase);

	cgi->document_len = len > 0 ? (size_t)len : 0;
}

static void
write_headers(const struct cgi *cgi, FILE *out, int status, size_t phrase)
{
	const char *comma = "";
	size_t i;

	fprintf(out, "Status: %d %s\r\n", status, phrases[phrase].phrase);
	if (cgi->document_len > 0)
		fprintf(out, "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n", cgi->document_len);
	if (cgi->etag[0] != '\0')
		fprintf(out, "ETag: %s\r\n"
		    "Cache-Control: public, max-age=60\r\n", cgi->etag);
	else
		fprintf(out, "Cache-Control: no-store\r\n");
	if (status == 302)
		fprintf(out, "Location: %s\r\n", cgi->location);
	if (status == 405) {
		fprintf(out, "Allow: ");
		for (i = 0; i < METHODS; i++) {
			if ((cgi->allowed & methods[i].method) == 0)
				continue;
			fprintf(out, "%s%s", comma, methods[i].name);
			comma = ", ";
		}
		fprintf(out, "\r\n");
	}
	fprintf(out, "\r\n");
}

int
cgi_answer(struct cgi *cgi, int status)
{
	char *response = NULL;
	size_t phrase = 0, len = 0;
	bool written = false;
	FILE *out;

	if (status == 0)
		status = 204;
	while (phrase < PHRASES - 1 && phrases[phrase].status != status)
		phrase++;
	if (cgi->body == NULL && (*variable("CONTENT_LENGTH") != '\0' ||
	    *variable("HTTP_TRANSFER_ENCODING") != '\0'))
		drain();
	if (status == 304)
		cgi->document_len = 0;
	if (status >= 400) {
		cgi->etag[0] = '\0';
		free(cgi->document);
		make_envelope(cgi, status, phrase);
	}
	if ((out = open_memstream(&response, &len)) != NULL) {
		write_headers(cgi, out, status, phrase);
		if (cgi->method != CGI_HEAD && cgi->document_len > 0)
			fwrite(cgi->document, 1, cgi->document_len, out);
		written = fclose(out) == 0 &&
		    io_write(STDOUT_FILENO, response, len);
	}
	free(response);
	free(cgi->document);
	free(cgi->body);
	if (!written)
		log_line("the answer %d was not written", status);
	return written ? 0 : 1;
}
