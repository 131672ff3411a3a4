/*
 * http: requests of all kinds, and the answer in any case, with patience.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "soak.h"

int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

/* xorshift: anything will do that can be had again by its seed. */
unsigned int
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
void *
room_for(void *list, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return list;
	return larger(list, (count == 0 ? 1 : 2 * count) * size);
}

/* A printed text, for free(). */
char *TAP_FORMAT(1, 2) text(const char *fmt, ...)
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
	const int fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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
	if (length != NULL && length < body &&
	    strlen(body) != strtoul(length + 18, NULL, 10))
		answer->status = CLOSED;
	else
		answer->body = text("%s", body);
}

struct answer
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
struct answer
request(int port, const char *method, const char *path, const char *header,
    const char *body)
{
	char *length = body == NULL ?
	    text("%s", "") :
	    text("Content-Length: %zu\r\n", strlen(body));
	char *all = text(
	    "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Connection: close\r\nContent-Type: application/json\r\n"
	    "%s%s\r\n%s",
	    method, path, header, length, body != NULL ? body : "");
	const struct answer answer = exchange(port, all, strlen(all), WHOLE);

	free(length);
	free(all);
	return answer;
}

int
status_of(struct answer answer)
{
	free(answer.body);
	return answer.status;
}
