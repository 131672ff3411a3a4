/*
 * test-http: the guard.  Which URLs it lets pass; and that nothing is ever
 * connected to at a private address unless the list names that very origin,
 * whatever the name server says.
 *
 * Names are resolved, and sockets opened, by the functions below, which stand
 * in for those of the C library: so no name server and no network is needed,
 * and every connection that libcurl tries is seen.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "capture.h"
#include "http.h"
#include "status.h"
#include "tap.h"

/* ---- name server and network ---- */

/* The only way to functions that libcurl calls is a variable. */
static struct {
	const char *addresses[3]; /* what every name resolves to */
	int lookups;		  /* of names */
	int connections;	  /* tried */
	bool away;		  /* and none succeeds */
} net;

/* ISO C has no cast from dlsym()'s result to a function. */
static void
real(const char *name, void *function, size_t size)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	if (symbol == NULL)
		die(name);
	memcpy(function, &symbol, size);
}

/* The addresses of the table; a numeric host is itself. */
int
getaddrinfo(const char *restrict host, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
	int (*function)(const char *, const char *, const struct addrinfo *,
	    struct addrinfo **);
	struct addrinfo numeric = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST };
	struct addrinfo **next = list;
	size_t i;

	(void)hints;
	real("getaddrinfo", &function, sizeof(function));
	if (function(host, service, &numeric, list) == 0)
		return 0;
	net.lookups++;
	for (i = 0; i < 3 && net.addresses[i] != NULL; i++) {
		if (function(net.addresses[i], service, &numeric, next) != 0)
			die(net.addresses[i]);
		next = &(*next)->ai_next;
	}
	return i > 0 ? 0 : EAI_NONAME;
}

/* Every connection begins here; datagrams are libcurl's look at IPv6. */
int
socket(int family, int type, int protocol)
{
	int (*function)(int, int, int);

	if ((type & SOCK_DGRAM) == 0) {
		net.connections++;
		if (net.away) {
			errno = ENETUNREACH;
			return -1;
		}
	}
	real("socket", &function, sizeof(function));
	return function(family, type, protocol);
}

/* ---- URLs ---- */

static const char list[] =
    "api.hipchat.com *.chat.example 127.0.0.1 [::1] "
    "xn--bcher-kva.example http://127.0.0.1:8081 https://private.example "
    "https://port.example:8443 http://[::1]:8081";

static const struct {
	const char *url;
	bool allowed;
} urls[] = {
	/* hosts and domains */
	{ "https://api.hipchat.com", true },
	{ "https://api.hipchat.com/", true },
	{ "https://api.hipchat.com/v2/capabilities?a=b#c", true },
	{ "https://api.hipchat.com?a=b", true },
	{ "https://api.hipchat.com#a", true },
	{ "https://api.hipchat.com:443/", true },
	{ "https://API.HipChat.com/", true },
	{ "HTTPS://api.hipchat.com/", true },
	{ "https://a.chat.example/", true },
	{ "https://a.b.chat.example/", true },
	{ "https://chat.example/", false },
	{ "https://.chat.example/", false },
	{ "https://evilchat.example/", false },
	{ "https://hipchat.com/", false },
	{ "https://x.api.hipchat.com/", false },
	{ "https://api.hipchat.com.evil.example/", false },
	{ "https://api.hipchat.com.", false },
	{ "https://api.hipchat.com./", false },
	{ "https://a.chat.example./", false },
	{ "https://evil.example/", false },
	{ "https://evil.example/https://api.hipchat.com/", false },
	{ "https://evil.example/?https://api.hipchat.com/", false },
	{ "https://evil.example?.chat.example/", false },
	{ "https://evil.example#.chat.example/", false },
	{ "https://evil.example/.chat.example/", false },

	/* schemes */
	{ "http://api.hipchat.com/", false },
	{ "http://api.hipchat.com:443/", false },
	{ "ftp://api.hipchat.com/", false },
	{ "ws://api.hipchat.com/", false },
	{ "gopher://api.hipchat.com:443/", false },
	{ "file://api.hipchat.com/etc/passwd", false },
	{ "file:///etc/passwd", false },
	{ "javascript:alert(1)", false },
	{ "javascript://api.hipchat.com/%0aalert(1)", false },
	{ "data:text/html,x", false },
	{ "api.hipchat.com", false },
	{ "api.hipchat.com/v2", false },
	{ "//api.hipchat.com/", false },
	{ "/v2/capabilities", false },
	{ "https:api.hipchat.com", false },
	{ "https:///", false },
	{ "https://", false },
	{ "https:", false },
	{ "https", false },
	{ "", false },
	{ " ", false },
	{ ":", false },
	{ "https ://api.hipchat.com/", false },
	{ "view-source:https://api.hipchat.com/", false },

	/* ports */
	{ "https://api.hipchat.com:80/", false },
	{ "https://api.hipchat.com:8443/", false },
	{ "https://api.hipchat.com:0/", false },
	{ "https://api.hipchat.com:65979/", false },
	{ "https://api.hipchat.com:4294967739/", false },
	{ "https://api.hipchat.com:-443/", false },
	{ "https://api.hipchat.com:+443/", false },
	{ "https://api.hipchat.com:443x/", false },
	{ "https://api.hipchat.com:443:443/", false },
	{ "https://api.hipchat.com:0x1bb/", false },
	{ "https://port.example:8443/", true },
	{ "https://port.example/", false },
	{ "https://port.example:443/", false },

	/* user names */
	{ "https://user@api.hipchat.com/", false },
	{ "https://user:password@api.hipchat.com/", false },
	{ "https://:@api.hipchat.com/", false },
	{ "https://:password@api.hipchat.com/", false },
	{ "https://api.hipchat.com@evil.example/", false },
	{ "https://api.hipchat.com:443@evil.example/", false },
	{ "https://api.hipchat.com%40evil.example/", false },
	{ "https://evil.example#@api.hipchat.com/", false },
	{ "https://evil.example?@api.hipchat.com/", false },
	{ "https://evil.example/@api.hipchat.com/", false },
	{ "https://evil.example:443@api.hipchat.com/", false },
	{ "https://a@b@api.hipchat.com/", false },

	/* odd bytes */
	{ "https://api.hipchat.com\\@evil.example/", false },
	{ "https://evil.example\\@api.hipchat.com/", false },
	{ "https://evil.example\\.chat.example/", false },
	{ "https:\\\\api.hipchat.com\\", false },
	{ "https://api.hipchat.com\t/", false },
	{ "https://api\t.hipchat.com/", false },
	{ "https://api.hipchat.com/\r\nX: y", false },
	{ "https://api.hipchat.com/\n", false },
	{ "\nhttps://api.hipchat.com/", false },
	{ " https://api.hipchat.com/", false },
	{ "https://api.hipchat.com /", false },
	{ "https://api.hipchat.com/a b", false },
	{ "https://api.hipchat.com/\"", false },
	{ "https://api.hipchat.com/<x>", false },
	{ "https://api.hipchat.com/\x7f", false },
	{ "https://api.hipchat.com/\xc3\xa9", false },
	{ "https://api.hipchat.com/\x01", false },
	{ "https://evil.example%00.chat.example/", false },
	{ "https://evil.example%23.chat.example/", false },
	{ "https://evil.example%2f.chat.example/", false },
	{ "https://evil.example%3f.chat.example/", false },
	{ "https://evil.example%5c.chat.example/", false },
	{ "https://evil.example%0d%0a.chat.example/", false },
	{ "https://evil.example%20.chat.example/", false },
	{ "https://api.hipchat.com%2eevil.example/", false },
	{ "https://evil.example;.chat.example/", false },
	{ "https://evil.example,api.hipchat.com/", false },
	{ "https://*.chat.example/", false },
	{ "https://{a,b}.chat.example/", false },
	{ "https://[a-z].chat.example/", false },

	/* names in other scripts */
	{ "https://xn--bcher-kva.example/", true },
	{ "https://b\xc3\xbc"
	  "cher.example/",
	    false },
	{ "https://\xc2\xaa"
	  "pi.hipchat.com/",
	    false },
	{ "https://api\xe3\x80\x82hipchat.com/", false },
	{ "https://api.hipchat.\xef\xbd\x83om/", false },

	/* addresses */
	{ "https://127.0.0.1/", true },
	{ "https://127.0.0.2/", false },
	{ "https://10.0.0.1/", false },
	{ "https://169.254.169.254/", false },
	{ "http://127.0.0.1/", false },
	{ "http://127.0.0.1:8081/", true },
	{ "http://127.0.0.1:8082/", false },
	{ "https:/api.hipchat.com/", false },
	{ "https:///api.hipchat.com/", false },
	{ "https:/x/?https://api.hipchat.com/", false },
	{ "https://127.0.0.1:8081/", false },
	{ "http://0.0.0.0:8081/", false },
	{ "http://0:8081/", false },
	{ "http://localhost:8081/", false },
	{ "http://127.0.0.1.:8081/", false },
	{ "http://[::ffff:127.0.0.1]:8081/", false },
	{ "http://[::1]:8081/", true },
	{ "https://[::1]/", true },
	{ "https://[::2]/", false },
	{ "https://[::1/", false },
	{ "https://[::1]x/", false },
	{ "https://[::1%25lo]x/", false },
	{ "https://[]/", false },
	{ "https://[api.hipchat.com]/", false },
	{ "https://private.example/", true },
	{ "http://private.example/", false },
};

static void
test_urls(void)
{
	struct config cfg = { .allowed_hosts = list };
	struct capture log;
	size_t i;

	ok(strlen(list) > 0, "the list: %s", list);
	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		char shown[80], *p;
		bool allowed;

		snprintf(shown, sizeof(shown), "%s", urls[i].url);
		for (p = shown; *p != '\0'; p++)
			if (*p < 0x20 || *p > 0x7e || *p == '#')
				*p = '.';
		capture_start(&log);
		allowed = http_url_allowed(&cfg, urls[i].url);
		capture_stop(&log);
		ok(allowed == urls[i].allowed && *log.text == '\0', "%s: %s",
		    urls[i].allowed ? "allowed" : "not allowed", shown);
	}
}

/*
 * Other spellings of 127.0.0.1, which is on the list.  It does not matter
 * whether they pass; but as a host, nothing is connected to.
 */
static void
test_spellings(void)
{
	static const char *const spellings[] = { "https://2130706433/",
		"https://0x7f000001/", "https://0x7f.1/", "https://127.1/",
		"https://0177.0.0.1/", "https://017700000001/",
		"https://127.0.0.1./", "https://%31%32%37.0.0.1/",
		"https://[::ffff:127.0.0.1]/", "https://[::127.0.0.1]/",
		"https://[0:0:0:0:0:0:0:1]/", "https://[::1%25lo]/" };
	struct config cfg = { .allowed_hosts = "127.0.0.1 [::1] *.0.0.1" };
	struct http_request request = { .body = NULL };
	struct http_call call;
	struct capture log;
	size_t i;
	int status;

	for (i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		net.connections = 0;
		net.away = true;
		request.url = spellings[i];
		capture_start(&log);
		status = http_do(&call, &cfg, &request);
		http_free(&call);
		capture_stop(&log);
		ok((status == HOST_NOT_ALLOWED || status == 502) &&
			net.connections == 0,
		    "%s is not connected to", spellings[i]);
		ok(*log.text != '\0', "... which is logged");
	}
	net.away = false;
}

/* ---- addresses ---- */

static const struct {
	const char *address;
	bool public;
} addresses[] = {
	{ "1.1.1.1", true },
	{ "9.255.255.255", true },
	{ "11.0.0.0", true },
	{ "100.63.255.255", true },
	{ "100.128.0.0", true },
	{ "126.255.255.255", true },
	{ "128.0.0.0", true },
	{ "169.253.255.255", true },
	{ "169.255.0.0", true },
	{ "172.15.255.255", true },
	{ "172.32.0.0", true },
	{ "192.0.1.0", true },
	{ "192.167.255.255", true },
	{ "192.169.0.0", true },
	{ "198.17.255.255", true },
	{ "198.20.0.0", true },
	{ "203.0.112.255", true },
	{ "203.0.114.0", true },
	{ "223.255.255.255", true },
	{ "0.0.0.0", false },
	{ "0.255.255.255", false },
	{ "10.0.0.0", false },
	{ "10.255.255.255", false },
	{ "100.64.0.0", false },
	{ "100.100.100.200", false },
	{ "100.127.255.255", false },
	{ "127.0.0.0", false },
	{ "127.0.0.1", false },
	{ "127.255.255.255", false },
	{ "169.254.0.0", false },
	{ "169.254.169.254", false },
	{ "169.254.255.255", false },
	{ "172.16.0.0", false },
	{ "172.31.255.255", false },
	{ "192.0.0.0", false },
	{ "192.0.0.170", false },
	{ "192.0.2.1", false },
	{ "192.88.99.1", false },
	{ "192.168.0.0", false },
	{ "192.168.255.255", false },
	{ "198.18.0.0", false },
	{ "198.19.255.255", false },
	{ "198.51.100.1", false },
	{ "203.0.113.1", false },
	{ "224.0.0.1", false },
	{ "239.255.255.255", false },
	{ "240.0.0.1", false },
	{ "255.255.255.255", false },

	{ "2001:200::1", true },
	{ "2001:4860:4860::8888", true },
	{ "2003::1", true },
	{ "2400:cb00::1", true },
	{ "2606:4700::1", true },
	{ "2a00:1450::1", true },
	{ "::", false },
	{ "::1", false },
	{ "::127.0.0.1", false },
	{ "::1.1.1.1", false },
	{ "::ffff:127.0.0.1", false },
	{ "::ffff:10.0.0.1", false },
	{ "::ffff:1.1.1.1", false },
	{ "::ffff:0:1.1.1.1", false },
	{ "64:ff9b::1.1.1.1", true },
	{ "64:ff9b::223.255.255.255", true },
	{ "64:ff9b::7f00:1", false },
	{ "64:ff9b::10.0.0.1", false },
	{ "64:ff9b::169.254.169.254", false },
	{ "64:ff9b::", false },
	{ "64:ff9b::1:101:101", false },
	{ "64:ff9b:0:1::101:101", false },
	{ "64:ff9b:1::1", false },
	{ "100::1", false },
	{ "100:0:0:1::1", false },
	{ "1fff::1", false },
	{ "2001::1", false },
	{ "2001:1::1", false },
	{ "2001:2::1", false },
	{ "2001:10::1", false },
	{ "2001:20::1", false },
	{ "2001:db8::1", false },
	{ "2001:db8:ffff::1", false },
	{ "2002:7f00:1::1", false },
	{ "2002:101:101::1", false },
	{ "3fff::1", false },
	{ "3fff:fff:ffff::1", false },
	{ "4000::1", false },
	{ "5f00::1", false },
	{ "fc00::1", false },
	{ "fd00:ec2::254", false },
	{ "fe80::1", false },
	{ "febf::1", false },
	{ "fec0::1", false },
	{ "ff02::1", false },
};

/* A call to a host that resolves to these; returns the connections tried. */
static int
call_resolved(const char *first, const char *second, const char *allowed,
    struct capture *log, int *status)
{
	const struct http_request request = {
		.url = "https://api.hipchat.com/v2/capabilities?secret=1"
	};
	const struct config cfg = { .allowed_hosts = allowed };
	struct http_call call;

	memset(&net, 0, sizeof(net));
	net.away = true;
	net.addresses[0] = first;
	net.addresses[1] = second;
	capture_start(log);
	*status = http_do(&call, &cfg, &request);
	http_free(&call);
	capture_stop(log);
	net.away = false;
	return net.connections;
}

static void
test_addresses(void)
{
	struct capture log;
	int status, tried;
	size_t i;

	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		tried = call_resolved(addresses[i].address, NULL,
		    "*.hipchat.com", &log, &status);
		ok(status == 502 && tried == addresses[i].public, "%s: %s",
		    addresses[i].public ? "public" : "not public",
		    addresses[i].address);
		if (strstr(log.text, "secret=1") != NULL ||
		    strstr(log.text, "api.hipchat.com") == NULL ||
		    (strstr(log.text, "address is private") == NULL) !=
			addresses[i].public)
			ok(false, "... and logged: %s", log.text);
	}
}

static void
test_several_addresses(void)
{
	struct capture log;
	int status, tried;

	tried = call_resolved("127.0.0.1", "10.0.0.1", "api.hipchat.com", &log,
	    &status);
	ok(status == 502 && tried == 0, "two private addresses: neither");
	tried = call_resolved("1.1.1.1", "127.0.0.1", "api.hipchat.com", &log,
	    &status);
	ok(status == 502 && tried == 1,
	    "a public and a private one: the "
	    "public one only");
	tried =
	    call_resolved("::1", "1.1.1.1", "api.hipchat.com", &log, &status);
	ok(status == 502 && tried == 1, "... in the other order, too");
	tried = call_resolved(NULL, NULL, "api.hipchat.com", &log, &status);
	ok(status == 502 && tried == 0, "no address at all");
	tried = call_resolved("10.0.0.1", NULL, "https://api.hipchat.com", &log,
	    &status);
	ok(status == 502 && tried == 1, "a private one, for an origin");
	tried = call_resolved("10.0.0.1", NULL,
	    "*.hipchat.com https://api.hipchat.com", &log, &status);
	ok(status == 502 && tried == 1, "... which wins over a domain");
	tried = call_resolved("1.1.1.1", NULL, "*.example", &log, &status);
	ok(status == HOST_NOT_ALLOWED && tried == 0 && net.lookups == 0,
	    "a name that is not on the list is not even resolved");
	ok(strstr(log.text, "secret=1") == NULL &&
		strstr(log.text,
		    "HIPCHAT_ALLOWED_HOSTS, which is \"*.example\"") != NULL,
	    "... the log has the setting, and keeps the query to itself");
}

/* ---- a server on loopback ---- */

/* Answer one connection after the other; the path tells how. */
static void __attribute__((noreturn)) serve(int fd)
{
	static char body[HTTP_REPLY_MAX + 2];
	char request[8192], header[256];
	const char *location = "";
	ssize_t n;
	int client, status = 200;
	size_t len = 2;

	memset(body, 'x', sizeof(body));
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		n = recv(client, request, sizeof(request) - 1, 0);
		request[n > 0 ? n : 0] = '\0';
		if (strstr(request, " /redirect ") != NULL) {
			status = 302;
			location = "Location: /redirected\r\n";
		} else if (strstr(request, " /largest ") != NULL) {
			len = HTTP_REPLY_MAX;
		} else if (strstr(request, " /larger ") != NULL) {
			len = HTTP_REPLY_MAX + 1;
		} else if (strstr(request, " /echo ") != NULL) {
			len = (size_t)n;
			memcpy(body, request, len);
		}
		n = snprintf(header, sizeof(header),
		    "HTTP/1.1 %d X\r\n"
		    "%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
		    status, location, len);
		send(client, header, (size_t)n, MSG_NOSIGNAL);
		send(client, body, len, MSG_NOSIGNAL);
		close(client);
		status = 200;
		location = "";
		len = 2;
		memset(body, 'x', sizeof(body));
	}
	_exit(0);
}

struct server {
	pid_t pid;
	char origin[64];
};

static void
server_start(struct server *s)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof(in)) != 0 ||
	    listen(fd, 8) != 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) != 0 ||
	    (s->pid = fork()) < 0)
		die("a server");
	if (s->pid == 0)
		serve(fd);
	close(fd);
	snprintf(s->origin, sizeof(s->origin), "http://127.0.0.1:%u",
	    ntohs(in.sin_port));
}

/* Call the server with its origin on the list, or another list. */
static int
call_server(const struct server *s, const char *path, const char *allowed,
    struct http_call *call, struct http_request request)
{
	struct config cfg = { .allowed_hosts =
				  allowed != NULL ? allowed : s->origin };
	struct capture log;
	char url[128];
	int status;

	snprintf(url, sizeof(url), "%s%s", s->origin, path);
	request.url = url;
	net.connections = 0;
	capture_start(&log);
	status = http_do(call, &cfg, &request);
	capture_stop(&log);
	is_line(log.text, status == 0 ? "" : url,
	    status == 0 ? "nothing is logged" : "the reason is logged");
	return status;
}

static void
test_server(const struct server *s)
{
	const struct http_request get = { .body = NULL };
	struct http_call call;

	is_int(call_server(s, "/", NULL, &call, get), 0,
	    "an origin on the list is called");
	is_int(call.reply.status, 200, "... and answers");
	is_int(net.connections, 1, "... by one connection");
	http_free(&call);

	is_int(call_server(s, "/", "127.0.0.1 localhost *.0.0.1", &call, get),
	    HOST_NOT_ALLOWED, "... and not, where the list has hosts");
	is_int(net.connections, 0, "... not even by a connection");
	http_free(&call);

	is_int(call_server(s, "/redirect", NULL, &call, get), 0,
	    "a redirection is a reply");
	is_int(call.reply.status, 302, "... with its own status");
	is_int(net.connections, 1, "... and is not followed");
	http_free(&call);

	is_int(call_server(s, "/largest", NULL, &call, get), 0,
	    "the largest reply");
	is_int((long long)call.reply.len, HTTP_REPLY_MAX, "... is whole");
	http_free(&call);
	is_int(call_server(s, "/larger", NULL, &call, get), 502,
	    "one byte more is no reply");
	http_free(&call);
}

static void
test_requests(const struct server *s)
{
	struct http_request post = { .user = "id",
		.password = "secret",
		.content_type = "application/x-www-form-urlencoded",
		.body = "grant_type=client_credentials" };
	const struct http_request bearer = { .bearer = "token",
		.content_type = "application/json",
		.body = "{}" };
	struct http_call call;

	is_int(call_server(s, "/echo", NULL, &call, post), 0, "a POST");
	ok(strncmp(call.reply.body, "POST /echo HTTP/1.1\r\n", 21) == 0,
	    "... is one");
	ok(strstr(call.reply.body,
	       "\r\nAuthorization: Basic aWQ6c2VjcmV0\r\n") != NULL,
	    "... with user and password");
	ok(strstr(call.reply.body,
	       "\r\nContent-Type: "
	       "application/x-www-form-urlencoded\r\n") != NULL,
	    "... and content type");
	ok(strstr(call.reply.body, "\r\n\r\ngrant_type=client_credentials") !=
		NULL,
	    "... and body");
	http_free(&call);
	is_int(call_server(s, "/echo", NULL, &call, bearer), 0, "with a token");
	ok(strstr(call.reply.body, "\r\nAuthorization: Bearer token\r\n") !=
		NULL,
	    "... in its header");
	http_free(&call);
}

/* A proxy in the environment, even one that is on the list. */
static void
test_proxy(const struct server *s)
{
	const struct http_request request = { .url = "http://127.0.0.1:1/" };
	const struct config cfg = { .allowed_hosts = "http://127.0.0.1:1" };
	static const char *const names[] = { "http_proxy", "https_proxy",
		"all_proxy", "HTTPS_PROXY", "ALL_PROXY" };
	struct http_call call;
	struct capture log;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		setenv(names[i], s->origin, 1);
	capture_start(&log);
	is_int(http_do(&call, &cfg, &request), 502,
	    "a proxy in the environment is not asked");
	http_free(&call);
	is_line(capture_stop(&log), "http://127.0.0.1:1/: ",
	    "... the connection is refused, as it must");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

int
main(void)
{
	struct server server = { .pid = -1 };

	server_start(&server);
	test_urls();
	test_spellings();
	test_addresses();
	test_several_addresses();
	test_server(&server);
	test_requests(&server);
	test_proxy(&server);
	kill(server.pid, SIGKILL);
	waitpid(server.pid, NULL, 0);
	return done();
}
