/*
 * mix: see mix.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mix.h"

#define SEEDS "t/fuzz/seeds"

static unsigned int
roll(struct mix *m, unsigned int sides)
{
	return dice(&m->dice, sides);
}

static bool
chance(struct mix *m, unsigned int percent)
{
	return roll(m, 100) < percent;
}

static const char *
pick(struct mix *m, const char *const *list, size_t size)
{
	return list[roll(m, (unsigned int)(size / sizeof(*list)))];
}

static const struct mix_tenant *
somebody(struct mix *m)
{
	return &m->tenants[roll(m, m->tenant_count)];
}

/* ---- what there is ---- */

static void
read_all(const char *path, struct bytes *all)
{
	char block[4096];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		die(path);
	while ((n = read(fd, block, sizeof(block))) > 0)
		bytes_add(all, block, (size_t)n);
	close(fd);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The files below a directory, in the same order everywhere. */
static void
read_seeds(struct mix *m, const char *dir, int depth)
{
	struct dirent **list;
	const int n = scandir(dir, &list, visible, by_name);
	int i;

	if (n < 0)
		die(dir);
	for (i = 0; i < n; i++) {
		char *path = text("%s/%s", dir, list[i]->d_name);

		if (depth > 0)
			read_seeds(m, path, depth - 1);
		else if (m->seed_count < MIX_SEEDS)
			read_all(path, &m->seeds[m->seed_count++]);
		free(path);
		free(list[i]);
	}
	free(list);
}

void
mix_open(struct mix *m, const char *tenants)
{
	struct bytes all = { NULL, 0, 0 };
	char *line, *rest;

	read_seeds(m, SEEDS, 1);
	read_all(tenants, &all);
	for (rest = all.p; (line = strsep(&rest, "\n")) != NULL;) {
		struct mix_tenant *t = &m->tenants[m->tenant_count];

		if (*line == '\0' || m->tenant_count == MIX_TENANTS)
			continue;
		copy_string(line, "oauthId", t->id, sizeof(t->id));
		copy_string(line, "oauthSecret", t->secret, sizeof(t->secret));
		t->room = get_number(line, "roomId");
		t->document = text("%s", line);
		m->tenant_count++;
	}
	bytes_free(&all);
	if (m->tenant_count == 0)
		die("no tenants");
}

void
mix_close(struct mix *m)
{
	while (m->seed_count > 0)
		bytes_free(&m->seeds[--m->seed_count]);
	while (m->tenant_count > 0)
		free(m->tenants[--m->tenant_count].document);
}

/* ---- good requests ---- */

static void
set_common(struct mix *m, struct fcgi_request *req, const char *method)
{
	char *script = text("/hipchat/%s", m->program);

	fcgi_set(req, "GATEWAY_INTERFACE", "CGI/1.1");
	fcgi_set(req, "SERVER_PROTOCOL", "HTTP/1.1");
	fcgi_set(req, "REQUEST_METHOD", method);
	fcgi_set(req, "SCRIPT_NAME", script);
	fcgi_set(req, "QUERY_STRING", "");
	fcgi_set(req, "REQUEST_SCHEME", "https");
	fcgi_set(req, "HTTP_HOST", "addon.example.com");
	fcgi_set(req, "REMOTE_ADDR", "127.0.0.1");
	free(script);
}

static void
post(struct mix *m, struct fcgi_request *req, const char *body)
{
	set_common(m, req, "POST");
	fcgi_set(req, "CONTENT_TYPE", "application/json");
	fcgi_set_body(req, body, strlen(body));
}

static void
ask_capabilities(struct mix *m, struct fcgi_request *req)
{
	static const char *const hosts[] = { "addon.example.com",
		"ADDON.example.com.", "addon.example.com:8443", "[::1]:80",
		"127.0.0.1", "a/b", "", "x y", "xn--bcher-kva.example",
		"\xff.example" };
	static const char *const schemes[] = { "https", "http", "gopher" };
	static const char *const scripts[] = { "/hipchat/capabilities",
		"/capabilities", "", "/../x", "/a b/capabilities" };
	static const char *const tags[] = { "*", "\"0123456789abcdef\"",
		"nonsense", "" };

	set_common(m, req, chance(m, 70) ? "GET" : "HEAD");
	fcgi_set(req, "HTTP_HOST", pick(m, hosts, sizeof(hosts)));
	fcgi_set(req, "REQUEST_SCHEME", pick(m, schemes, sizeof(schemes)));
	if (chance(m, 50))
		fcgi_set(req, "SCRIPT_NAME", pick(m, scripts, sizeof(scripts)));
	if (chance(m, 30))
		fcgi_set(req, "HTTP_IF_NONE_MATCH", m->etag);
	else if (chance(m, 30))
		fcgi_set(req, "HTTP_IF_NONE_MATCH",
		    pick(m, tags, sizeof(tags)));
	if (chance(m, 10))
		fcgi_set(req, "HTTP_X_FORWARDED_PROTO", "https");
}

/* A text for a room; some are long, some not ASCII. */
static char *
remark(struct mix *m)
{
	struct bytes out = { NULL, 0, 0 };
	unsigned int left = chance(m, 3) ? 11000 : roll(m, 60);

	bytes_print(&out, "%d ", m->serial++);
	for (; left > 0; left--)
		bytes_print(&out, "%s", chance(m, 90) ? "x" : "\xc3\xa9");
	return out.p;
}

static void
sign(struct mix *m, struct fcgi_request *req, const struct mix_tenant *t)
{
	const char *secret = chance(m, 90) ? t->secret : "guess";
	const int life = chance(m, 95) ? 3600 : -3600;
	char *line = authorization(chance(m, 95) ? t->id : "nobody", secret,
	    t->room, (int64_t)time(NULL), life);
	char *value = strchr(line, ' ') + 1, *query;

	value[strcspn(value, "\r")] = '\0';
	if (chance(m, 80)) {
		fcgi_set(req, "HTTP_AUTHORIZATION", value);
	} else {
		query = text("signed_request=%s", strchr(value, ' ') + 1);
		fcgi_set(req, "QUERY_STRING", query);
		free(query);
	}
	free(line);
}

static void
ask_echo(struct mix *m, struct fcgi_request *req)
{
	static const char *const events[] = { "room_message", "room_enter",
		"room_topic_change", "" };
	const struct mix_tenant *t = somebody(m);
	char *said = remark(m), *body;
	const int id = chance(m, 10) ? m->serial / 2 : m->serial;

	body = text(
	    "{\"event\":\"%s\",\"oauth_client_id\":\"%s\",\"item\":{"
	    "\"room\":{\"id\":%lld},\"message\":{\"id\":\"m-%d\","
	    "\"message\":\"%s%s\"}}}",
	    chance(m, 90) ? "room_message" : pick(m, events, sizeof(events)),
	    t->id, (long long)(chance(m, 95) ? t->room : 1), id,
	    chance(m, 90) ? "/echo " : "/echoes ", said);
	post(m, req, body);
	if (chance(m, 95))
		sign(m, req, t);
	free(body);
	free(said);
}

/* How HipChat may answer when it is asked for a token. */
static char *
token_fault(struct mix *m)
{
	static const char *const faults[] = {
		"\"status\",\"status\":401",
		"\"status\",\"status\":500",
		"\"html\"",
		"\"truncated\"",
		"\"half\"",
		"\"reset_before\"",
		"\"redirect\",\"location\":\"http://127.0.0.1:1/\"",
	};

	return text("{\"route\":\"token\",\"fault\":%s}",
	    pick(m, faults, sizeof(faults)));
}

void
mix_install(struct mix *m, unsigned int tenant, struct fcgi_request *req)
{
	post(m, req, m->tenants[tenant].document);
}

void
mix_remove(struct mix *m, unsigned int tenant, struct fcgi_request *req,
    char **fault)
{
	char *path = text("/%s", m->tenants[tenant].id);

	set_common(m, req, "DELETE");
	fcgi_set(req, "PATH_INFO", path);
	*fault = text(
	    "{\"route\":\"token\",\"fault\":\"status\","
	    "\"status\":401}");
	free(path);
}

/* Credentials that are not HipChat's. */
static void
ask_forged(struct mix *m, struct fcgi_request *req)
{
	static const char *const hosts[] = { "https://127.0.0.1",
		"https://api.hipchat.com", "file:///etc/passwd",
		"http://127.0.0.1:1" };
	const bool ours = chance(m, 20);
	const char *host = ours ? m->hipchat : pick(m, hosts, sizeof(hosts));
	char *body = text(
	    "{\"oauthId\":\"%s\",\"oauthSecret\":\"forged\","
	    "\"capabilitiesUrl\":\"%s/v2/capabilities\",\"groupId\":%s,"
	    "\"roomId\":null}",
	    chance(m, 50) ? somebody(m)->id : "nobody", host,
	    chance(m, 50) ? "46617" : "\"x\"");

	post(m, req, body);
	free(body);
}

static void
ask_installed(struct mix *m, struct fcgi_request *req, char **fault)
{
	const unsigned int tenant = roll(m, m->tenant_count);

	if (chance(m, 60)) {
		ask_forged(m, req);
	} else if (chance(m, 50)) {
		mix_install(m, tenant, req);
		if (chance(m, 40))
			*fault = token_fault(m);
	} else if (chance(m, 50)) {
		mix_remove(m, tenant, req, fault);
		if (chance(m, 50))
			fcgi_set(req, "PATH_INFO", "/nobody");
	} else {
		set_common(m, req, "DELETE");
		fcgi_set(req, "PATH_INFO",
		    chance(m, 50) ? "/a%20b/../c" : "/x");
	}
}

/* A browser comes, with a document that HipChat, or somebody, put up. */
static void
ask_browser(struct mix *m, struct fcgi_request *req, char **fault)
{
	const struct mix_tenant *t = somebody(m);
	const char *back = chance(m, 85) ? m->hipchat : "http://example.com";
	char *query = text(
	    "redirect_url=%s%%2Faddons&installable_url="
	    "%s/v2/installable/%d",
	    back, m->hipchat, m->serial++);

	set_common(m, req, "GET");
	fcgi_set(req, "QUERY_STRING", query);
	if (chance(m, 80))
		*fault = text(
		    "{\"route\":\"installable\",\"fault\":\"body\","
		    "\"status\":200,\"body\":\"{\\\"oauthId\\\":\\\"%s\\\","
		    "\\\"oauthSecret\\\":\\\"%s\\\"}\"}",
		    t->id, chance(m, 70) ? t->secret : "guess");
	free(query);
}

static void
ask_uninstalled(struct mix *m, struct fcgi_request *req, char **fault)
{
	const char *id = chance(m, 30) ? somebody(m)->id : "nobody";
	char *body;

	if (chance(m, 30)) {
		ask_browser(m, req, fault);
		return;
	}
	body = chance(m, 50) ?
	    text("{\"oauthId\":\"%s\"}", id) :
	    text("oauthId=%s%s", id, chance(m, 50) ? "&oauthId=x" : "");
	post(m, req, body);
	if (chance(m, 30)) {
		fcgi_set(req, "QUERY_STRING", body);
		fcgi_set_body(req, "", 0);
	}
	if (chance(m, 30))
		*fault = token_fault(m);
	free(body);
}

static void
ask(struct mix *m, struct fcgi_request *req, char **fault)
{
	if (strcmp(m->program, "capabilities") == 0)
		ask_capabilities(m, req);
	else if (strcmp(m->program, "echo") == 0)
		ask_echo(m, req);
	else if (strcmp(m->program, "installed") == 0)
		ask_installed(m, req, fault);
	else
		ask_uninstalled(m, req, fault);
}

/* ---- bad ones ---- */

static void
noise(struct mix *m, struct bytes *out, size_t len)
{
	char c;

	while (len-- > 0) {
		c = (char)roll(m, 256);
		bytes_add(out, &c, 1);
	}
}

static void
spoil_length(struct mix *m, struct fcgi_request *req)
{
	static const char *const lengths[] = { "", "-1", "0x10", "1", "0",
		"65537", "262145", "99999999999999999999", " 2", "2 " };
	char *near = text("%zu", req->body.len + roll(m, 4));

	fcgi_set(req, "CONTENT_LENGTH",
	    chance(m, 50) ? near : pick(m, lengths, sizeof(lengths)));
	free(near);
}

static void
spoil_body(struct mix *m, struct fcgi_request *req)
{
	struct bytes body = { NULL, 0, 0 };
	const struct bytes *seed = &m->seeds[roll(m, m->seed_count)];
	size_t i;

	if (chance(m, 40))
		bytes_add(&body, seed->p, seed->len);
	else if (chance(m, 20))
		noise(m, &body, roll(m, 300));
	else
		bytes_add(&body, req->body.p, req->body.len);
	for (i = roll(m, 3); i > 0 && body.len > 0; i--)
		body.p[roll(m, (unsigned int)body.len)] = (char)roll(m, 256);
	fcgi_set_body(req, body.p, body.len);
	if (chance(m, 80))
		fcgi_set(req, "REQUEST_METHOD", "POST");
	bytes_free(&body);
}

/* Lines NAME=VALUE of a seed, an empty line, and the body. */
static void
apply_seed(struct mix *m, struct fcgi_request *req)
{
	const struct bytes *seed = &m->seeds[roll(m, m->seed_count)];
	char *copy = text("%s", seed->len > 0 ? seed->p : ""), *line,
	     *rest = copy, *value;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		value = strchr(line, '=');
		if (value == NULL || strncmp(line, "HIPCHAT_", 8) == 0)
			continue;
		*value = '\0';
		fcgi_set(req, line, value + 1);
	}
	if (rest != NULL)
		fcgi_set_body(req, rest, strlen(rest));
	free(copy);
}

static void
add_many(struct mix *m, struct fcgi_request *req)
{
	unsigned int i, n = roll(m, 800);
	char *name, *value = text("%*s", (int)roll(m, 40), "");

	for (i = 0; i < n; i++) {
		name = text("HTTP_X_%u", i);
		fcgi_add(req, name, strlen(name), value, strlen(value));
		free(name);
	}
	free(value);
}

static void
add_large(struct mix *m, struct fcgi_request *req)
{
	static const char *const names[] = { "HTTP_X_LARGE",
		"HTTP_AUTHORIZATION", "HTTP_HOST", "QUERY_STRING",
		"HTTP_IF_NONE_MATCH", "SCRIPT_NAME", "PATH_INFO" };
	char *value = text("%*s", (int)roll(m, 100000), "x");

	fcgi_set(req, pick(m, names, sizeof(names)), value);
	free(value);
}

/* Names and values that no web server should send. */
static void
add_odd(struct mix *m, struct fcgi_request *req)
{
	static const char *const names[] = { "", "HTTP_", "HTTP_HOST",
		"REQUEST_METHOD", "CONTENT_LENGTH", "=", "A\nB" };
	const char *name = pick(m, names, sizeof(names));
	struct bytes value = { NULL, 0, 0 };

	noise(m, &value, roll(m, 30));
	bytes_add(&value, "", 1);
	fcgi_add(req, name, strlen(name), value.p,
	    roll(m, (unsigned int)value.len + 1));
	if (chance(m, 20))
		fcgi_add(req, "\0N", 2, "v\0w", 3);
	bytes_free(&value);
}

static void
spoil(struct mix *m, struct fcgi_request *req)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT",
		"DELETE", "OPTIONS", "get", "", "\x01" };

	switch (roll(m, 8)) {
	case 0:
		fcgi_set(req, "REQUEST_METHOD",
		    pick(m, methods, sizeof(methods)));
		break;
	case 1:
		spoil_length(m, req);
		break;
	case 2:
		spoil_body(m, req);
		break;
	case 3:
		apply_seed(m, req);
		break;
	case 4:
		add_many(m, req);
		break;
	case 5:
		add_large(m, req);
		break;
	case 6:
		add_odd(m, req);
		break;
	default:
		fcgi_set(req, "PATH_INFO", chance(m, 50) ? "/" : "/x/y");
	}
}

void
mix_next(struct mix *m, struct fcgi_request *req, char **fault)
{
	static const size_t chunks[] = { 0, 0, 0, 1, 7, 8184, 8192, 1000 };

	*req = (struct fcgi_request){ .count = 0 };
	*fault = NULL;
	ask(m, req, fault);
	while (chance(m, 35))
		spoil(m, req);
	req->chunk = chunks[roll(m, 8)];
	/* a record for each byte of much is no fun */
	if (req->chunk < 100 && req->body.len > 1000)
		req->chunk = 1000;
	req->padding = chance(m, 30) ? (uint8_t)roll(m, 256) : 0;
	req->long_form = chance(m, 20);
}
