/*
 * hostile: bad requests, and a client that sends them among good ones.
 */
#include <stdlib.h>

#include "soak.h"

#define BODY_MAX 80000

static int
post(const char *path, const char *header, const char *body)
{
	return status_of(request(soak.addon, "POST", path, header, body));
}

/* Somebody else's webhook. */
static void
forge(struct client *c)
{
	char *body = webhook(c->home.id, c->room, FORGED);

	expect("unsigned", post("/echo", "", body), 401, 0);
	expect("alg none",
	    post("/echo",
		"Authorization: JWT "
		"eyJhbGciOiJub25lIn0.e30.\r\n",
		body),
	    401, 0);
	free(body);
	expect("a guessed secret",
	    post_webhook(c->home.id, "guess", c->room, FORGED, 3600), 401, 0);
	expect("expired",
	    post_webhook(c->home.id, c->home.secret, c->room, FORGED, -3600),
	    401, 0);
	expect("nobody's",
	    post_webhook("00000000-0000-4000-8000-000000000000", c->home.secret,
		c->room, FORGED, 3600),
	    401, 0);
}

static void
take_over(struct client *c)
{
	char *path = text("/installed/%s", c->home.id);

	expect("a forged secret",
	    post_installed(c->home.id, "forged", c->room, soak.hipchat_url),
	    403, 0);
	expect("capabilities inside",
	    post_installed(c->home.id, c->home.secret, c->room,
		"https://127.0.0.1"),
	    403, 0);
	expect("DELETE of what is installed",
	    status_of(request(soak.addon, "DELETE", path, "", NULL)), 409, 0);
	expect("a redirect elsewhere",
	    status_of(request(soak.addon, "GET",
		"/uninstalled?redirect_url=http://example.com/"
		"&installable_url=http://example.com/",
		"", NULL)),
	    400, 0);
	free(path);
}

/* Bytes of all kinds. */
static void
garbage(struct client *c)
{
	char bytes[512], *body = malloc(BODY_MAX + 1);
	size_t i, n;

	if (body == NULL)
		die("malloc");
	memset(body, '[', BODY_MAX);
	body[BODY_MAX] = '\0';
	expect("80 KB", post("/installed", "", body), 413, 0);
	body[2000] = '\0';
	expect("2000 brackets", post("/echo", "", body), 400, 0);
	for (i = 0; i < 300; i++)
		body[i] = (char)(1 + dice(&c->dice, 255));
	body[300] = '\0';
	expect("noise",
	    post(dice(&c->dice, 2) == 0 ? "/echo" : "/installed", "", body),
	    400, 0);
	free(body);
	for (n = 0; n < sizeof(bytes); n++)
		bytes[n] = (char)dice(&c->dice, 256);
	/* Apache may take a line that it does not understand for HTTP/0.9 */
	status_of(exchange(soak.addon, bytes, n, CUT));
}

/* What is not quite HTTP, or not what it says. */
static void
mislead(struct client *c)
{
	static const char start[] =
	    "POST /echo HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\nContent-Length: 1000\r\n\r\n{\"event\":";
	static const char odd_length[] =
	    "POST /echo HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\nContent-Length: 0x10\r\n\r\n{}";

	status_of(exchange(soak.addon, start, strlen(start), ABORT));
	expect("a body that ends too soon",
	    status_of(exchange(soak.addon, start, strlen(start), CUT)), 400,
	    408);
	expect("an odd length",
	    status_of(
		exchange(soak.addon, odd_length, strlen(odd_length), WHOLE)),
	    400, 0);
	expect("no length",
	    status_of(request(soak.addon, "POST", "/echo", "", NULL)), 411, 0);
	expect("another method",
	    status_of(request(soak.addon, "PUT", "/echo", "", "{}")), 405, 0);
	expect("another path",
	    status_of(request(soak.addon, "GET",
		dice(&c->dice, 2) == 0 ? "/courier" :
					 "/echo/../installations.db",
		"", NULL)),
	    404, 0);
}

static void
hostile(struct client *c)
{
	switch (dice(&c->dice, 4)) {
	case 0:
		forge(c);
		break;
	case 1:
		take_over(c);
		break;
	case 2:
		garbage(c);
		break;
	default:
		mislead(c);
	}
}

void *
run_client(void *arg)
{
	struct client *c = arg;

	while (now_ms() < soak.end) {
		if (dice(&c->dice, 8) == 0)
			hostile(c);
		else
			good(c);
	}
	return NULL;
}
