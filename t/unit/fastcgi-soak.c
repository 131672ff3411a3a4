/*
 * fastcgi-soak: thousands of requests through one FastCGI process, good, bad,
 * hostile, and cut off in the middle.  Each answer, and each line of the log,
 * is that of the CGI program, which gets the same requests on a data directory
 * of its own.  In the end the process has as many descriptors and as much
 * memory as after a fifth of them.
 *
 *	fastcgi-soak PROGRAM
 *
 * fastcgi-soak.t prepares it, and says in the environment:
 *
 *	B		the build directory
 *	HIPCHAT		the stand-in's base URL
 *	SOAK_CONFIG	a settings' file
 *	SOAK_DIR	where PROGRAM.fcgi and PROGRAM.cgi are, directories with
 *			the same installations in them
 *	SOAK_TENANTS	a file: the installations as HipChat posted them
 *	SOAK_REQUESTS	how many
 *	SOAK_SEED	for the same requests again
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "datadir.h"
#include "fcgi/mix.h"
#include "wake.h"

#define ENV_MAX 16
#define SHOWN 5

#define STATUSES 600

/* Of so many requests one is new: an exec with a sanitizer takes 40 ms. */
#ifdef __SANITIZE_ADDRESS__
#define NEW_ONE 8
#else
#define NEW_ONE 4
#endif

/* So many of the last requests may come again. */
#define REMEMBERED 64

/* Growth that is no leak: what one large request leaves in the heap, in kB. */
#define MEMORY_SLACK 300

const struct part parts[PARTS] = { { "", false, false }, { "", false, false },
	{ "", false, false } };
struct soak soak = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* One of the two who answer. */
struct side {
	char *env[ENV_MAX + 1];
	size_t env_len;
	char *data;
	struct datadir dir;
	struct wake wake; /* a courier that is never busy: nobody starts one */
};

/* A request with CGI's answer, which does not change before the store does. */
struct memory {
	struct fcgi_request req;
	struct bytes response;
	struct bytes log;
};

static struct world {
	struct mix mix;
	struct side resident, cgi;
	struct fcgi_place place;
	char *path;
	int log;
	off_t heard; /* so much of the log was looked at */
	pid_t pid;
	struct memory memory[REMEMBERED];
	bool changes_store;
	unsigned int remembered; /* in all; the last ones are there */
	unsigned int compared, cut, differ, odd_lines;
	unsigned int statuses[STATUSES]; /* how often each was answered */
} world;

static const char *
needed(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL || *value == '\0') {
		fprintf(stderr, "fastcgi-soak: %s is needed\n", name);
		exit(2);
	}
	return value;
}

static unsigned int
number(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ?
	    (unsigned int)strtoul(value, NULL, 10) :
	    otherwise;
}

/* ---- the two sides ---- */

static void
add_env(struct side *s, const char *name, const char *value)
{
	if (s->env_len == ENV_MAX)
		die("too many settings");
	if (value != NULL)
		s->env[s->env_len++] = text("%s=%s", name, value);
}

/* asan: a sanitizer's options, or NULL */
static void
open_side(struct side *s, const char *kind, const char *asan)
{
	char *templates = realpath("templates", NULL);
	struct wake_holder holder;

	s->data = text("%s/%s.%s", needed("SOAK_DIR"), world.mix.program, kind);
	add_env(s, "PATH", "/usr/bin:/bin");
	add_env(s, "ASAN_OPTIONS", asan);
	add_env(s, "UBSAN_OPTIONS", getenv("UBSAN_OPTIONS"));
	add_env(s, "HIPCHAT_CONFIG", needed("SOAK_CONFIG"));
	add_env(s, "HIPCHAT_DATA_DIR", s->data);
	add_env(s, "HIPCHAT_TEMPLATE_DIR", templates);
	add_env(s, "HIPCHAT_ALLOWED_HOSTS", needed("HIPCHAT"));
	add_env(s, "HIPCHAT_COURIER", "/bin/true");
	if (datadir_open(&s->dir, s->data) != 0 ||
	    wake_open(&s->wake, &s->dir) != 0 ||
	    wake_take(&s->wake, WAKE_RESIDENT, "0123456789abcdef", &holder) !=
		0)
		die(s->data);
	free(templates);
}

static void
close_side(struct side *s)
{
	wake_close(&s->wake);
	datadir_close(&s->dir);
	free(s->data);
	while (s->env_len > 0)
		free(s->env[--s->env_len]);
}

static void
start(void)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	world.log = memfd_create("log", MFD_CLOEXEC);
	if (null < 0 || world.log < 0 ||
	    fcntl(world.log, F_SETFL, O_APPEND) != 0)
		die("starting");
	fcgi_listen(&world.place);
	world.pid = fcgi_start(world.path, world.resident.env, world.place.fd,
	    null, world.log);
	close(null);
	/* nobody listens if it dies */
	close(world.place.fd);
}

/* ---- the stand-in ---- */

static void
tell_hipchat(const char *method, const char *path, const char *body)
{
	const int status =
	    status_of(request(soak.hipchat, method, path, "", body));

	if (status < 200 || status > 299)
		die("the stand-in");
}

static void
prepare_hipchat(const char *fault)
{
	if (fault == NULL)
		return;
	tell_hipchat("DELETE", "/control/faults", NULL);
	tell_hipchat("POST", "/control/faults", fault);
}

static void
clear_hipchat(const char *fault)
{
	if (fault != NULL)
		tell_hipchat("DELETE", "/control/faults", NULL);
}

/* ---- logs ---- */

/* Take the time off each line, and make all numbers the same. */
static void
untimed(struct bytes *log)
{
	char *from = log->p, *to = log->p;

	if (from == NULL)
		return;
	while (*from != '\0') {
		if (isdigit((unsigned char)*from)) {
			from += strspn(from, "0123456789");
			*to++ = '#';
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	log->len = (size_t)(to - log->p);
}

/* What the process has logged since the last time. */
static void
hear(struct bytes *log)
{
	char block[4096];
	ssize_t n;

	while ((n = pread(world.log, block, sizeof(block), world.heard)) > 0) {
		bytes_add(log, block, (size_t)n);
		world.heard += n;
	}
	untimed(log);
}

/* Each line has a time, the program's name and only what can be printed. */
static void
check_lines(struct bytes *log)
{
	char *start = text("#-#-#T#:#:#Z %s: ", world.mix.program);
	char *line, *rest = log->p, *c;
	bool good;

	while (rest != NULL && *rest != '\0') {
		line = strsep(&rest, "\n");
		good = strncmp(line, start, strlen(start)) == 0 && rest != NULL;
		for (c = line; *c != '\0'; c++)
			good = good && *c >= ' ' && *c <= '~';
		if (!good && world.odd_lines++ < SHOWN)
			diag("logged: %.300s", line);
	}
	free(start);
}

/* ---- requests that are answered ---- */

static void
tell_difference(const char *what, const struct fcgi_request *req,
    const struct bytes *got, const struct bytes *expected)
{
	size_t i;

	if (world.differ++ >= SHOWN)
		return;
	diag("%s, request %u:\nFastCGI: %.700s\nCGI: %.700s", what,
	    world.compared, got->p != NULL ? got->p : "",
	    expected->p != NULL ? expected->p : "");
	for (i = 0; i < req->count && i < 20; i++)
		diag("%.200s", req->vars[i].text);
	diag("%.300s", req->body.p != NULL ? req->body.p : "");
}

static bool
same(const struct bytes *a, const struct bytes *b)
{
	return a->len == b->len &&
	    (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

static void
note_etag(const struct bytes *response)
{
	const char *line =
	    response->p != NULL ? strstr(response->p, "ETag: ") : NULL;

	if (line != NULL)
		snprintf(world.mix.etag, sizeof(world.mix.etag), "%.*s",
		    (int)strcspn(line + 6, "\r"), line + 6);
}

/* It has ended, or hung up: nothing more can be said. */
static _Noreturn void
give_up(void)
{
	struct bytes log = { NULL, 0, 0 };
	int status;

	kill(world.pid, SIGTERM);
	status = fcgi_wait(world.pid);
	hear(&log);
	diag("no answer, after %u; exit status %x; the log: %s", world.compared,
	    (unsigned int)status, log.p != NULL ? log.p : "");
	ok(false, "the process answers");
	exit(done());
}

/* Send these bytes; what came of it. */
static void
ask_resident(const struct bytes *bytes, struct fcgi_answer *answer,
    struct bytes *log)
{
	if (!fcgi_exchange(&world.place, bytes, answer))
		give_up();
	if (answer->err.len > 0)
		diag("to the web server's log: %s", answer->err.p);
	if (answer->status != 0 && world.differ++ < SHOWN)
		diag("FastCGI's own status %u", answer->status);
	hear(log);
}

/* The process's answer to the request is the same as CGI's. */
static void
compare(const struct memory *m, const char *fault)
{
	struct bytes bytes = { NULL, 0, 0 }, log = { NULL, 0, 0 };
	struct fcgi_answer answer;

	world.compared++;
	world.statuses[fcgi_status(&m->response) % STATUSES]++;
	fcgi_encode(&m->req, &bytes);
	prepare_hipchat(fault);
	ask_resident(&bytes, &answer, &log);
	clear_hipchat(fault);
	if (!same(&answer.out, &m->response))
		tell_difference("the answer", &m->req, &answer.out,
		    &m->response);
	else if (!same(&log, &m->log))
		tell_difference("the log", &m->req, &log, &m->log);
	check_lines(&log);
	fcgi_answer_free(&answer);
	bytes_free(&bytes);
	bytes_free(&log);
}

static void
forget(struct memory *m)
{
	fcgi_free(&m->req);
	bytes_free(&m->response);
	bytes_free(&m->log);
}

static void
forget_all(void)
{
	unsigned int i;

	for (i = 0; i < REMEMBERED; i++)
		forget(&world.memory[i]);
	world.remembered = 0;
}

/* Take over the request, and ask both sides. */
static void
ask_both(struct fcgi_request *req, const char *fault)
{
	struct memory *m = &world.memory[world.remembered++ % REMEMBERED];

	forget(m);
	m->req = *req;
	prepare_hipchat(fault);
	fcgi_run_cgi(world.path, world.cgi.env, req, &m->response, &m->log);
	clear_hipchat(fault);
	untimed(&m->log);
	note_etag(&m->response);
	compare(m, fault);
	if (world.changes_store)
		forget_all();
}

/* Ask once more what CGI has answered already. */
static void
ask_again(void)
{
	const unsigned int n =
	    world.remembered < REMEMBERED ? world.remembered : REMEMBERED;

	compare(&world.memory[dice(&world.mix.dice, n)], NULL);
}

/* ---- requests that are cut off ---- */

/* Where the body begins in the records of a request. */
static size_t
body_of(const struct fcgi_request *req)
{
	struct fcgi_request without = *req;
	struct bytes bytes = { NULL, 0, 0 };
	size_t len;

	without.body = (struct bytes){ NULL, 0, 0 };
	fcgi_encode(&without, &bytes);
	len = bytes.len - 8;
	bytes_free(&bytes);
	return len;
}

/*
 * Change some bytes behind the variables, and add a record of any kind.  (In
 * the variables, libfcgi 2.4.2 aborts at a length that is absurd.)
 */
static void
mangle(struct bytes *bytes, size_t from)
{
	uint64_t *state = &world.mix.dice;
	const unsigned int len = (unsigned int)(bytes->len - from);
	const unsigned int type = dice(state, 14);
	unsigned int i;

	for (i = dice(state, 4); i > 0; i--)
		bytes->p[from + dice(state, len)] = (char)dice(state, 256);
	if (dice(state, 2) == 0)
		bytes->len = from + dice(state, len);
	if (dice(state, 2) == 0)
		fcgi_record(bytes, (enum fcgi_type)type, "x", dice(state, 2),
		    0);
}

/* Anything but records. */
static void
talk_nonsense(struct bytes *bytes)
{
	uint64_t *state = &world.mix.dice;
	unsigned int i, len = dice(state, 200);
	char c = 'G';

	bytes->len = 0;
	for (i = 0; i < len; i++, c = (char)dice(state, 256))
		bytes_add(bytes, &c, 1);
}

/* How the connection ends. */
static void
hang_up(int fd)
{
	const struct linger reset = { 1, 0 };
	struct fcgi_answer answer = { .complete = false };

	switch (dice(&world.mix.dice, 3)) {
	case 0:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		break;
	case 1: /* listen, but say no more */
		shutdown(fd, SHUT_WR);
		fcgi_receive(fd, &answer);
		fcgi_answer_free(&answer);
		break;
	default:
		break;
	}
	close(fd);
}

/* The answer to this one tells that what came before is over. */
static void
settle(void)
{
	struct fcgi_request req = { .count = 0 };
	struct bytes bytes = { NULL, 0, 0 }, log = { NULL, 0, 0 };
	struct fcgi_answer answer;

	fcgi_set(&req, "REQUEST_METHOD", "PROBE");
	fcgi_encode(&req, &bytes);
	ask_resident(&bytes, &answer, &log);
	if (fcgi_status(&answer.out) != 405 && world.differ++ < SHOWN)
		diag("after one that was cut off: %.100s",
		    answer.out.p != NULL ? answer.out.p : "");
	check_lines(&log);
	fcgi_answer_free(&answer);
	fcgi_free(&req);
	bytes_free(&bytes);
	bytes_free(&log);
}

/*
 * A request that is cut off may be carried out on one side only, so what would
 * install something gets a wrong secret.
 */
static void
disarm(struct fcgi_request *req)
{
	static const char before[] = "\"oauthSecret\":\"";
	char *p = req->body.p != NULL ? strstr(req->body.p, before) : NULL;

	if (p != NULL)
		p[strlen(before)] ^= 1;
}

/* The records, and how they are not as they should be. */
static void
encode_badly(const struct fcgi_request *req, struct bytes *bytes)
{
	size_t len;

	fcgi_encode(req, bytes);
	len = dice(&world.mix.dice, (unsigned int)bytes->len + 1);
	switch (dice(&world.mix.dice, 5)) {
	case 0:
		bytes->len = len;
		break;
	case 1:
		bytes->len = len;
		fcgi_record(bytes, FCGI_ABORT_REQUEST, "", 0, 0);
		break;
	case 2:
		mangle(bytes, body_of(req));
		break;
	case 3:
		talk_nonsense(bytes);
		break;
	default: /* all of it, but nobody waits for the answer */
		break;
	}
}

static void
cut_off(struct fcgi_request *req)
{
	struct bytes bytes = { NULL, 0, 0 };
	const int fd = fcgi_dial(&world.place);

	world.cut++;
	disarm(req);
	encode_badly(req, &bytes);
	if (fd < 0)
		give_up();
	fcgi_send(fd, bytes.p, bytes.len);
	hang_up(fd);
	settle();
	bytes_free(&bytes);
}

/* ---- changes behind its back ---- */

static void
change(const struct fcgi_request *req, const char *fault, int expected)
{
	struct side *const sides[] = { &world.resident, &world.cgi };
	char *path = text("%s/cgi-bin/installed", needed("B"));
	size_t i;

	for (i = 0; i < 2; i++) {
		struct bytes out = { NULL, 0, 0 }, err = { NULL, 0, 0 };

		prepare_hipchat(fault);
		fcgi_run_cgi(path, sides[i]->env, req, &out, &err);
		if (fcgi_status(&out) != expected && world.differ++ < SHOWN)
			diag("a change: %.100s%.200s", out.p, err.p);
		bytes_free(&out);
		bytes_free(&err);
	}
	clear_hipchat(fault);
	forget_all();
	free(path);
}

/* Somebody else removes an installation, or installs it again. */
static void
change_store(unsigned int round)
{
	const unsigned int tenant = round / 2 % world.mix.tenant_count;
	struct fcgi_request req = { .count = 0 };
	char *fault = NULL;

	if (round % 2 == 0)
		mix_remove(&world.mix, tenant, &req, &fault);
	else
		mix_install(&world.mix, tenant, &req);
	change(&req, fault, round % 2 == 0 ? 204 : 200);
	fcgi_free(&req);
	free(fault);
}

/* ---- what it costs ---- */

/* The courier's trigger, or the queue: open after one request, or not. */
static bool
comes_and_goes(int dir, const char *fd)
{
	char target[512];
	const ssize_t len = readlinkat(dir, fd, target, sizeof(target) - 1);

	target[len > 0 ? len : 0] = '\0';
	return strstr(target, "/outbox/trigger") != NULL ||
	    strstr(target, "/outbox/queue") != NULL;
}

/* -1 if others can't see that. */
static int
count_descriptors(void)
{
	char *path = text("/proc/%d/fd", (int)world.pid);
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int steady = 0, others = 0;

	free(path);
	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL) {
		if (comes_and_goes(dirfd(dir), entry->d_name))
			others++;
		else
			steady++;
	}
	closedir(dir);
	return steady + (others > 2 ? others : 2);
}

/* How many descriptors, when it has closed the last connection, too? */
static int
descriptors(void)
{
	int least = count_descriptors(), i, n;

	for (i = 0; i < 50; i++) {
		pause_ms(2);
		n = count_descriptors();
		least = n < least ? n : least;
	}
	return least;
}

/* What is its own of its memory, in kB. */
static long
memory(void)
{
	char *path = text("/proc/%d/status", (int)world.pid), line[256];
	FILE *file = fopen(path, "r");
	long kb = 0;

	if (file == NULL)
		die(path);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			kb = strtol(line + 8, NULL, 10);
	fclose(file);
	free(path);
	return kb;
}

static void
check_memory(long before, long after)
{
	diag("memory: %ld kB after a fifth, %ld kB in the end", before, after);
#ifdef __SANITIZE_ADDRESS__
	/* what is freed is kept there for a while; leaks it reports itself */
	skip("memory", "measured without a sanitizer");
#else
	ok(after - before <= MEMORY_SLACK, "its memory does not grow");
#endif
}

static void
check_descriptors(int before, int after)
{
	if (before < 0)
		skip("descriptors", "those of others can't be seen here");
	else
		is_int(after, before, "it has as many descriptors");
}

/* It may have used more in all than one request may. */
static void
check_cpu(void)
{
	struct rlimit limit;
	clockid_t clock;
	struct timespec used;

	if (clock_getcpuclockid(world.pid, &clock) != 0 ||
	    clock_gettime(clock, &used) != 0 ||
	    prlimit(world.pid, RLIMIT_CPU, NULL, &limit) != 0)
		die("the process's CPU");
	diag("CPU: %lld.%02ld s", (long long)used.tv_sec,
	    used.tv_nsec / 10000000);
	ok(limit.rlim_cur >= (rlim_t)used.tv_sec + 9 &&
		limit.rlim_cur <= (rlim_t)used.tv_sec + 10,
	    "the last request was given 10 s of CPU");
}

/* ---- the program ---- */

/* So that one can see what was asked. */
static void
tell_statuses(void)
{
	struct bytes line = { NULL, 0, 0 };
	int i;

	for (i = 0; i < STATUSES; i++)
		if (world.statuses[i] > 0)
			bytes_print(&line, ", %u x %d", world.statuses[i], i);
	diag("%u answers compared%s; %u requests cut off", world.compared,
	    line.p != NULL ? line.p : "", world.cut);
	bytes_free(&line);
}

static void
ask_new(void)
{
	struct fcgi_request req;
	char *fault;

	mix_next(&world.mix, &req, &fault);
	if (dice(&world.mix.dice, 3) == 0) {
		cut_off(&req);
		fcgi_free(&req);
	} else {
		ask_both(&req, fault);
	}
	free(fault);
}

static void
run(unsigned int from, unsigned int to)
{
	unsigned int i;

	for (i = from; i < to; i++) {
		if (i % 100 == 50)
			change_store(i / 100);
		if (world.remembered > 0 && dice(&world.mix.dice, NEW_ONE) > 0)
			ask_again();
		else
			ask_new();
	}
}

static void
set_up(const char *program, unsigned int seed)
{
	soak.hipchat_url = needed("HIPCHAT");
	soak.hipchat =
	    (int)strtol(strrchr(soak.hipchat_url, ':') + 1, NULL, 10);
	world.mix = (struct mix){ .program = program,
		.hipchat = soak.hipchat_url,
		.dice = (uint64_t)seed * 7919 + 1 };
	world.changes_store = strstr(program, "installed") != NULL;
	world.path = text("%s/cgi-bin/%s", needed("B"), program);
	mix_open(&world.mix, needed("SOAK_TENANTS"));
	open_side(&world.resident, "fcgi", getenv("ASAN_OPTIONS"));
	/* other tests look for its leaks, which takes half of its time */
	open_side(&world.cgi, "cgi", "detect_leaks=0");
	tell_hipchat("POST", "/control/settings",
	    "{\"rate_limit\":100000000,\"flood_limit\":100000000}");
	start();
}

static void
clean_up(void)
{
	forget_all();
	close_side(&world.resident);
	close_side(&world.cgi);
	mix_close(&world.mix);
	close(world.log);
	free(world.path);
}

int
main(int argc, char **argv)
{
	const unsigned int requests = number("SOAK_REQUESTS", 500);
	const unsigned int seed =
	    number("SOAK_SEED", (unsigned int)time(NULL) & 0xffff);
	struct bytes rest = { NULL, 0, 0 };
	int fds;
	long kb;

	if (argc != 2) {
		fprintf(stderr, "usage: fastcgi-soak PROGRAM\n");
		return 2;
	}
	diag("SOAK_SEED=%u", seed);
	set_up(argv[1], seed);
	run(0, requests / 5);
	fds = descriptors();
	kb = memory();
	run(requests / 5, requests);
	tell_statuses();
	is_int(world.differ, 0, "each answer and the log are those of CGI");
	check_descriptors(fds, descriptors());
	check_memory(kb, memory());
	check_cpu();
	kill(world.pid, SIGTERM);
	is_int(fcgi_wait(world.pid), 0, "it ends when it is told to");
	hear(&rest);
	is_str(rest.p != NULL ? rest.p : "", "", "with nothing more to say");
	is_int(world.odd_lines, 0, "what it logs is lines");
	bytes_free(&rest);
	clean_up();
	return done();
}
