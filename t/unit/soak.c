/*
 * soak: load and faults.  Clients send good, bad and hostile requests through
 * a real Apache, at first in peace, then while the disk is full every now and
 * then, then while processes are killed at random.
 *
 * In the end everything that was acknowledged must have come about: each
 * installation works, each message is in its room, what was removed stays so,
 * nothing forged got anywhere, and nobody was left waiting.
 *
 * soak.t starts the servers and says where they are.  From the environment:
 *
 *	ADDON, HIPCHAT	the base URLs of Apache and of the stand-in
 *	SOAK_APACHE	process id of the Apache
 *	SOAK_DATA	the data directory
 *	SOAK_COURIER	the courier, under a name that only this test uses
 *	SOAK_DISK	1 if the data directory is a tmpfs of its own, and may
 *			be made too small
 *	SOAK_S		seconds that each of the three parts takes
 *	SOAK_CLIENTS	how many at the same time
 *	SOAK_SEED	for the same requests again, if not the same timing
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>

#include "tap.h"

/* Nobody waits that long for an answer, on the slowest machine, in ms. */
#define PATIENCE 90000

/* Of the file system that is filled, while it is not, in bytes. */
#define DISK_SIZE 4294967296ULL

#define CLIENTS_MAX 64
#define BODY_MAX 80000
#define ODD_SHOWN 12

/* What an attacker tries to say. */
#define FORGED "FORGED"

/* How a call ended that has no status. */
enum {
	CLOSED = 0,	/* without a whole answer */
	HUNG = -1,	/* not at all */
};

enum ending {
	WHOLE,		/* send all, wait for the answer */
	CUT,		/* send it, end the stream, wait for the answer */
	ABORT,		/* send it, reset the connection */
};

struct answer {
	int status;
	char *body;	/* NUL-terminated; freed by the caller */
};

/* One installation. */
struct tenant {
	char id[64];
	char secret[64];
	bool gone;	/* its removal was acknowledged */
	bool unsure;	/* nothing was acknowledged of its removal */
};

/* A message that was acknowledged. */
struct said {
	char text[48];
	int part;
};

struct client {
	int number;
	uint64_t dice;
	int64_t room;
	struct tenant home;		/* stays */
	struct tenant *guests;		/* come and go */
	size_t guest_count;
	struct said *said;
	size_t said_count;
	int serial;
};

struct part {
	const char *name;
	bool fill;
	bool kill;
};

static const struct part parts[] = {
	{ "in peace", false, false },
	{ "disk full at times", true, false },
	{ "processes killed", false, true },
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

static struct {
	int addon, hipchat;		/* ports */
	const char *hipchat_url, *addon_url, *data, *courier;
	int apache;
	int seconds;
	int client_count;
	struct client clients[CLIENTS_MAX];
	size_t part;			/* which is on */
	int64_t end;			/* of it, ms */
	atomic_int requests, hung, odd, killed, filled, refused;
	pthread_mutex_t mutex;		/* for what is printed */
} soak = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

/* xorshift: anything will do that can be had again by its seed. */
static unsigned int
dice(uint64_t *state, unsigned int sides)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned int)((*state >> 11) % sides);
}

static void *
larger(void *memory, size_t size)
{
	void *out = realloc(memory, size);

	if (out == NULL)
		die("realloc");
	return out;
}

/* Make room for one more item; the list grows at every power of two. */
static void *
room_for(void *list, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return list;
	return larger(list, (count == 0 ? 1 : 2 * count) * size);
}

/* A printed text, for free(). */
static char * TAP_FORMAT(1, 2)
text(const char *fmt, ...)
{
	va_list ap;
	char *out;

	va_start(ap, fmt);
	if (vasprintf(&out, fmt, ap) < 0)
		die("vasprintf");
	va_end(ap);
	return out;
}

/* ---- HTTP ---- */

/* Wait until the socket is ready; false when patience is at its end. */
static bool
ready(int fd, short events, int64_t deadline)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	const int64_t left = deadline - now_ms();

	return left > 0 && poll(&pfd, 1, (int)left) == 1;
}

static int
dial(int port, int64_t deadline)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};

	if (fd < 0)
		die("socket");
	if (connect(fd, (void *)&to, sizeof(to)) == 0 ||
	    (errno == EINPROGRESS && ready(fd, POLLOUT, deadline)))
		return fd;
	close(fd);
	return -1;
}

/* False when the other side does not take it all. */
static bool
put(int fd, const char *p, size_t len, int64_t deadline)
{
	ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN && ready(fd, POLLOUT, deadline))
			n = 0;
		else if (n < 0)
			return false;
	}
	return true;
}

/* Read to the end of the stream; *len is -1 if it does not come. */
static char *
get_all(int fd, ssize_t *len, int64_t deadline)
{
	size_t size = 16384;
	char *all = larger(NULL, size);
	ssize_t n;

	for (*len = 0;; *len += n) {
		if ((size_t)*len + 1 == size)
			all = larger(all, size *= 2);
		n = recv(fd, all + *len, size - (size_t)*len - 1, 0);
		if (n < 0 && errno == EAGAIN) {
			n = 0;
			if (ready(fd, POLLIN, deadline))
				continue;
			*len = -1;
			return all;
		}
		if (n <= 0)
			break;
	}
	all[*len] = '\0';
	return all;
}

/* Take status and body out of what was received. */
static void
take_answer(char *all, struct answer *answer)
{
	char *body = strstr(all, "\r\n\r\n");
	const char *length = strcasestr(all, "\r\ncontent-length: ");

	if (strncmp(all, "HTTP/1.", 7) == 0 && body != NULL)
		answer->status = (int)strtol(all + 8, NULL, 10);
	if (answer->status == CLOSED)
		return;
	body += 4;
	if (length != NULL && length < body && strlen(body) !=
	    strtoul(length + 18, NULL, 10))
		answer->status = CLOSED;
	else
		answer->body = text("%s", body);
}

static struct answer
exchange(int port, const char *bytes, size_t len, enum ending ending)
{
	const struct linger reset = { 1, 0 };
	struct answer answer = { CLOSED, NULL };
	const int64_t deadline = now_ms() + PATIENCE;
	const int fd = dial(port, deadline);
	ssize_t got = 0;
	char *all = NULL;

	atomic_fetch_add(&soak.requests, 1);
	if (fd >= 0) {
		/* who refuses a request may answer before it has read it */
		put(fd, bytes, len, deadline);
		if (ending == CUT)
			shutdown(fd, SHUT_WR);
		if (ending == ABORT)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
			    sizeof(reset));
		else
			all = get_all(fd, &got, deadline);
		close(fd);
	}
	if (got > 0)
		take_answer(all, &answer);
	if (got < 0 || now_ms() >= deadline) {
		answer.status = HUNG;
		atomic_fetch_add(&soak.hung, 1);
	}
	free(all);
	if (answer.body == NULL)
		answer.body = text("%s", "");
	return answer;
}

/* A request with a header line (ending in CR LF, or "") and a body or NULL. */
static struct answer
request(int port, const char *method, const char *path, const char *header,
    const char *body)
{
	char *length = body == NULL ? text("%s", "") :
	    text("Content-Length: %zu\r\n", strlen(body));
	char *all = text("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Connection: close\r\nContent-Type: application/json\r\n"
	    "%s%s\r\n%s", method, path, header, length,
	    body != NULL ? body : "");
	const struct answer answer = exchange(port, all, strlen(all), WHOLE);

	free(length);
	free(all);
	return answer;
}

static int
status_of(struct answer answer)
{
	free(answer.body);
	return answer.status;
}

/* ---- what an answer means ---- */

static void TAP_FORMAT(1, 2)
odd(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (atomic_fetch_add(&soak.odd, 1) >= ODD_SHOWN)
		return;
	pthread_mutex_lock(&soak.mutex);
	diag("%s: %s", parts[soak.part].name, line);
	pthread_mutex_unlock(&soak.mutex);
}

/*
 * Is the status the expected one (or the other one)?  Where a disk is full it
 * may be 503, where processes are killed anything but a success.
 */
static void
expect(const char *what, int status, int expected, int other)
{
	const struct part *part = &parts[soak.part];

	if (part->fill && status == 503)
		atomic_fetch_add(&soak.refused, 1);
	if (status == expected || status == other || status == HUNG ||
	    (part->fill && status == 503) ||
	    (part->kill && (status < 200 || status >= 400)))
		return;
	odd("%s: status %d", what, status);
}

/* ---- JSON ---- */

/* A string below the answer's root; "" where there is none. */
static void
copy_string(const char *json, const char *name, char *out, size_t size)
{
	struct json_object *doc = json_tokener_parse(json), *value;

	*out = '\0';
	if (json_object_object_get_ex(doc, name, &value))
		snprintf(out, size, "%s", json_object_get_string(value));
	json_object_put(doc);
}

static int64_t
get_number(const char *json, const char *name)
{
	struct json_object *doc = json_tokener_parse(json), *value;
	int64_t number = 0;

	if (json_object_object_get_ex(doc, name, &value))
		number = json_object_get_int64(value);
	json_object_put(doc);
	return number;
}

/* ---- tokens ---- */

static size_t
base64url(char *out, const void *bytes, size_t len)
{
	struct base64_encode_ctx ctx;
	size_t n;

	base64url_encode_init(&ctx);
	n = base64_encode_update(&ctx, out, len, bytes);
	n += base64_encode_final(&ctx, out + n);
	while (n > 0 && out[n - 1] == '=')
		n--;
	out[n] = '\0';
	return n;
}

/* "Authorization: JWT ...", good for that many seconds. */
static char *
authorization(const char *id, const char *secret, int64_t room, int life)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	const long long now = (long long)time(NULL);
	char *claims = text("{\"iss\":\"%s\",\"iat\":%lld,\"exp\":%lld,"
	    "\"context\":{\"room_id\":%lld}}", id, now - 7200, now + life,
	    (long long)room);
	char token[1024], signature[64], *out;
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx ctx;
	size_t n;

	n = base64url(token, header, strlen(header));
	token[n++] = '.';
	n += base64url(token + n, claims, strlen(claims));
	hmac_sha256_set_key(&ctx, strlen(secret), (const uint8_t *)secret);
	hmac_sha256_update(&ctx, n, (const uint8_t *)token);
	hmac_sha256_digest(&ctx, sizeof(digest), digest);
	base64url(signature, digest, sizeof(digest));
	out = text("Authorization: JWT %s.%s\r\n", token, signature);
	free(claims);
	return out;
}

/* ---- good requests ---- */

static char *
webhook(const char *id, int64_t room, const char *message)
{
	return text("{\"event\":\"room_message\",\"oauth_client_id\":\"%s\","
	    "\"item\":{\"room\":{\"id\":%lld},\"message\":{\"id\":\"m-%s\","
	    "\"message\":\"/echo %s\"}}}", id, (long long)room, message,
	    message);
}

/* Post it, signed with that secret; returns the status. */
static int
post_webhook(const char *id, const char *secret, int64_t room,
    const char *message, int life)
{
	char *header = authorization(id, secret, room, life);
	char *body = webhook(id, room, message);
	const int status = status_of(request(soak.addon, "POST", "/echo",
	    header, body));

	free(header);
	free(body);
	return status;
}

/* Say something that nobody has said before, and remember what was taken. */
static int
say(struct client *c, const struct tenant *tenant)
{
	struct said *said;
	char message[48];
	int status;

	snprintf(message, sizeof(message), "said-%d-%d-%zu", c->number,
	    c->serial++, soak.part);
	status = post_webhook(tenant->id, tenant->secret, c->room, message,
	    3600);
	if (status == 204) {
		c->said = room_for(c->said, c->said_count, sizeof(*c->said));
		said = &c->said[c->said_count++];
		strcpy(said->text, message);
		said->part = (int)soak.part;
	}
	return status;
}

static char *
credentials(const char *id, const char *secret, int64_t room, const char *url)
{
	return text("{\"oauthId\":\"%s\",\"oauthSecret\":\"%s\","
	    "\"capabilitiesUrl\":\"%s/v2/capabilities\",\"groupId\":46617,"
	    "\"roomId\":%lld}", id, secret, url, (long long)room);
}

static int
post_installed(const char *id, const char *secret, int64_t room,
    const char *url)
{
	char *body = credentials(id, secret, room, url);
	const int status = status_of(request(soak.addon, "POST", "/installed",
	    "", body));

	free(body);
	return status;
}

/* Let HipChat install the add-on; returns its status, 200 with the tenant. */
static int
install(const struct client *c, struct tenant *tenant)
{
	char *body = text("{\"url\":\"%s/capabilities\",\"room_id\":%lld}",
	    soak.addon_url, (long long)c->room);
	const struct answer answer = request(soak.hipchat, "POST",
	    "/control/install", "", body);

	memset(tenant, 0, sizeof(*tenant));
	copy_string(answer.body, "oauth_id", tenant->id, sizeof(tenant->id));
	copy_string(answer.body, "oauth_secret", tenant->secret,
	    sizeof(tenant->secret));
	free(body);
	/* HipChat says 502 where the add-on says anything but 2xx */
	if (answer.status == 502 && parts[soak.part].fill &&
	    strstr(answer.body, "status 503") == NULL)
		odd("install: %s", answer.body);
	return status_of(answer);
}

static void
install_guest(struct client *c)
{
	struct tenant guest;
	const int status = install(c, &guest);

	expect("install", status, 200, parts[soak.part].fill ? 502 : 200);
	if (status != 200)
		return;
	c->guests = room_for(c->guests, c->guest_count, sizeof(guest));
	c->guests[c->guest_count++] = guest;
}

/* Let HipChat remove one of the guests, in one of the three forms. */
static void
remove_guest(struct client *c)
{
	const size_t which = c->guest_count == 0 ? 0 :
	    dice(&c->dice, (unsigned int)c->guest_count);
	const char form = (char)('A' + dice(&c->dice, 3));
	struct tenant *guest;
	struct answer answer;
	int64_t status;
	char *body;

	if (c->guest_count == 0 || c->guests[which].gone ||
	    c->guests[which].unsure)
		return;
	guest = &c->guests[which];
	body = text("{\"oauth_id\":\"%s\",\"form\":\"%c\"}", guest->id, form);
	answer = request(soak.hipchat, "POST", "/control/remove", "", body);
	status = get_number(answer.body, "status");
	expect("removal", (int)status, form == 'B' ? 302 : 204, 0);
	guest->gone = status == 204 || status == 302;
	guest->unsure = !guest->gone;
	free(body);
	free(answer.body);
}

static void
good(struct client *c)
{
	switch (dice(&c->dice, 16)) {
	case 0:
		install_guest(c);
		break;
	case 1:
		remove_guest(c);
		break;
	case 2:	/* HipChat repeats itself */
		expect("install again", post_installed(c->home.id,
		    c->home.secret, c->room, soak.hipchat_url), 200, 0);
		break;
	case 3:
		expect("capabilities", status_of(request(soak.addon, "GET",
		    "/capabilities", "", NULL)), 200, 0);
		break;
	default:
		expect("webhook", say(c, &c->home), 204, 0);
	}
}

/* ---- bad and hostile requests ---- */

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
	expect("alg none", post("/echo", "Authorization: JWT "
	    "eyJhbGciOiJub25lIn0.e30.\r\n", body), 401, 0);
	free(body);
	expect("a guessed secret", post_webhook(c->home.id, "guess", c->room,
	    FORGED, 3600), 401, 0);
	expect("expired", post_webhook(c->home.id, c->home.secret, c->room,
	    FORGED, -3600), 401, 0);
	expect("nobody's", post_webhook("00000000-0000-4000-8000-000000000000",
	    c->home.secret, c->room, FORGED, 3600), 401, 0);
}

static void
take_over(struct client *c)
{
	char *path = text("/installed/%s", c->home.id);

	expect("a forged secret", post_installed(c->home.id, "forged",
	    c->room, soak.hipchat_url), 403, 0);
	expect("capabilities inside", post_installed(c->home.id,
	    c->home.secret, c->room, "https://127.0.0.1"), 403, 0);
	expect("DELETE of what is installed", status_of(request(soak.addon,
	    "DELETE", path, "", NULL)), 409, 0);
	expect("a redirect elsewhere", status_of(request(soak.addon, "GET",
	    "/uninstalled?redirect_url=http://example.com/"
	    "&installable_url=http://example.com/", "", NULL)), 400, 0);
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
	expect("80 KB", post("/echo", "", body), 413, 0);
	body[2000] = '\0';
	expect("2000 brackets", post("/echo", "", body), 400, 0);
	for (i = 0; i < 300; i++)
		body[i] = (char)(1 + dice(&c->dice, 255));
	body[300] = '\0';
	expect("noise", post(dice(&c->dice, 2) == 0 ? "/echo" : "/installed",
	    "", body), 400, 0);
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
	static const char start[] = "POST /echo HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\nContent-Length: 1000\r\n\r\n{\"event\":";
	static const char odd_length[] = "POST /echo HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\nContent-Length: 0x10\r\n\r\n{}";

	status_of(exchange(soak.addon, start, strlen(start), ABORT));
	expect("a body that ends too soon", status_of(exchange(soak.addon,
	    start, strlen(start), CUT)), 400, 408);
	expect("an odd length", status_of(exchange(soak.addon, odd_length,
	    strlen(odd_length), WHOLE)), 400, 0);
	expect("no length", status_of(request(soak.addon, "POST", "/echo", "",
	    NULL)), 411, 0);
	expect("another method", status_of(request(soak.addon, "PUT", "/echo",
	    "", "{}")), 405, 0);
	expect("another path", status_of(request(soak.addon, "GET",
	    dice(&c->dice, 2) == 0 ? "/courier" : "/echo/../installations.db",
	    "", NULL)), 404, 0);
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

static void *
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

/* ---- faults ---- */

/* Give the file system that many bytes; false: it holds more already. */
static bool
resize_disk(unsigned long long bytes)
{
	char *option = text("size=%llu", bytes);
	const bool done = mount("none", soak.data, "tmpfs", MS_REMOUNT,
	    option) == 0;

	if (!done && errno != EINVAL)
		die("resizing the file system");
	free(option);
	return done;
}

/* Make it as small as what is in it, and fill the rest to the last byte. */
static void
fill_disk(uint64_t *state)
{
	char *path = text("%s/filler", soak.data), block[4096];
	const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	size_t size = sizeof(block);
	struct statvfs now;

	if (fd < 0)
		die(path);
	do
		if (statvfs(soak.data, &now) != 0)
			die(soak.data);
	while (!resize_disk((now.f_blocks - now.f_bfree) * now.f_frsize));
	memset(block, 'x', sizeof(block));
	while (size > 0)
		if (write(fd, block, size) < 0)
			size = errno == ENOSPC ? size / 2 : 0;
	close(fd);
	atomic_fetch_add(&soak.filled, 1);
	pause_ms(50 + (int)dice(state, 200));
	if (unlink(path) != 0 || !resize_disk(DISK_SIZE))
		die(path);
	free(path);
	pause_ms(50 + (int)dice(state, 200));
}

/* The name and parent of a process; false if there is none (any more). */
static bool
look_at(int pid, char name[64], int *parent)
{
	char path[64], line[512];
	const char *open_bracket, *close_bracket;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n <= 0)
		return false;
	line[n] = '\0';
	open_bracket = strchr(line, '(');
	close_bracket = strrchr(line, ')');
	if (open_bracket == NULL || close_bracket == NULL ||
	    close_bracket[2] == 'Z')
		return false;
	snprintf(name, 64, "%.*s", (int)(close_bracket - open_bracket - 1),
	    open_bracket + 1);
	*parent = (int)strtol(close_bracket + 3, NULL, 10);
	return true;
}

enum prey {
	COURIER,	/* one with the name that is ours alone */
	PROGRAM,	/* a child of a child of our Apache */
	SERVER,		/* a child of our Apache, mod_cgid's daemon included */
};

static bool
is_prey(enum prey prey, int pid)
{
	const char *slash = strrchr(soak.courier, '/');
	char name[64], other[64];
	int parent, grandparent;

	if (!look_at(pid, name, &parent))
		return false;
	if (prey == COURIER)
		return strcmp(name, slash + 1) == 0;
	if (prey == SERVER)
		return parent == soak.apache;
	return look_at(parent, other, &grandparent) &&
	    grandparent == soak.apache;
}

/* Find one of that kind by chance, or 0. */
static int
find_prey(enum prey prey, uint64_t *state)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned int found = 0;
	int pid, chosen = 0;

	if (proc == NULL)
		die("/proc");
	while ((entry = readdir(proc)) != NULL) {
		pid = (int)strtol(entry->d_name, NULL, 10);
		if (pid > 0 && is_prey(prey, pid) &&
		    dice(state, ++found) == 0)
			chosen = pid;
	}
	closedir(proc);
	return chosen;
}

static void
kill_one(uint64_t *state)
{
	const unsigned int throw = dice(state, 20);
	const enum prey prey = throw == 0 ? SERVER : throw < 6 ? COURIER :
	    PROGRAM;
	const int pid = find_prey(prey, state);

	if (pid > 0 && kill(pid, SIGKILL) == 0)
		atomic_fetch_add(&soak.killed, 1);
	pause_ms((int)dice(state, 40));
}

/* ---- the load ---- */

/* Is the add-on back again, after everything? */
static bool
is_well(void)
{
	const int64_t deadline = now_ms() + PATIENCE;
	int streak = 0;

	while (streak < 10 && now_ms() < deadline) {
		if (status_of(request(soak.addon, "GET", "/capabilities", "",
		    NULL)) == 200) {
			streak++;
		} else {
			streak = 0;
			pause_ms(200);
		}
	}
	return streak == 10;
}

static void
run_part(uint64_t *state)
{
	const struct part *part = &parts[soak.part];
	pthread_t threads[CLIENTS_MAX];
	const int requests = atomic_load(&soak.requests);
	const int before = atomic_load(&soak.odd);
	int i;

	soak.end = now_ms() + soak.seconds * 1000;
	for (i = 0; i < soak.client_count; i++)
		if (pthread_create(&threads[i], NULL, run_client,
		    &soak.clients[i]) != 0)
			die("pthread_create");
	while (now_ms() < soak.end) {
		if (part->fill)
			fill_disk(state);
		else if (part->kill)
			kill_one(state);
		else
			pause_ms(50);
	}
	for (i = 0; i < soak.client_count; i++)
		pthread_join(threads[i], NULL);
	diag("%s: %d requests", part->name,
	    atomic_load(&soak.requests) - requests);
	ok(is_well(), "%s: the add-on serves", part->name);
	is_int(atomic_load(&soak.odd) - before, 0,
	    "%s: answers are as they should be", part->name);
	is_int(atomic_load(&soak.hung), 0, "%s: nobody is left waiting", part->name);
}

/* ---- the end ---- */

static int
count_files(const char *dir)
{
	char *path = text("%s/outbox/%s", soak.data, dir);
	DIR *d = opendir(path);
	const struct dirent *entry;
	int n = 0;

	while (d != NULL && (entry = readdir(d)) != NULL)
		n += entry->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	free(path);
	return n;
}

/* As an operator would, in the place of the data directory's owner. */
static void
run_courier(void)
{
	struct stat sb;
	int status;
	pid_t pid;

	if (stat(soak.data, &sb) != 0)
		die(soak.data);
	if ((pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		if (geteuid() != sb.st_uid && (setgroups(0, NULL) != 0 ||
		    setgid(sb.st_gid) != 0 || setuid(sb.st_uid) != 0))
			_exit(126);
		setenv("HIPCHAT_DATA_DIR", soak.data, 1);
		setenv("HIPCHAT_ALLOWED_HOSTS", soak.hipchat_url, 1);
		execl(soak.courier, "courier", (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		diag("courier: status %d", status);
}

/* Deliver everything.  Another courier may be at it: then ours leaves. */
static bool
deliver(void)
{
	const int64_t deadline = now_ms() + PATIENCE;

	do {
		run_courier();
		if (count_files("new") == 0)
			return true;
		pause_ms(100);
	} while (now_ms() < deadline);
	return false;
}

/* Does each installation work, and none that was removed? */
static void
check_tenants(void)
{
	int works = 0, gone = 0, lost = 0, back = 0, i;
	size_t k;

	for (i = 0; i < soak.client_count; i++) {
		struct client *c = &soak.clients[i];

		lost += say(c, &c->home) != 204;
		for (k = 0; k < c->guest_count; k++) {
			if (c->guests[k].unsure)
				continue;
			if (c->guests[k].gone) {
				gone++;
				back += post_webhook(c->guests[k].id,
				    c->guests[k].secret, c->room, FORGED,
				    3600) != 401;
			} else {
				works++;
				lost += say(c, &c->guests[k]) != 204;
			}
		}
	}
	diag("%d installations, %d removed again", works + gone, gone);
	is_int(lost, 0, "every acknowledged installation is there");
	is_int(back, 0, "every acknowledged removal holds");
}

/* How often each text was said in the room, as an object. */
static struct json_object *
count_texts(int64_t room, int *forged)
{
	char *path = text("/control/rooms/%lld", (long long)room);
	const struct answer answer = request(soak.hipchat, "GET", path, "",
	    NULL);
	struct json_object *doc = json_tokener_parse(answer.body), *list = NULL;
	struct json_object *counts = json_object_new_object(), *value;
	const char *message;
	size_t i;

	json_object_object_get_ex(doc, "messages", &list);
	for (i = 0; i < json_object_array_length(list); i++) {
		json_object_object_get_ex(json_object_array_get_idx(list, i),
		    "message", &value);
		message = json_object_get_string(value);
		*forged += strstr(message, FORGED) != NULL;
		if (json_object_object_get_ex(counts, message, &value))
			json_object_int_inc(value, 1);
		else
			json_object_object_add(counts, message,
			    json_object_new_int(1));
	}
	json_object_put(doc);
	free(answer.body);
	free(path);
	return counts;
}

static void
check_messages(void)
{
	int lost = 0, twice = 0, again = 0, forged = 0, all = 0, i;
	struct json_object *counts, *value;
	size_t k;

	for (i = 0; i < soak.client_count; i++) {
		const struct client *c = &soak.clients[i];

		counts = count_texts(c->room, &forged);
		for (k = 0; k < c->said_count; k++, all++) {
			const struct said *said = &c->said[k];

			if (!json_object_object_get_ex(counts, said->text,
			    &value))
				lost++;
			else if (json_object_get_int(value) == 1)
				continue;
			else if (parts[said->part].kill)
				again++;
			else
				twice++;
		}
		json_object_put(counts);
	}
	diag("%d messages, %d of them twice because of a kill", all, again);
	is_int(lost, 0, "every acknowledged message arrived");
	is_int(twice, 0, "once, where nothing was killed");
	is_int(forged, 0, "nothing forged did");
	is_int(count_files("failed"), 0, "none has failed");
	is_int(count_files("tmp"), 0, "no half-written message is left");
}

/* ---- the program ---- */

static const char *
needed(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL || *value == '\0') {
		fprintf(stderr, "soak: %s is needed; see soak.t\n", name);
		exit(2);
	}
	return value;
}

static int
number(const char *name, int otherwise)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ?
	    (int)strtol(value, NULL, 10) : otherwise;
}

static int
port_of(const char *url)
{
	return (int)strtol(strrchr(url, ':') + 1, NULL, 10);
}

static void
set_up(void)
{
	soak.addon_url = needed("ADDON");
	soak.hipchat_url = needed("HIPCHAT");
	soak.data = needed("SOAK_DATA");
	soak.courier = needed("SOAK_COURIER");
	needed("SOAK_APACHE");
	soak.apache = number("SOAK_APACHE", 0);
	soak.addon = port_of(soak.addon_url);
	soak.hipchat = port_of(soak.hipchat_url);
	soak.seconds = number("SOAK_S", 3);
	soak.client_count = number("SOAK_CLIENTS", 8);
	if (soak.seconds < 1 || soak.client_count < 1 ||
	    soak.client_count > CLIENTS_MAX || soak.apache < 2) {
		fprintf(stderr, "soak: a number is out of range\n");
		exit(2);
	}
}

/* Give each client a room with an installation in it. */
static void
set_clients_up(uint64_t seed)
{
	struct answer answer;
	char *body;
	int i;

	status_of(request(soak.hipchat, "POST", "/control/settings", "",
	    "{\"rate_limit\":100000000,\"flood_limit\":100000000}"));
	for (i = 0; i < soak.client_count; i++) {
		struct client *c = &soak.clients[i];

		c->number = i;
		c->dice = seed * 1000003 + (uint64_t)i + 1;
		body = text("{\"name\":\"Room %d\"}", i);
		answer = request(soak.hipchat, "POST", "/control/rooms", "",
		    body);
		c->room = get_number(answer.body, "id");
		free(answer.body);
		free(body);
		if (install(c, &c->home) != 200) {
			fprintf(stderr, "soak: not installed\n");
			exit(1);
		}
	}
}

int
main(void)
{
	const bool disk = number("SOAK_DISK", 0) == 1;
	uint64_t seed, state;
	int i;

	set_up();
	seed = (uint64_t)number("SOAK_SEED", (int)(time(NULL) & 0xffff)) + 1;
	diag("SOAK_SEED=%llu", (unsigned long long)(seed - 1));
	state = seed * 7919;
	set_clients_up(seed);
	for (soak.part = 0; soak.part < PARTS; soak.part++) {
		if (parts[soak.part].fill && !disk) {
			skip(parts[soak.part].name, "no file system of our "
			    "own can be mounted here");
			continue;
		}
		run_part(&state);
		/* before anything is killed that has it in hand */
		ok(deliver(), "%s: all is delivered", parts[soak.part].name);
	}
	soak.part = 0;
	diag("%d times the disk was full, %d processes were killed",
	    atomic_load(&soak.filled), atomic_load(&soak.killed));
	ok(!disk || atomic_load(&soak.refused) > 0, "the disk was full");
	ok(atomic_load(&soak.killed) > 0, "something was killed");
	check_tenants();
	ok(deliver(), "the rest is delivered");
	check_messages();
	for (i = 0; i < soak.client_count; i++) {
		free(soak.clients[i].guests);
		free(soak.clients[i].said);
	}
	return done();
}
