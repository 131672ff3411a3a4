/*
 * hipchatd: a stand-in for HipChat, which is no more.
 *
 * It speaks HipChat's REST API v2 as far as add-ons use it (capabilities,
 * OAuth tokens, rooms, notifications, history), installs add-ons from their
 * descriptors and removes them, calls their webhooks, and shows its rooms as
 * a web page at /.  Everything is kept in memory.  Under /control/ tests find
 * the levers: control.c documents them.
 *
 * When it is ready it prints one line, the URL that it listens on.  It runs
 * until SIGTERM or SIGINT and then exits 0; 1 means that it could not start,
 * 2 that its arguments were wrong.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hipchatd.h"
#include "server.h"

#define BACKLOG 512

static const char usage[] =
	"usage: hipchatd [option ...]\n"
	"  --port N           listen on 127.0.0.1:N (default 0: any free one)\n"
	"  --url BASE         call itself BASE; a port of 0 in it stands for\n"
	"                     the real one (default: what it listens on)\n"
	"  --token-ttl S      tokens last S seconds (default 3600)\n"
	"  --rate-limit N     requests per window and add-on (default 0:\n"
	"  --rate-window S    not enforced; window of 300 seconds)\n"
	"  --flood-limit N    messages per window and room (default 0:\n"
	"  --flood-window S   not enforced; window of 60 seconds)\n"
	"  --signed-request   webhooks carry their JWT in the query, too\n"
	"  --tls-cert FILE    serve https with this certificate (PEM) ...\n"
	"  --tls-key FILE     ... and this key (PEM)\n"
	"  --ca FILE          trust these authorities (PEM) in its own calls\n"
	"  --help             print this and leave\n";

static const char routes[] =
	"\n"
	"Control routes (JSON; control.c documents them):\n"
	"  GET, POST          /control/rooms {\"name\"}\n"
	"  GET                /control/rooms/ID\n"
	"  POST               /control/rooms/ID/say {\"message\"}\n"
	"  POST               /control/rooms/ID/event {\"event\"}\n"
	"  POST               /control/install {\"url\",\"room_id\"}\n"
	"  POST               /control/remove {\"oauth_id\",\"form\"}\n"
	"  GET                /control/installations\n"
	"  POST               /control/installations/ID/revoke-tokens\n"
	"  POST               /control/installations/ID/revoke\n"
	"  GET, DELETE        /control/log?since=N\n"
	"  GET, POST, DELETE  /control/faults {\"route\",\"fault\",\"count\"}\n"
	"  POST               /control/release\n"
	"  GET, POST          /control/settings\n";

struct options {
	int64_t port;
	const char *url;
	const char *cert_file;
	const char *key_file;
	const char *ca_file;
	struct settings set;
};

void
hipchatd_lock(struct hipchatd *h)
{
	pthread_mutex_lock(&h->lock);
}

void
hipchatd_unlock(struct hipchatd *h)
{
	pthread_mutex_unlock(&h->lock);
}

bool
hipchatd_stopping(struct hipchatd *h)
{
	bool stopping;

	hipchatd_lock(h);
	stopping = h->stopping;
	hipchatd_unlock(h);
	return stopping;
}

bool
hipchatd_sleep(struct hipchatd *h, int64_t ms)
{
	struct timespec until;
	bool stopping;

	clock_gettime(CLOCK_MONOTONIC, &until);
	ms += until.tv_nsec / 1000000;
	until.tv_sec += ms / 1000;
	until.tv_nsec = until.tv_nsec % 1000000 + ms % 1000 * 1000000;
	hipchatd_lock(h);
	while (!h->stopping &&
	       pthread_cond_timedwait(&h->wake, &h->lock, &until) != ETIMEDOUT)
		;
	stopping = h->stopping;
	hipchatd_unlock(h);
	return !stopping;
}

void
hipchatd_hold(struct hipchatd *h, int64_t releases)
{
	hipchatd_lock(h);
	while (!h->stopping && h->releases <= releases)
		pthread_cond_wait(&h->wake, &h->lock);
	hipchatd_unlock(h);
}

bool
settings_valid(const struct settings *s)
{
	return s->token_ttl >= 0 && s->rate_limit >= 0 &&
		s->flood_limit >= 0 && s->rate_window > 0 &&
		s->rate_window <= INT32_MAX && s->flood_window > 0 &&
		s->flood_window <= INT32_MAX;
}

static void
number_option(const char *name, int64_t max, int64_t *out)
{
	if (!parse_number(optarg, 0, max, out)) {
		fprintf(stderr, "hipchatd: --%s: bad number: %s\n", name,
			optarg);
		exit(2);
	}
}

static void
read_options(int argc, char **argv, struct options *o)
{
	static const struct option list[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "url", required_argument, NULL, 'u' },
		{ "token-ttl", required_argument, NULL, 't' },
		{ "rate-limit", required_argument, NULL, 'r' },
		{ "rate-window", required_argument, NULL, 'R' },
		{ "flood-limit", required_argument, NULL, 'f' },
		{ "flood-window", required_argument, NULL, 'F' },
		{ "signed-request", no_argument, NULL, 's' },
		{ "tls-cert", required_argument, NULL, 'c' },
		{ "tls-key", required_argument, NULL, 'k' },
		{ "ca", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct settings *s = &o->set;
	int c, i = 0;

	while ((c = getopt_long(argc, argv, "", list, &i)) != -1) {
		const char *name = list[i].name;

		switch (c) {
		case 'p': number_option(name, 65535, &o->port); break;
		case 't': number_option(name, INT64_MAX, &s->token_ttl); break;
		case 'r': number_option(name, INT64_MAX, &s->rate_limit); break;
		case 'R': number_option(name, INT64_MAX, &s->rate_window);
			break;
		case 'f': number_option(name, INT64_MAX, &s->flood_limit);
			break;
		case 'F': number_option(name, INT64_MAX, &s->flood_window);
			break;
		case 's': s->signed_request = true; break;
		case 'u': o->url = optarg; break;
		case 'c': o->cert_file = optarg; break;
		case 'k': o->key_file = optarg; break;
		case 'a': o->ca_file = optarg; break;
		case 'h':
			printf("%s%s", usage, routes);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind < argc || !o->cert_file != !o->key_file ||
	    !settings_valid(s)) {
		fputs(usage, stderr);
		exit(2);
	}
}

static int
listen_on(int64_t *port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	socklen_t len = sizeof(a);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&a, &len)) {
		fprintf(stderr, "hipchatd: can't listen on port %lld: %s\n",
			(long long)*port, strerror(errno));
		exit(1);
	}
	*port = ntohs(a.sin_port);
	return fd;
}

/* The file's text, which the caller frees; NULL for no file. */
static char *
read_file(const char *path)
{
	struct buf b = { 0 };
	char block[4096];
	size_t n;
	FILE *f;

	if (!path)
		return NULL;
	f = fopen(path, "re");
	if (!f) {
		fprintf(stderr, "hipchatd: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	buf_puts(&b, "");
	while ((n = fread(block, 1, sizeof(block), f)))
		buf_add(&b, block, n);
	fclose(f);
	return b.data;
}

/* What it calls itself: no trailing slash, a port 0 replaced. */
static char *
own_url(const struct options *o, const char *listening)
{
	size_t len = strlen(o->url ? o->url : listening);
	char *url = xstrndup(o->url ? o->url : listening, len), *base;

	while (len && url[len - 1] == '/')
		url[--len] = '\0';
	if (len < 2 || strcmp(url + len - 2, ":0"))
		return url;
	url[len - 1] = '\0';
	base = xasprintf("%s%lld", url, (long long)o->port);
	free(url);
	return base;
}

static void
init(struct hipchatd *h, const struct options *o, const char *listening)
{
	pthread_condattr_t attr;

	memset(h, 0, sizeof(*h));
	h->base = own_url(o, listening);
	h->ca_file = o->ca_file ? xstrdup(o->ca_file) : NULL;
	h->tls = o->cert_file;
	h->set = o->set;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->wake, &attr);
	pthread_condattr_destroy(&attr);
	state_init(&h->state);
}

static void
release(struct hipchatd *h)
{
	state_free(&h->state);
	log_free(&h->log);
	fault_clear(&h->faults);
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h->ca_file);
	free(h->base);
}

/* Serve until a signal says stop; the exit status. */
static int
serve(struct hipchatd *h, int fd, const struct options *o,
      const char *listening)
{
	char *cert = read_file(o->cert_file), *key = read_file(o->key_file);
	struct MHD_Daemon *d;
	sigset_t set;
	int sig;

	/* before there are threads, so that all of them inherit it */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	d = server_start(h, fd, cert, key);
	if (d) {
		puts(listening);
		fflush(stdout);
		sigwait(&set, &sig);
		server_stop(h, d);
	} else {
		fputs("hipchatd: can't start the server\n", stderr);
	}
	free(cert);
	free(key);
	return d ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct options o = {
		.set = {
			.token_ttl = 3600,
			.rate_window = RATE_WINDOW,
			.flood_window = FLOOD_WINDOW,
		},
	};
	struct hipchatd h;
	char *listening;
	int fd, status;

	read_options(argc, argv, &o);
	fd = listen_on(&o.port);
	listening = xasprintf("%s://127.0.0.1:%lld",
			      o.cert_file ? "https" : "http",
			      (long long)o.port);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	init(&h, &o, listening);
	status = serve(&h, fd, &o, listening);
	release(&h);
	curl_global_cleanup();
	free(listening);
	return status;
}
