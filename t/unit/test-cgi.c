/*
 * test-cgi: parameters, and the base URL that a request gives.  All else that
 * cgi does is seen from outside, in input.t.
 */
#include "capture.h"
#include "cgi.h"
#include "hosts.h"
#include "tap.h"

static const struct {
	const char *encoded;
	const char *name;
	int found;
	const char *value; /* where found is 1 */
} table[] = {
	{ "", "a", 0, NULL },
	{ "a=1", "a", 1, "1" },
	{ "a=1&b=2", "b", 1, "2" },
	{ "b=2&a=1", "a", 1, "1" },
	{ "&&a=1&&", "a", 1, "1" },
	{ "a=1", "b", 0, NULL },
	{ "aa=1", "a", 0, NULL },
	{ "a=1", "aa", 0, NULL },
	{ "A=1", "a", 0, NULL },
	{ "a", "a", 0, NULL },
	{ "=1", "a", 0, NULL },
	{ "b=a=1", "a", 0, NULL },
	{ "%61=1", "a", 0, NULL },
	{ "a=1;b=2", "a", 1, "1;b=2" },
	{ "a=b=c", "a", 1, "b=c" },
	{ "a=x+y", "a", 1, "x y" },
	{ "a=x%20y", "a", 1, "x y" },
	{ "a=%2B", "a", 1, "+" },
	{ "a=%26b%3D1", "a", 1, "&b=1" },
	{ "a=%c3%A9", "a", 1, "\xc3\xa9" },
	{ "a=%252F", "a", 1, "%2F" },
	{ "a=%0d%0aX:%20y", "a", 1, "\r\nX: y" },
	{ "a=%ff", "a", 1, "\xff" },
	{ "a=http://h/?x=1", "a", 1, "http://h/?x=1" },

	/* twice */
	{ "a=1&a=1", "a", -1, NULL },
	{ "a=1&a=2", "a", -1, NULL },
	{ "a=1&b=2&a=3", "a", -1, NULL },
	{ "a=1&a=1", "b", 0, NULL },

	/* empty */
	{ "a=", "a", -1, NULL },
	{ "a=&a=1", "a", -1, NULL },

	/* not encoded */
	{ "a=%", "a", -1, NULL },
	{ "a=%4", "a", -1, NULL },
	{ "a=%4&1=2", "a", -1, NULL },
	{ "a=%%41", "a", -1, NULL },
	{ "a=%g1", "a", -1, NULL },
	{ "a=%1g", "a", -1, NULL },
	{ "a=%-1", "a", -1, NULL },
	{ "a=%+1", "a", -1, NULL },
	{ "a=%0x41", "a", -1, NULL },
	{ "a=%u0041", "a", -1, NULL },
	{ "a=% 41", "a", -1, NULL },
	{ "a=%\xef\xbc\x91"
	  "1",
	    "a", -1, NULL },

	/* a NUL */
	{ "a=%00", "a", -1, NULL },
	{ "a=x%00", "a", -1, NULL },
	{ "a=x%00y", "a", -1, NULL },
};

static void
test_table(void)
{
	char out[CGI_URL_MAX];
	size_t i;
	int found;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memset(out, '#', sizeof(out));
		found = cgi_param(table[i].encoded, table[i].name, out);
		is_int(found, table[i].found, "%s in \"%s\"", table[i].name,
		    table[i].encoded);
		if (found == 1 && table[i].value != NULL)
			ok(strcmp(out, table[i].value) == 0,
			    "... and its value");
	}
}

/* A value of len bytes, each of them encoded as text says. */
static int
find_long(const char *text, size_t len, char out[CGI_URL_MAX])
{
	char *query = malloc(len * strlen(text) + sizeof("a=&b=1")), *p;
	int found;
	size_t i;

	if (query == NULL)
		die("malloc");
	p = stpcpy(query, "a=");
	for (i = 0; i < len; i++)
		p = stpcpy(p, text);
	strcpy(p, "&b=1");
	found = cgi_param(query, "a", out);
	free(query);
	return found;
}

static void
test_length(void)
{
	char *const out = malloc(CGI_URL_MAX); /* which sanitizers watch */

	if (out == NULL)
		die("malloc");
	is_int(find_long("x", CGI_URL_MAX - 1, out), 1, "the longest value");
	is_int((long long)strlen(out), CGI_URL_MAX - 1, "... is whole");
	is_int(find_long("x", CGI_URL_MAX, out), -1, "one byte more");
	is_int(find_long("%78", CGI_URL_MAX - 1, out), 1,
	    "the longest value, encoded");
	is_int((long long)strlen(out), CGI_URL_MAX - 1, "... is whole");
	is_int(find_long("%78", CGI_URL_MAX, out), -1, "one byte more");
	is_int(find_long("x", 65536, out), -1, "64 KiB");
	free(out);
}

/* ---- the base URL ---- */

static const struct {
	const char *scheme; /* "on": HTTPS instead of REQUEST_SCHEME */
	const char *host;
	const char *script;
	const char *url; /* NULL: 400 */
	const char *key;
} requests[] = {
	{ "https", "addon.example.com", "/capabilities",
	    "https://addon.example.com", "addon.example.com" },
	{ "http", "addon.example.com", "/capabilities",
	    "http://addon.example.com", "addon.example.com" },
	{ NULL, "addon.example.com", "/capabilities",
	    "http://addon.example.com", "addon.example.com" },
	{ "https", "addon.example.com:8443", "/capabilities",
	    "https://addon.example.com:8443", "addon.example.com" },
	{ "https", "addon.example.com", "/hip/chat/capabilities",
	    "https://addon.example.com/hip/chat", "addon.example.com" },
	{ "https", "addon.example.com", "/~me/cgi-bin/capabilities",
	    "https://addon.example.com/~me/cgi-bin", "addon.example.com" },
	{ "https", "192.0.2.1:80", "/capabilities", "https://192.0.2.1:80",
	    "192.0.2.1" },
	{ "https", "[2001:db8::1]", "/capabilities", "https://[2001:db8::1]",
	    "[2001:db8::1]" },
	{ "https", "[2001:db8::1]:8443", "/x/capabilities",
	    "https://[2001:db8::1]:8443/x", "[2001:db8::1]" },
	{ "https", "localhost", NULL, "https://localhost", "localhost" },
	{ "https", "AddOn.Example.COM:8443", "/A/capabilities",
	    "https://addon.example.com:8443/A", "addon.example.com" },
	{ "https", "addon.example.com.", "/capabilities",
	    "https://addon.example.com", "addon.example.com" },
	{ "https", "addon.example.com.:8443", "/capabilities",
	    "https://addon.example.com:8443", "addon.example.com" },
	{ "on", "addon.example.com", "/capabilities",
	    "https://addon.example.com", "addon.example.com" },

	{ "https", NULL, "/capabilities", NULL, NULL },
	{ "https", "", "/capabilities", NULL, NULL },
	{ "https", ":80", "/capabilities", NULL, NULL },
	{ "https", "/", "/capabilities", NULL, NULL },
	{ "https", "a/b", "/capabilities", NULL, NULL },
	{ "https", "a\\b", "/capabilities", NULL, NULL },
	{ "https", "a b", "/capabilities", NULL, NULL },
	{ "https", "a\tb", "/capabilities", NULL, NULL },
	{ "https", "a\r\nX: y", "/capabilities", NULL, NULL },
	{ "https", "a\"b", "/capabilities", NULL, NULL },
	{ "https", "user@a", "/capabilities", NULL, NULL },
	{ "https", "a?b", "/capabilities", NULL, NULL },
	{ "https", "a#b", "/capabilities", NULL, NULL },
	{ "https", "a,b", "/capabilities", NULL, NULL },
	{ "https", "a%2fb", "/capabilities", NULL, NULL },
	{ "https", "<a>", "/capabilities", NULL, NULL },
	{ "https", "\xc3\xa9", "/capabilities", NULL, NULL },
	{ "https", "[::1", "/capabilities", NULL, NULL },
	{ "https", "[]", "/capabilities", NULL, NULL },
	{ "https", "a:b", "/capabilities", NULL, NULL },
	{ "https", "a:1:2", "/capabilities", NULL, NULL },
	{ "ftp", "a", "/capabilities", NULL, NULL },
	{ "javascript", "a", "/capabilities", NULL, NULL },
	{ "https", "a", "/a b/capabilities", NULL, NULL },
	{ "https", "a", "/\"/capabilities", NULL, NULL },
};

/* The base URL that a request with these variables gives. */
static int
derive(const char *scheme, const char *host, const char *script, char *url,
    struct capture *log)
{
	struct cgi cgi;
	int status;

	if (clearenv() != 0 || setenv("REQUEST_METHOD", "GET", 1) != 0)
		die("environment");
	if (scheme != NULL)
		setenv(strcmp(scheme, "on") == 0 ? "HTTPS" : "REQUEST_SCHEME",
		    scheme, 1);
	if (host != NULL)
		setenv("HTTP_HOST", host, 1);
	if (script != NULL)
		setenv("SCRIPT_NAME", script, 1);
	cgi_init(&cgi);
	cgi_head(&cgi, CGI_GET, CGI_BODY_MAX);
	capture_start(log);
	status = cgi_base_url(&cgi, "", url);
	capture_stop(log);
	return status;
}

static void
test_requests(void)
{
	char url[CGI_URL_MAX], key[CGI_URL_MAX];
	struct capture log;
	size_t i;
	int status;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		status = derive(requests[i].scheme, requests[i].host,
		    requests[i].script, url, &log);
		is_int(status, requests[i].url != NULL ? 0 : 400,
		    "request %zu: %s", i,
		    requests[i].url != NULL ? requests[i].url : "no base URL");
		is_line(log.text,
		    requests[i].url != NULL ? "" : "400: no base URL: ",
		    "... logged, if that is so");
		if (requests[i].url == NULL)
			continue;
		is_str(url, requests[i].url, "... the base URL");
		hosts_name(url, key);
		is_str(key, requests[i].key, "... the key");
	}
}

/* Host headers of every length: either all of it, or 400. */
static void
test_long_host(void)
{
	char host[1200], url[CGI_URL_MAX], expected[1300];
	struct capture log;
	size_t len, wrong = 0;
	int status;

	for (len = 1; len < sizeof(host); len++) {
		memset(host, 'h', len);
		host[len] = '\0';
		status = derive(NULL, host, NULL, url, &log);
		snprintf(expected, sizeof(expected), "http://%s", host);
		if (status == 0)
			wrong += strcmp(url, expected) != 0;
		else
			wrong += status != 400 || len < 200;
	}
	is_int((long long)wrong, 0, "a Host of 1 to %zu bytes",
	    sizeof(host) - 1);
}

static void
test_proxy(void)
{
	char url[CGI_URL_MAX];
	struct capture log;
	struct cgi cgi;

	derive("http", "addon.example.com", "/capabilities", url, &log);
	setenv("HTTP_X_FORWARDED_PROTO", "https", 1);
	cgi_init(&cgi);
	cgi_head(&cgi, CGI_GET, CGI_BODY_MAX);
	capture_start(&log);
	is_int(cgi_base_url(&cgi, "", url), 0, "behind a proxy with TLS");
	capture_stop(&log);
	ok(strstr(log.text, "HIPCHAT_BASE_URL") != NULL,
	    "... the log names the setting");
	capture_start(&log);
	is_int(cgi_base_url(&cgi, "https://addon.example.com/y", url), 0,
	    "with that setting");
	is_str(url, "https://addon.example.com/y", "... it wins");
	is_str(capture_stop(&log), "", "... and all is well");
}

/* ---- statuses ---- */

/* Answer with the status; the first line of what is written. */
static void
answer(int status, char line[64])
{
	const int saved = dup(STDOUT_FILENO);
	const int out = memfd_create("response", MFD_CLOEXEC);
	struct cgi cgi;
	ssize_t n;

	cgi_init(&cgi);
	fflush(stdout);
	if (saved < 0 || out < 0 || dup2(out, STDOUT_FILENO) < 0)
		die("standard output");
	cgi_answer(&cgi, status);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = pread(out, line, 63, 0);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\r")] = '\0';
	close(out);
}

static void
test_statuses(void)
{
	static const struct {
		int status;
		const char *line;
	} statuses[] = {
		{ 0, "Status: 204 No Content" },
		{ 200, "Status: 200 OK" },
		{ 201, "Status: 201 Created" },
		{ 206, "Status: 206 OK" },
		{ 404, "Status: 404 Not Found" },
		{ 418, "Status: 418 Bad Request" },
		{ 503, "Status: 503 Service Unavailable" },
		{ 507, "Status: 507 Internal Server Error" },
		{ HOST_NOT_ALLOWED, "Status: 403 Forbidden" },
		{ 600, "Status: 500 Internal Server Error" },
		{ 1, "Status: 500 Internal Server Error" },
		{ -1, "Status: 500 Internal Server Error" },
	};
	char line[64];
	size_t i;

	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		answer(statuses[i].status, line);
		is_str(line, statuses[i].line, "status %d", statuses[i].status);
	}
}

int
main(void)
{
	test_statuses();
	test_table();
	test_length();
	test_requests();
	test_long_host();
	test_proxy();
	return done();
}
