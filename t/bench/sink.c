/*
 * sink: as little of a HipChat as takes notifications, and as fast as it goes.
 *
 *	sink PORT LOG
 *
 * Listens on 127.0.0.1 (port 0: a free one) and prints its URL.  Whatever ends
 * with /capabilities is a capabilities document, whatever ends with
 * /oauth/token grants a token, /installable/ID is the document of an
 * installation whose secret is "secret", and any other POST is a notification:
 * it is answered 204 and appended to the log as a line of RECORD bytes, the
 * time in microseconds and the message, padded with blanks.  The stand-in
 * HipChat (t/hipchatd) checks and keeps all that it gets, which takes longer
 * than a delivery.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

#define CONNECTIONS 1024
#define REQUEST_MAX 65536

struct connection {
	size_t len;
	char text[REQUEST_MAX + 1];
};

struct sink {
	int epoll, listener, log;
	char url[64];
	struct connection *connections[CONNECTIONS]; /* by descriptor */
};

static void
record(const struct sink *sink, const char *body)
{
	static const char member[] = "\"message\":\"";
	const char *text = strstr(body, member);
	char line[RECORD + 1];
	struct timespec now;
	int len;

	if (text == NULL)
		errx(1, "no message: %s", body);
	text += sizeof(member) - 1;
	len = (int)strcspn(text, "\"");
	if (len > RECORD_TEXT)
		errx(1, "too long a message: %s", body);
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(line, sizeof(line), "%016lld %-*.*s\n",
	    now.tv_sec * 1000000LL + now.tv_nsec / 1000, RECORD_TEXT, len,
	    text);
	if (write(sink->log, line, RECORD) != RECORD)
		err(1, "the log");
}

/* Does the first line of the request end with this path? */
static bool
is_for(const char *request, const char *path)
{
	const char *end = strstr(request, " HTTP/");
	const size_t len = strlen(path);

	return end != NULL && (size_t)(end - request) > len &&
	    memcmp(end - len, path, len) == 0;
}

static void
answer(const struct sink *sink, int fd, const char *request, const char *body)
{
	static const char installable[] = "GET /installable/";
	const char *id = request + strlen(installable);
	char json[512] = "", text[1024];
	int len;

	if (is_for(request, "/capabilities"))
		snprintf(json, sizeof(json),
		    "{\"links\":{\"self\":\"%s/capabilities\","
		    "\"api\":\"%s\"},\"capabilities\":{\"oauth2Provider\":"
		    "{\"tokenUrl\":\"%s/oauth/token\"}}}",
		    sink->url, sink->url, sink->url);
	else if (is_for(request, "/oauth/token"))
		snprintf(json, sizeof(json),
		    "{\"access_token\":\"token\",\"expires_in\":3600}");
	else if (strncmp(request, installable, strlen(installable)) == 0)
		snprintf(json, sizeof(json),
		    "{\"oauthId\":\"%.*s\",\"oauthSecret\":\"secret\"}",
		    (int)strcspn(id, " "), id);
	else
		record(sink, body);
	if (*json != '\0')
		len = snprintf(text, sizeof(text),
		    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		    strlen(json), json);
	else
		len = snprintf(text, sizeof(text),
		    "HTTP/1.1 204 No Content\r\n\r\n");
	if (write(fd, text, (size_t)len) != len)
		warn("an answer"); /* whoever asked has gone */
}

/* Length of the whole request, or 0 if there is more to come. */
static size_t
whole(const struct connection *c, const char **body)
{
	static const char length[] = "\r\nContent-Length: ";
	const char *end = strstr(c->text, "\r\n\r\n");
	const char *header = strcasestr(c->text, length);
	size_t len;

	if (end == NULL)
		return 0;
	*body = end + 4;
	len = (size_t)(*body - c->text);
	if (header != NULL && header < end)
		len += strtoul(header + sizeof(length) - 1, NULL, 10);
	return len <= c->len ? len : 0;
}

static void
drop(struct sink *sink, int fd)
{
	free(sink->connections[fd]);
	sink->connections[fd] = NULL;
	close(fd);
}

static void
hear(struct sink *sink, int fd)
{
	struct connection *c = sink->connections[fd];
	const ssize_t n = read(fd, c->text + c->len, REQUEST_MAX - c->len);
	const char *body;
	size_t len;

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			drop(sink, fd);
		return;
	}
	c->len += (size_t)n;
	c->text[c->len] = '\0';
	while ((len = whole(c, &body)) > 0) {
		answer(sink, fd, c->text, body);
		c->len -= len;
		memmove(c->text, c->text + len, c->len + 1);
	}
}

static void
watch(const struct sink *sink, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(sink->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		err(1, "epoll");
}

static void
meet(struct sink *sink)
{
	const int fd =
	    accept4(sink->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	const int yes = 1;

	if (fd < 0 || fd >= CONNECTIONS)
		errx(1, "no connection, or too many");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	sink->connections[fd] = calloc(1, sizeof(struct connection));
	if (sink->connections[fd] == NULL)
		errx(1, "out of memory");
	watch(sink, fd);
}

static void
open_sink(struct sink *sink, const char *port, const char *log)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	const int yes = 1;

	sink->log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (sink->log < 0)
		err(1, "%s", log);
	sink->epoll = epoll_create1(EPOLL_CLOEXEC);
	sink->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sink->epoll < 0 || sink->listener < 0 ||
	    setsockopt(sink->listener, SOL_SOCKET, SO_REUSEADDR, &yes,
		sizeof(yes)) != 0 ||
	    bind(sink->listener, (struct sockaddr *)&address, len) != 0 ||
	    listen(sink->listener, CONNECTIONS) != 0 ||
	    getsockname(sink->listener, (struct sockaddr *)&address, &len) != 0)
		err(1, "port %s", port);
	snprintf(sink->url, sizeof(sink->url), "http://127.0.0.1:%u",
	    ntohs(address.sin_port));
	watch(sink, sink->listener);
}

int
main(int argc, char *argv[])
{
	static struct sink sink;
	struct epoll_event events[64];
	int i, n;

	if (argc != 3)
		errx(2, "usage: sink PORT LOG");
	signal(SIGPIPE, SIG_IGN);
	open_sink(&sink, argv[1], argv[2]);
	printf("%s\n", sink.url);
	fflush(stdout);
	for (;;) {
		n = epoll_wait(sink.epoll, events, 64, -1);
		for (i = 0; i < n; i++)
			if (events[i].data.fd == sink.listener)
				meet(&sink);
			else
				hear(&sink, events[i].data.fd);
	}
}
