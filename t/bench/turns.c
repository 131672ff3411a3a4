/*
 * turns: what a request takes in stores of several sizes.
 *
 *	turns TURNS HIPCHAT ADDON SIZE...
 *
 * The add-on with SIZE installations is at ADDON/SIZE, they are fill.c's, and
 * its webhooks are not signed; HIPCHAT is a sink.  In each turn, each add-on
 * gets a webhook, an installation, and the removal of that, one request at a
 * time, so that whatever else the machine does meets all of them.
 *
 * For each size, prints a line: the size, and the median times of webhook,
 * installation and removal in ms.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZES_MAX 8
#define TURNS_MAX 10000
#define REQUEST_MAX 4096

/* Webhooks go to so many of the installations. */
#define ROOMS 8

/* An add-on, and the times that its requests took, in us. */
struct addon {
	const char *name; /* its size, as it was given */
	long size;
	double webhook[TURNS_MAX], install[TURNS_MAX], removal[TURNS_MAX];
};

struct client {
	int fd;
	const char *hipchat; /* its URL */
	const char *path;    /* of the add-ons' URL; "" or "/..." */
	const char *run;     /* ids of different runs differ */
};

static double
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* The HTTP server of http://ADDRESS:PORT/PATH. */
static void
connect_to(struct client *client, const char *url)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char address[64];
	const int yes = 1;
	unsigned int port;
	int len = 0;

	if (sscanf(url, "http://%63[0-9.]:%u%n", address, &port, &len) != 2 ||
	    inet_pton(AF_INET, address, &to.sin_addr) != 1)
		errx(1, "%s: http://ADDRESS:PORT/... is needed", url);
	to.sin_port = htons((uint16_t)port);
	client->path = url + len;
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 ||
	    connect(client->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		err(1, "%s", url);
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

/* Is this the whole answer?  It has no body, or one chunk at most. */
static bool
is_whole(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n");

	if (end != NULL &&
	    strstr(text, "\r\nTransfer-Encoding: chunked") != NULL)
		end = strstr(end, "\r\n0\r\n\r\n");
	return end != NULL;
}

/* Read an answer, and see that it is a good one. */
static void
take_answer(const struct client *client, const char *request)
{
	char text[REQUEST_MAX + 1];
	size_t len = 0;
	ssize_t n;

	do {
		n = read(client->fd, text + len, REQUEST_MAX - len);
		if (n <= 0 || memchr(text + len, '\0', (size_t)n) != NULL)
			errx(1, "no answer to: %s", request);
		len += (size_t)n;
		text[len] = '\0';
	} while (!is_whole(text));
	if (strncmp(text, "HTTP/1.1 2", 10) != 0 &&
	    strncmp(text, "HTTP/1.1 302 ", 13) != 0)
		errx(1, "%s\n%s", request, text);
}

/* Send a request; what it took. */
static double
ask(const struct client *client, const char *method, const char *target,
    const char *body)
{
	char request[REQUEST_MAX];
	const int len = snprintf(request, sizeof(request),
	    "%s %s%s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    method, client->path, target, strlen(body), body);
	const double start = now_us();

	if (write(client->fd, request, (size_t)len) != len)
		err(1, "%s%s", client->path, target);
	take_answer(client, request);
	return now_us() - start;
}

static double
webhook(const struct client *client, const struct addon *addon, long turn)
{
	const long room = turn % ROOMS;
	char target[256], body[1024];

	snprintf(target, sizeof(target), "/%s/echo", addon->name);
	snprintf(body, sizeof(body),
	    "{\"event\":\"room_message\","
	    "\"oauth_client_id\":\"fill-%06ld\",\"item\":{\"room\":{\"id\":1},"
	    "\"message\":{\"id\":\"%s-%ld\",\"message\":\"/echo hello\"}}}",
	    addon->size * room / ROOMS, client->run, turn);
	return ask(client, "POST", target, body);
}

static double
install(const struct client *client, const struct addon *addon, long turn)
{
	char target[256], body[1024];

	snprintf(target, sizeof(target), "/%s/installed", addon->name);
	snprintf(body, sizeof(body),
	    "{\"oauthId\":\"%s-%ld\",\"oauthSecret\":\"secret\","
	    "\"capabilitiesUrl\":\"%s/capabilities\",\"groupId\":1}",
	    client->run, turn, client->hipchat);
	return ask(client, "POST", target, body);
}

static double
removal(const struct client *client, const struct addon *addon, long turn)
{
	char target[1024];

	snprintf(target, sizeof(target),
	    "/%s/uninstalled?redirect_url=%s&installable_url="
	    "%s/installable/%s-%ld",
	    addon->name, client->hipchat, client->hipchat, client->run, turn);
	return ask(client, "GET", target, "");
}

static int
compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median_ms(double *us, long n)
{
	qsort(us, (size_t)n, sizeof(*us), compare);
	return us[n / 2] / 1000;
}

int
main(int argc, char *argv[])
{
	static struct addon addons[SIZES_MAX];
	const long turns = argc > 4 ? strtol(argv[1], NULL, 10) : 0;
	const int n = argc - 4;
	struct client client;
	struct addon *addon;
	char run[32];
	long turn;
	int i;

	if (turns < 1 || turns > TURNS_MAX || n > SIZES_MAX)
		errx(2, "usage: turns TURNS HIPCHAT ADDON SIZE...");
	snprintf(run, sizeof(run), "turn-%.0f", now_us());
	client = (struct client){ .hipchat = argv[2], .run = run };
	connect_to(&client, argv[3]);
	for (i = 0; i < n; i++) {
		addons[i].name = argv[4 + i];
		addons[i].size = strtol(argv[4 + i], NULL, 10);
	}
	for (turn = 0; turn < turns * n; turn++) {
		/* another one is first each time */
		addon = &addons[(turn + turn / n) % n];
		addon->webhook[turn / n] = webhook(&client, addon, turn / n);
		addon->install[turn / n] = install(&client, addon, turn / n);
		addon->removal[turn / n] = removal(&client, addon, turn / n);
	}
	for (i = 0; i < n; i++)
		printf("%s %.3f %.3f %.3f\n", addons[i].name,
		    median_ms(addons[i].webhook, turns),
		    median_ms(addons[i].install, turns),
		    median_ms(addons[i].removal, turns));
	return 0;
}
