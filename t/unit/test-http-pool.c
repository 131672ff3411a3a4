/*
 * test-http-pool: many calls at once.  What the pool makes of each way in which
 * a server can fail a client, when may_send() is asked, and that a process that
 * was stopped finds the answers that came meanwhile.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "capture.h"
#include "http.h"
#include "status.h"
#include "tap.h"

#define MANY 100
#define SOON 50 /* ms, a deadline that is meant to pass */

/* ---- a name server that knows no name, and is mute about one ---- */

int
getaddrinfo(const char *restrict host, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
	struct sockaddr_in *in;
	struct {
		struct addrinfo info;
		struct sockaddr_in in;
	} * found;

	(void)hints;
	if (strcmp(host, "mute.example") == 0)
		for (;;)
			pause();
	if (strcmp(host, "127.0.0.1") != 0)
		return EAI_NONAME;
	found = calloc(1, sizeof(*found));
	if (found == NULL)
		return EAI_MEMORY;
	in = &found->in;
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in->sin_port = htons((in_port_t)atoi(service));
	found->info.ai_family = AF_INET;
	found->info.ai_socktype = SOCK_STREAM;
	found->info.ai_addrlen = sizeof(*in);
	found->info.ai_addr = (struct sockaddr *)in;
	*list = &found->info;
	return 0;
}

void
freeaddrinfo(struct addrinfo *list)
{
	free(list);
}

/* ---- a server on loopback ---- */

/* What server and test tell each other. */
struct shared {
	atomic_int connections, requests;
	atomic_bool open; /* answer what came for /gate */
	atomic_bool done; /* that of /gate/stopped is sent */
};

struct server {
	pid_t pid;
	char origin[64];
	struct shared *shared;
};

/* A child that does not outlive its parent. */
static pid_t
child(void)
{
	const pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static int
listener(struct sockaddr_in *in, int backlog)
{
	socklen_t len = sizeof(*in);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*in = (struct sockaddr_in){ .sin_family = AF_INET };
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)in, len) != 0 ||
	    (backlog > 0 && listen(fd, backlog) != 0) ||
	    getsockname(fd, (struct sockaddr *)in, &len) != 0)
		die("a socket");
	return fd;
}

/* All requests are POST with this body.  false: the client has gone. */
static bool
read_request(int fd, char *request, size_t size)
{
	static const char end[] = "\r\n\r\n{}";
	size_t len = 0;
	ssize_t n;

	do {
		n = recv(fd, request + len, size - 1 - len, 0);
		if (n <= 0)
			return false;
		len += (size_t)n;
		request[len] = '\0';
	} while (strstr(request, end) == NULL && *request == 'P');
	return true;
}

static void
say(int fd, const char *text, size_t len)
{
	send(fd, text, len, MSG_NOSIGNAL);
}

/* The body is the path, and then as many bytes as asked for. */
static void
answer(int fd, const char *path, size_t len)
{
	static char body[HTTP_REPLY_MAX + 1];
	char header[128];
	const size_t shown = strlen(path);

	memset(body, 'x', sizeof(body));
	memcpy(body, path, shown);
	if (len < shown)
		len = shown;
	snprintf(header, sizeof(header),
	    "HTTP/1.1 201 Created\r\nContent-Length: %zu\r\n\r\n", len);
	say(fd, header, strlen(header));
	say(fd, body, len);
}

/* What to say before the connection closes, or is held. */
static const struct {
	const char *path, *text;
	bool hold;
} scripts[] = {
	{ "/close", "", false },
	{ "/half", "HTTP/1.1 201 Created\r\nContent-Le", false },
	{ "/noise", "220 smtp.example\r\n", false },
	{ "/continue", "HTTP/1.1 100 Continue\r\n\r\n", false },
	{ "/cut", "HTTP/1.1 201 C\r\nContent-Length: 9\r\n\r\nabc", false },
	{ "/mute", "", true },
	{ "/stall", "HTTP/1.1 201 C\r\nContent-Length: 9\r\n\r\nabc", true },
	{ "/slow", "HTTP/1.1 201 C\r\nContent-Le", true },
};

/* Returns whether the connection can be used again. */
static bool
serve_request(struct shared *shared, int fd, const char *path)
{
	size_t i;

	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (strcmp(path, scripts[i].path) != 0)
			continue;
		say(fd, scripts[i].text, strlen(scripts[i].text));
		while (scripts[i].hold)
			pause();
		return false;
	}
	while (strncmp(path, "/gate", 5) == 0 && !atomic_load(&shared->open))
		usleep(1000);
	answer(fd, path,
	    strcmp(path, "/largest") == 0    ? HTTP_REPLY_MAX :
		strcmp(path, "/larger") == 0 ? HTTP_REPLY_MAX + 1 :
					       0);
	if (strcmp(path, "/gate/stopped") == 0)
		atomic_store(&shared->done, true);
	return true;
}

/* After "/last", the next request on the connection gets no answer. */
static void
serve_connection(struct shared *shared, int fd)
{
	char request[8192], path[64];
	bool more = true, last = false;

	while (more && read_request(fd, request, sizeof(request))) {
		atomic_fetch_add(&shared->requests, 1);
		if (last || sscanf(request, "POST %63s", path) != 1)
			break;
		last = strcmp(path, "/last") == 0;
		more = serve_request(shared, fd, path);
	}
}

static void __attribute__((noreturn)) serve(struct shared *shared, int fd)
{
	int client;

	signal(SIGCHLD, SIG_IGN);
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		atomic_fetch_add(&shared->connections, 1);
		if (child() == 0) {
			close(fd);
			serve_connection(shared, client);
			_exit(0);
		}
		close(client);
	}
	_exit(0);
}

static void
server_start(struct server *s)
{
	struct sockaddr_in in;
	const int fd = listener(&in, 2 * MANY);

	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->shared == MAP_FAILED)
		die("mmap");
	s->pid = child();
	if (s->pid == 0) {
		setpgid(0, 0);
		serve(s->shared, fd);
	}
	setpgid(s->pid, s->pid);
	close(fd);
	snprintf(s->origin, sizeof(s->origin), "http://127.0.0.1:%u",
	    ntohs(in.sin_port));
}

static void
server_stop(struct server *s)
{
	kill(-s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap(s->shared, sizeof(*s->shared));
}

/* ---- calls ---- */

static int
add(struct http_pool *pool, struct http_call *call, const char *origin,
    const char *path, void *owner, bool (*may_send)(void *))
{
	const struct config cfg = { .allowed_hosts = origin };
	struct http_request request = { .content_type = "application/json",
		.body = "{}" };
	char url[128];

	snprintf(url, sizeof(url), "%s%s", origin, path);
	request.url = url;
	return http_pool_add(pool, call, &cfg, &request, owner, may_send);
}

/* Until a call is over. */
static struct http_call *
next(struct http_pool *pool)
{
	struct http_call *call;

	while ((call = http_pool_next(pool)) == NULL)
		http_pool_wait(pool, -1, 1000);
	return call;
}

/* A call from begin to end; the caller calls http_free(). */
static void
run(struct http_pool *pool, struct http_call *call, const char *origin,
    const char *path, void *owner, bool (*may_send)(void *))
{
	if (add(pool, call, origin, path, owner, may_send) != 0 ||
	    next(pool) != call)
		die("a call");
}

static const char *const names[] = { "answered", "unreached", "timed out",
	"broken", "stopped" };

/* In a pool of its own; the status is that of an answer, or 0. */
static void
is_outcome(const char *origin, const char *path, int64_t ms,
    enum http_outcome outcome, const char *name)
{
	struct http_pool pool;
	struct http_call call;

	http_pool_open(&pool);
	if (ms != 0)
		pool.send_ms = pool.answer_ms = ms;
	run(&pool, &call, origin, path, NULL, NULL);
	is_str(names[call.outcome], names[outcome], "%s: %s", name,
	    names[outcome]);
	is_int(call.reply.status, outcome == CALL_ANSWERED ? 201 : 0,
	    "... status");
	ok(outcome == CALL_ANSWERED || *call.error != '\0', "... because: %s",
	    call.error);
	ok(call.sent == (outcome != CALL_UNREACHED), "... %ssent",
	    call.sent ? "" : "not ");
	is_int((long long)pool.count, 0, "... and out of the pool");
	http_free(&call);
	http_pool_close(&pool);
}

/* ---- outcomes ---- */

static void
test_unreached(const struct server *s)
{
	struct sockaddr_in in;
	char origin[64];
	int fd = listener(&in, 0);

	snprintf(origin, sizeof(origin), "http://127.0.0.1:%u",
	    ntohs(in.sin_port));
	is_outcome(origin, "/", 0, CALL_UNREACHED, "a port refuses");
	close(fd);
	is_outcome("https://unknown.example", "/", 0, CALL_UNREACHED,
	    "a name that has no address");
	is_outcome("https://mute.example", "/", SOON, CALL_UNREACHED,
	    "a name server that says nothing");
	snprintf(origin, sizeof(origin), "https%s", s->origin + 4);
	is_outcome(origin, "/", 0, CALL_UNREACHED, "no TLS there");

	fd = listener(&in, 1);
	snprintf(origin, sizeof(origin), "https://127.0.0.1:%u",
	    ntohs(in.sin_port));
	is_outcome(origin, "/", SOON, CALL_UNREACHED, "mute instead of TLS");
	snprintf(origin, sizeof(origin), "http://127.0.0.1:%u",
	    ntohs(in.sin_port));
	is_outcome(origin, "/", SOON, CALL_TIMED_OUT, "mute from the start");
	close(fd);
}

/* A port whose connections are closed before a request is read. */
static void
test_closed_at_once(void)
{
	struct sockaddr_in in;
	char origin[64];
	const int fd = listener(&in, 1);
	const pid_t pid = child();

	if (pid == 0)
		for (;;)
			close(accept(fd, NULL, NULL));
	snprintf(origin, sizeof(origin), "http://127.0.0.1:%u",
	    ntohs(in.sin_port));
	is_outcome(origin, "/", 0, CALL_BROKEN, "closed after accept");
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void
test_sent(const struct server *s)
{
	is_outcome(s->origin, "/", 0, CALL_ANSWERED, "an answer");
	is_outcome(s->origin, "/close", 0, CALL_BROKEN,
	    "closed after the request");
	is_outcome(s->origin, "/half", 0, CALL_BROKEN, "half a header");
	is_outcome(s->origin, "/noise", 0, CALL_BROKEN, "no HTTP");
	is_outcome(s->origin, "/continue", 0, CALL_BROKEN,
	    "a promise of an answer");
	is_outcome(s->origin, "/cut", 0, CALL_ANSWERED,
	    "headers, then closed within the body");
	is_outcome(s->origin, "/mute", SOON, CALL_TIMED_OUT,
	    "mute after the request");
	is_outcome(s->origin, "/slow", SOON, CALL_TIMED_OUT,
	    "mute within a header");
	is_outcome(s->origin, "/stall", SOON, CALL_ANSWERED,
	    "mute within the body");
}

static void
test_bodies(const struct server *s)
{
	struct http_pool pool;
	struct http_call call;

	http_pool_open(&pool);
	run(&pool, &call, s->origin, "/small", NULL, NULL);
	is_str(call.reply.body, "/small", "a body");
	ok(call.reply.room < 4096, "... in a small buffer");
	http_free(&call);
	run(&pool, &call, s->origin, "/cut", NULL, NULL);
	is_str(call.reply.body, "abc", "a body that breaks off");
	http_free(&call);
	run(&pool, &call, s->origin, "/largest", NULL, NULL);
	is_int(call.outcome, CALL_ANSWERED, "the largest body");
	is_int((long long)call.reply.len, HTTP_REPLY_MAX, "... is whole");
	http_free(&call);
	run(&pool, &call, s->origin, "/larger", NULL, NULL);
	is_int(call.outcome, CALL_ANSWERED, "a larger one: the status counts");
	is_int(call.reply.status, 201, "... as it was");
	is_int((long long)call.reply.len, HTTP_REPLY_MAX, "... and it is cut");
	is_int((long long)strlen(call.reply.body), HTTP_REPLY_MAX,
	    "... and ended");
	http_free(&call);
	http_pool_close(&pool);
}

static void
test_not_allowed(void)
{
	const struct config cfg = { .allowed_hosts = "*.example" };
	const struct http_request request = { .url = "https://127.0.0.1/" };
	struct http_pool pool;
	struct http_call call;
	struct capture log;
	int status;

	http_pool_open(&pool);
	capture_start(&log);
	status = http_pool_add(&pool, &call, &cfg, &request, NULL, NULL);
	capture_stop(&log);
	is_int(status, HOST_NOT_ALLOWED, "not on the list");
	is_line(log.text, "https://127.0.0.1/: not on a host", "... is logged");
	is_int((long long)pool.count, 0, "... and not called");
	http_pool_close(&pool);
}

/* ---- may_send() ---- */

struct permission {
	int asked;
	int until; /* as often it is granted */
};

static bool
may_send(void *owner)
{
	struct permission *permission = owner;

	return permission->asked++ < permission->until;
}

static void
test_stopped(const struct server *s)
{
	struct permission no = { 0, 0 }, yes = { 0, 1 };
	struct http_pool pool;
	struct http_call call;
	int connections, requests;

	http_pool_open(&pool);
	requests = atomic_load(&s->shared->requests);
	run(&pool, &call, s->origin, "/", &no, may_send);
	is_str(names[call.outcome], "stopped", "stopped on a new connection");
	ok(call.owner == &no && no.asked == 1, "... the owner was asked, once");
	ok(!call.sent, "... before anything was sent");
	http_free(&call);
	is_int(atomic_load(&s->shared->requests), requests,
	    "... and nothing came");

	run(&pool, &call, s->origin, "/", &yes, may_send);
	is_str(names[call.outcome], "answered", "allowed");
	is_int(yes.asked, 1, "... once");
	http_free(&call);
	requests = atomic_load(&s->shared->requests);
	connections = atomic_load(&s->shared->connections);
	run(&pool, &call, s->origin, "/", &no, may_send);
	is_str(names[call.outcome], "stopped", "stopped on a kept connection");
	is_int(no.asked, 2, "... asked again");
	http_free(&call);
	is_int(atomic_load(&s->shared->requests), requests,
	    "... and nothing came");
	is_int(atomic_load(&s->shared->connections), connections,
	    "... nor a connection");
	http_pool_close(&pool);
}

/* The server takes the second request, and closes the kept connection. */
static void
test_sent_again(const struct server *s)
{
	struct permission twice = { 0, 2 }, once = { 0, 1 };
	struct http_pool pool;
	struct http_call call;
	int requests;

	http_pool_open(&pool);
	run(&pool, &call, s->origin, "/last", NULL, NULL);
	http_free(&call);
	requests = atomic_load(&s->shared->requests);
	run(&pool, &call, s->origin, "/last", &twice, may_send);
	is_str(names[call.outcome], "answered", "a kept connection is dead");
	is_int(atomic_load(&s->shared->requests) - requests, 2,
	    "... the request came twice");
	is_int(twice.asked, 2, "... both times with permission");
	http_free(&call);

	run(&pool, &call, s->origin, "/", &once, may_send);
	is_str(names[call.outcome], "stopped", "the second time without");
	ok(call.sent, "... but the first may have had its effect");
	http_free(&call);

	run(&pool, &call, s->origin, "/last", NULL, NULL);
	http_free(&call);
	run(&pool, &call, s->origin, "/close", NULL, NULL);
	is_str(names[call.outcome], "broken", "dead, and again on a new one");
	http_free(&call);
	http_pool_close(&pool);
}

/* ---- life in a pool ---- */

/* The gate opens when all calls have come. */
static void
test_many(const struct server *s)
{
	static struct http_call calls[MANY];
	struct http_call *call;
	struct http_pool pool;
	char path[32];
	int i, good = 0, over = 0;
	const int before = atomic_load(&s->shared->requests);

	atomic_store(&s->shared->open, false);
	http_pool_open(&pool);
	for (i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "/gate/%d", i);
		if (add(&pool, &calls[i], s->origin, path, &calls[i], NULL) !=
		    0)
			die("a call");
	}
	is_int((long long)pool.count, MANY, "%d calls are under way", MANY);
	while (over < MANY) {
		atomic_store(&s->shared->open,
		    atomic_load(&s->shared->requests) - before == MANY);
		while ((call = http_pool_next(&pool)) != NULL) {
			snprintf(path, sizeof(path), "/gate/%d",
			    (int)(call - calls));
			good += call->owner == call &&
			    call->outcome == CALL_ANSWERED &&
			    strcmp(call->reply.body, path) == 0;
			over++;
			http_free(call);
		}
		http_pool_wait(&pool, -1, 10);
	}
	is_int(good, MANY, "... and each gets its own answer");
	is_int((long long)pool.count, 0, "... none is left");
	http_pool_close(&pool);
}

/* One call after the other, to all servers in turn, twice. */
static int
take_turns(struct http_pool *pool, struct server *servers, int n)
{
	struct http_call call;
	int i, connections = 0;

	for (i = 0; i < 2 * n; i++) {
		run(pool, &call, servers[i % n].origin, "/", NULL, NULL);
		http_free(&call);
	}
	for (i = 0; i < n; i++)
		connections += atomic_load(&servers[i].shared->connections);
	return connections;
}

static void
test_kept(const struct server *mute)
{
	static struct http_call calls[MANY];
	struct server servers[6];
	struct http_pool pool;
	int i;

	for (i = 0; i < 6; i++)
		server_start(&servers[i]);
	http_pool_open(&pool);
	is_int(take_turns(&pool, servers, 6), 6,
	    "a connection to each of six servers is kept");
	for (i = 0; i < MANY; i++)
		if (add(&pool, &calls[i], mute->origin, "/mute", NULL, NULL) !=
		    0)
			die("a call");
	is_int(take_turns(&pool, servers, 6), 6,
	    "... and while %d calls to another get no answer", MANY);
	http_pool_close(&pool);
	for (i = 0; i < 6; i++)
		server_stop(&servers[i]);
}

static void
test_wait(const struct server *s)
{
	struct http_pool pool;
	struct http_call call, one, two;
	int fds[2];
	char byte;

	if (pipe(fds) != 0)
		die("pipe");
	http_pool_open(&pool);
	ok(!http_pool_wait(&pool, fds[0], 0), "nothing to read");
	ok(!http_pool_wait(&pool, -1, 0), "no descriptor");
	ok(write(fds[1], "x", 1) == 1 && http_pool_wait(&pool, fds[0], 600000),
	    "a descriptor wakes an empty pool");
	if (read(fds[0], &byte, 1) != 1 ||
	    add(&pool, &one, s->origin, "/mute", NULL, NULL) != 0 ||
	    add(&pool, &two, s->origin, "/mute", NULL, NULL) != 0)
		die("calls");
	while (!one.sent || !two.sent) {
		if (http_pool_next(&pool) != NULL)
			die("a mute server");
		http_pool_wait(&pool, fds[0], 1000);
	}
	ok(write(fds[1], "x", 1) == 1, "while calls wait for their answers");
	while (!http_pool_wait(&pool, fds[0], 600000))
		http_pool_next(&pool);
	ok(http_pool_next(&pool) == NULL, "... it wakes the pool");

	run(&pool, &call, s->origin, "/", NULL, NULL);
	ok(call.outcome == CALL_ANSWERED, "... and another call goes on");
	http_free(&call);
	http_pool_close(&pool);
	ok(one.easy == NULL && two.easy == NULL,
	    "what is left when the pool closes is freed");
	close(fds[0]);
	close(fds[1]);
}

/* Stops itself when the request is sent; exits with the outcome. */
static void __attribute__((noreturn)) be_stopped(const struct server *s)
{
	struct http_pool pool;
	struct http_call call;
	bool stopped = false;

	http_pool_open(&pool);
	pool.answer_ms = SOON;
	if (add(&pool, &call, s->origin, "/gate/stopped", NULL, NULL) != 0)
		_exit(99);
	while (http_pool_next(&pool) == NULL) {
		if (call.sent && !stopped) {
			stopped = true;
			raise(SIGSTOP);
		}
		http_pool_wait(&pool, -1, 1000);
	}
	_exit(stopped ? (int)call.outcome : 98);
}

static void
test_stop_and_continue(const struct server *s)
{
	pid_t pid;
	int status;

	atomic_store(&s->shared->open, false);
	pid = child();
	if (pid == 0)
		be_stopped(s);
	if (waitpid(pid, &status, WUNTRACED) != pid)
		die("a child");
	ok(WIFSTOPPED(status), "a process is stopped");
	usleep(2 * SOON * 1000); /* its deadline passes */
	atomic_store(&s->shared->open, true);
	while (!atomic_load(&s->shared->done))
		usleep(1000);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == CALL_ANSWERED,
	    "... and finds the answer that came after its deadline");
}

int
main(void)
{
	struct server server = { .pid = -1 };

	server_start(&server);
	test_not_allowed();
	test_unreached(&server);
	test_closed_at_once();
	test_sent(&server);
	test_bodies(&server);
	test_stopped(&server);
	test_sent_again(&server);
	test_many(&server);
	test_kept(&server);
	test_wait(&server);
	test_stop_and_continue(&server);
	server_stop(&server);
	return done();
}
