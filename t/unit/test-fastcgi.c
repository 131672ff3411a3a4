/*
 * The life of a FastCGI process: what it understands, what belongs to one
 * request, when and how it ends, and what it leaves to nobody.
 */
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/fcgi.h"
#include "scratch.h"

#define ENV_MAX 24

/* How often what depends on the moment is tried. */
#define TRIES 40

/* A process, and what it was started with. */
struct process {
	struct scratch s;
	struct fcgi_place place;
	char path[512];
	char conf[SCRATCH_PATH];
	char *env[ENV_MAX + 1];
	size_t env_len;
	int log, out;
	pid_t pid;
	char said[16384]; /* after logged() */
};

/* ---- a process ---- */

static void
add_setting(struct process *p, const char *name, const char *value)
{
	struct bytes line = { NULL, 0, 0 };

	if (p->env_len == ENV_MAX)
		die("too many settings");
	bytes_print(&line, "%s=%s", name, value);
	p->env[p->env_len++] = line.p;
	p->env[p->env_len] = NULL;
}

static void
keep_setting(struct process *p, const char *name)
{
	const char *value = getenv(name);

	if (value != NULL)
		add_setting(p, name, value);
}

static const char *
build(void)
{
	const char *b = getenv("B");

	return b != NULL ? b : "build";
}

static void
prepare(struct process *p, const char *program)
{
	char *templates = realpath("templates", NULL);

	memset(p, 0, sizeof(*p));
	scratch_open(&p->s);
	fcgi_listen(&p->place);
	snprintf(p->path, sizeof(p->path), "%s/cgi-bin/%s", build(), program);
	/* beside the data directory: what is in that is not configuration */
	snprintf(p->conf, sizeof(p->conf), "%s.conf", p->s.dir);
	image_write(p->conf, "", 0);
	add_setting(p, "PATH", "/usr/bin:/bin");
	keep_setting(p, "ASAN_OPTIONS");
	keep_setting(p, "UBSAN_OPTIONS");
	add_setting(p, "HIPCHAT_CONFIG", p->conf);
	add_setting(p, "HIPCHAT_DATA_DIR", p->s.dir);
	add_setting(p, "HIPCHAT_TEMPLATE_DIR", templates);
	add_setting(p, "HIPCHAT_WEBHOOK_AUTH", "none");
	free(templates);
}

static void
start(struct process *p)
{
	p->log = memfd_create("log", MFD_CLOEXEC);
	p->out = memfd_create("out", MFD_CLOEXEC);
	if (p->log < 0 || p->out < 0 || fcntl(p->log, F_SETFL, O_APPEND) != 0)
		die("memfd_create");
	p->pid = fcgi_start(p->path, p->env, p->place.fd, p->out, p->log);
}

static void
begin(struct process *p, const char *program)
{
	prepare(p, program);
	add_setting(p, "HIPCHAT_COURIER", "/bin/true");
	start(p);
}

/* What it has logged, without the times. */
static const char *
logged(struct process *p)
{
	const ssize_t n = pread(p->log, p->said, sizeof(p->said) - 1, 0);
	static const size_t time_len = sizeof("2026-01-01T00:00:00Z ") - 1;
	char *line = p->said;

	p->said[n > 0 ? n : 0] = '\0';
	while (line != NULL && strlen(line) > time_len) {
		memmove(line, line + time_len, strlen(line + time_len) + 1);
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return p->said;
}

/* It has ended, or will at once, by itself. */
static void
is_over(struct process *p, const char *log, const char *name)
{
	struct stat sb;

	is_int(fcgi_wait(p->pid), 0, "%s: it ends", name);
	p->pid = 0;
	is_str(logged(p), log, "%s: its log", name);
	is_int(fstat(p->out, &sb) == 0 ? sb.st_size : -1, 0,
	    "%s: nothing on standard output", name);
}

static void
finish(struct process *p)
{
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	while (p->env_len > 0)
		free(p->env[--p->env_len]);
	close(p->log);
	close(p->out);
	if (p->place.fd >= 0)
		close(p->place.fd);
	unlink(p->conf);
	scratch_close(&p->s);
}

/* ---- requests ---- */

static void
ask(struct fcgi_request *req, const char *method, const char *script)
{
	*req = (struct fcgi_request){ .count = 0 };
	fcgi_set(req, "REQUEST_METHOD", method);
	fcgi_set(req, "SCRIPT_NAME", script);
	fcgi_set(req, "HTTP_HOST", "addon.example.com");
	fcgi_set(req, "REQUEST_SCHEME", "https");
}

/* A webhook of installation 1. */
static void
ask_echo(struct fcgi_request *req, const char *text)
{
	const struct installation inst = sample(1, 1);
	struct bytes body = { NULL, 0, 0 };

	ask(req, "POST", "/echo");
	bytes_print(&body,
	    "{\"event\":\"room_message\",\"oauth_client_id\":\"%s\","
	    "\"item\":{\"room\":{\"id\":%lld},\"message\":{\"id\":\"m-%s\","
	    "\"message\":\"/echo %s\"}}}",
	    inst.oauth_id, (long long)inst.room_id, text, text);
	fcgi_set_body(req, body.p, body.len);
	bytes_free(&body);
}

/* Send it, with an answer or without; returns the status, 0 if none came. */
static int
get(const struct process *p, const struct fcgi_request *req,
    struct bytes *response)
{
	struct bytes bytes = { NULL, 0, 0 };
	struct fcgi_answer answer;
	int status = 0;

	fcgi_encode(req, &bytes);
	if (fcgi_exchange(&p->place, &bytes, &answer) && answer.status == 0)
		status = fcgi_status(&answer.out);
	if (response != NULL)
		bytes_add(response, answer.out.p, answer.out.len);
	fcgi_answer_free(&answer);
	bytes_free(&bytes);
	return status;
}

static int
get_descriptor(const struct process *p)
{
	struct fcgi_request req;
	int status;

	ask(&req, "GET", "/capabilities");
	status = get(p, &req, NULL);
	fcgi_free(&req);
	return status;
}

static int
say(const struct process *p, const char *text)
{
	struct fcgi_request req;
	int status;

	ask_echo(&req, text);
	status = get(p, &req, NULL);
	fcgi_free(&req);
	return status;
}

/* ---- what it understands ---- */

/* The records come in other shapes, and mean the same. */
static void
test_shapes(void)
{
	static const struct {
		const char *name;
		size_t chunk;
		uint8_t padding;
		bool long_form;
	} shapes[] = {
		{ "one record", 0, 0, false },
		{ "records of a byte", 1, 0, false },
		{ "records of 7 bytes", 7, 3, false },
		{ "padding", 100, 255, false },
		{ "lengths of 4 bytes", 0, 0, true },
	};
	struct process p;
	struct fcgi_request req;
	size_t i;

	begin(&p, "echo");
	sample_put(&p.s.st, 1, 1);
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		ask_echo(&req, shapes[i].name);
		req.chunk = shapes[i].chunk;
		req.padding = shapes[i].padding;
		req.long_form = shapes[i].long_form;
		is_int(get(&p, &req, NULL), 204, "%s", shapes[i].name);
		fcgi_free(&req);
	}
	finish(&p);
}

static void
test_values(void)
{
	static const char ask_for[] = "\x0e\0FCGI_MAX_CONNS";
	struct bytes bytes = { NULL, 0, 0 }, content = { NULL, 0, 0 };
	enum fcgi_type type = FCGI_END_REQUEST;
	struct fcgi_request req;
	struct fcgi_answer answer = { .complete = false };
	struct process p;
	bool came;
	int fd;

	begin(&p, "capabilities");
	fcgi_record(&bytes, FCGI_GET_VALUES, ask_for, sizeof(ask_for) - 1, 0);
	bytes.p[3] = 0; /* the id of what is no request */
	ask(&req, "GET", "/capabilities");
	fcgi_encode(&req, &bytes);
	fd = fcgi_dial(&p.place);
	fcgi_send(fd, bytes.p, bytes.len);
	came = fcgi_read(fd, &type, &content);
	ok(came && type == FCGI_GET_VALUES_RESULT &&
		content.len > sizeof(ask_for) - 1,
	    "values are given");
	ok(fcgi_receive(fd, &answer) && fcgi_status(&answer.out) == 200,
	    "... and the request behind is answered");
	close(fd);
	fcgi_answer_free(&answer);
	bytes_free(&content);
	bytes_free(&bytes);
	fcgi_free(&req);
	finish(&p);
}

/* Does the stream end? */
static bool
ends(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&pfd, 1, 30000) == 1 && read(fd, &c, 1) == 0;
}

static void
test_kept(void)
{
	struct bytes bytes = { NULL, 0, 0 };
	struct fcgi_request req;
	struct process p;
	int fd, i;

	begin(&p, "capabilities");
	ask(&req, "GET", "/capabilities");
	req.keep = true;
	fcgi_encode(&req, &bytes);
	fd = fcgi_dial(&p.place);
	for (i = 1; i <= 3; i++) {
		struct fcgi_answer answer = { .complete = false };

		fcgi_send(fd, bytes.p, bytes.len);
		ok(fcgi_receive(fd, &answer) && fcgi_status(&answer.out) == 200,
		    "request %d on a connection that is kept", i);
		fcgi_answer_free(&answer);
	}
	/* while it waits for another one there */
	kill(p.pid, SIGTERM);
	ok(ends(fd), "TERM ends the connection");
	is_over(&p, "", "TERM on a kept connection");
	close(fd);
	fcgi_free(&req);
	bytes_free(&bytes);
	finish(&p);
}

/* ---- how it ends ---- */

static void
test_idle_signal(int number, const char *name)
{
	struct process p;
	int i, late = 0, refused = 0;

	begin(&p, "capabilities");
	is_int(get_descriptor(&p), 200, "%s: an answer", name);
	kill(p.pid, number);
	is_over(&p, "", name);
	/* at the moment when it goes back to wait */
	for (i = 0; i < TRIES; i++) {
		start(&p);
		refused += get_descriptor(&p) != 200;
		kill(p.pid, number);
		late += fcgi_wait(p.pid) != 0;
		p.pid = 0;
		close(p.log);
		close(p.out);
	}
	start(&p);
	is_int(refused, 0, "%s: each answered before", name);
	is_int(late, 0, "%s: each ends behind an answer, status 0", name);
	finish(&p);
}

/* Wait until the other side has read all that was sent. */
static void
await_reader(int fd)
{
	int left = 1, tries = 30000;

	while (ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0 && tries-- > 0)
		poll(NULL, 0, 1);
	if (left > 0)
		die("nobody reads");
}

/* TERM when the request is half there, and another one waits. */
static void
test_busy_signal(void)
{
	struct bytes bytes = { NULL, 0, 0 };
	struct fcgi_answer first = { .complete = false },
			   second = { .complete = false };
	struct fcgi_request req;
	struct process p;
	int fd, waiting;

	begin(&p, "echo");
	sample_put(&p.s.st, 1, 1);
	is_int(say(&p, "before"), 204, "TERM within a request: one before");
	ask_echo(&req, "within");
	fcgi_encode(&req, &bytes);
	fd = fcgi_dial(&p.place);
	fcgi_send(fd, bytes.p, bytes.len - 30);
	await_reader(fd);
	kill(p.pid, SIGTERM);
	waiting = fcgi_dial(&p.place);
	fcgi_send(waiting, bytes.p, bytes.len);
	fcgi_send(fd, bytes.p + bytes.len - 30, 30);
	ok(fcgi_receive(fd, &first) && fcgi_status(&first.out) == 204,
	    "TERM within a request: it is answered");
	close(fd); /* libfcgi waits for this */
	ok(fcgi_receive(waiting, &second) && fcgi_status(&second.out) == 204,
	    "TERM within a request: and the one that waits");
	is_int(fcgi_wait(p.pid), 0, "TERM within a request: it ends");
	p.pid = 0;
	close(waiting);
	fcgi_answer_free(&first);
	fcgi_answer_free(&second);
	fcgi_free(&req);
	bytes_free(&bytes);
	finish(&p);
}

static void
test_retirement(void)
{
	struct process p;
	int i;

	prepare(&p, "capabilities");
	add_setting(&p, "HIPCHAT_MAX_REQUESTS", "3");
	start(&p);
	for (i = 1; i <= 3; i++)
		is_int(get_descriptor(&p), 200, "request %d of 3", i);
	is_over(&p, "", "HIPCHAT_MAX_REQUESTS");
	finish(&p);
}

/* Who has the socket for itself answers what waits, and refuses the rest. */
static void
test_own_socket(void)
{
	struct bytes bytes = { NULL, 0, 0 };
	struct fcgi_answer first = { .complete = false },
			   second = { .complete = false };
	struct fcgi_request req;
	struct process p;
	int fd, waiting;

	prepare(&p, "capabilities");
	add_setting(&p, "HIPCHAT_MAX_REQUESTS", "1");
	add_setting(&p, "HIPCHAT_OWN_SOCKET", "yes");
	ask(&req, "GET", "/capabilities");
	fcgi_encode(&req, &bytes);
	fd = fcgi_dial(&p.place);
	waiting = fcgi_dial(&p.place);
	fcgi_send(fd, bytes.p, bytes.len);
	fcgi_send(waiting, bytes.p, bytes.len);
	start(&p);
	ok(fcgi_receive(fd, &first) && fcgi_status(&first.out) == 200,
	    "HIPCHAT_OWN_SOCKET: the last request");
	close(fd);
	ok(fcgi_receive(waiting, &second) && fcgi_status(&second.out) == 200,
	    "HIPCHAT_OWN_SOCKET: and the one that waits");
	close(waiting);
	is_over(&p, "", "HIPCHAT_OWN_SOCKET");
	is_int(fcgi_dial(&p.place), -1, "HIPCHAT_OWN_SOCKET: then nobody");
	fcgi_answer_free(&first);
	fcgi_answer_free(&second);
	fcgi_free(&req);
	bytes_free(&bytes);
	finish(&p);
}

/* ---- settings ---- */

static void
test_mixed_settings(void)
{
	struct bytes response = { NULL, 0, 0 };
	struct fcgi_request req;
	struct process p;

	begin(&p, "capabilities");
	ask(&req, "GET", "/capabilities");
	fcgi_set(&req, "HIPCHAT_ADDON_NAME", "Ada");
	is_int(get(&p, &req, &response), 200, "settings of a request");
	ok(strstr(response.p, "\"Ada\"") != NULL, "... hold");
	is_int(get(&p, &req, NULL), 200, "... for the next one with the same");
	fcgi_set(&req, "HIPCHAT_ADDON_NAME", "Bob");
	response.len = 0;
	is_int(get(&p, &req, &response), 500, "other settings");
	ok(strstr(response.p, "{\"error\":{\"code\":500,\"message\":") != NULL,
	    "... are answered by HipChat's envelope");
	is_over(&p,
	    "capabilities: 500: this request comes with other "
	    "settings than the first one of this process, which ends\n",
	    "other settings");
	bytes_free(&response);
	fcgi_free(&req);
	finish(&p);
}

static void
test_changed_settings(void)
{
	struct bytes log = { NULL, 0, 0 };
	struct process p;

	begin(&p, "capabilities");
	is_int(get_descriptor(&p), 200, "before the settings change");
	image_write(p.conf, "HIPCHAT_ADDON_NAME=Ada\n", 23);
	bytes_print(&log, "capabilities: %s has changed: this process ends\n",
	    p.conf);
	is_over(&p, log.p, "the settings' file changed");
	bytes_free(&log);
	finish(&p);
}

static void
copy_file(const char *from, const char *to)
{
	const struct image image = image_read(from);

	image_write(to, image.data, image.len);
	free(image.data);
	if (chmod(to, 0755) != 0)
		die(to);
}

/* As "make install" does it: a new file takes the place of the old one. */
static void
test_changed_program(void)
{
	char old[SCRATCH_PATH], new[SCRATCH_PATH];
	struct bytes log = { NULL, 0, 0 };
	struct process p;

	prepare(&p, "capabilities");
	scratch_path(&p.s, "program", old);
	scratch_path(&p.s, "new", new);
	copy_file(p.path, old);
	copy_file(p.path, new);
	snprintf(p.path, sizeof(p.path), "%s", old);
	start(&p);
	is_int(get_descriptor(&p), 200, "before the program changes");
	if (rename(new, old) != 0)
		die(new);
	bytes_print(&log, "capabilities: %s has changed: this process ends\n",
	    old);
	is_over(&p, log.p, "the program changed");
	bytes_free(&log);
	finish(&p);
}

/* Somebody moves the data directory away, and makes a new one. */
static void
test_lost_data(void)
{
	char aside[SCRATCH_PATH + 8];
	struct process p;

	begin(&p, "echo");
	sample_put(&p.s.st, 1, 1);
	is_int(say(&p, "here"), 204, "a webhook");
	snprintf(aside, sizeof(aside), "%s.aside", p.s.dir);
	if (rename(p.s.dir, aside) != 0 || mkdir(p.s.dir, 0700) != 0)
		die(aside);
	is_int(say(&p, "gone"), 503, "another data directory: 503");
	is_int(fcgi_wait(p.pid), 0, "another data directory: it ends");
	p.pid = 0;
	if (rmdir(p.s.dir) != 0 || rename(aside, p.s.dir) != 0)
		die(aside);
	finish(&p);
}

static void
test_bad_settings(void)
{
	struct process p;

	prepare(&p, "capabilities");
	add_setting(&p, "HIPCHAT_BASE_URL", "nonsense");
	start(&p);
	is_int(get_descriptor(&p), 500, "bad settings: 500");
	is_over(&p,
	    "capabilities: environment: HIPCHAT_BASE_URL: not an "
	    "http(s) URL without trailing slash\n",
	    "bad settings");
	finish(&p);
}

/* ---- what belongs to a request ---- */

/* The limit of CPU is counted from the last request on. */
static void
test_cpu(void)
{
	struct rlimit limit = { .rlim_cur = 3 };
	struct process p;

	begin(&p, "capabilities");
	is_int(get_descriptor(&p), 200, "CPU: a request");
	if (prlimit(p.pid, RLIMIT_CPU, NULL, &limit) != 0)
		die("prlimit");
	ok(limit.rlim_cur >= 10 && limit.rlim_cur < 20, "CPU: 10 s for it");
	finish(&p);
}

static int loose; /* files that others may read */

static int
look(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	(void)type;
	(void)ftw;
	if ((sb->st_mode & 077) != 0) {
		diag("%s: mode %o", path, (unsigned int)sb->st_mode);
		loose++;
	}
	return 0;
}

static void
test_umask(void)
{
	const mode_t before = umask(0);
	struct process p;

	begin(&p, "echo");
	umask(before);
	sample_put(&p.s.st, 1, 1);
	is_int(say(&p, "one"), 204, "umask: a webhook");
	is_int(say(&p, "two"), 204, "umask: another one");
	nftw(p.s.dir, look, 8, FTW_PHYS);
	is_int(loose, 0, "umask: nobody else can read its files");
	finish(&p);
}

/* ---- what it leaves to nobody ---- */

/*
 * echo starts a process that can start couriers, with its first request.  That
 * one must hold neither the socket nor the connection.
 */
static void
test_starter(void)
{
	struct bytes bytes = { NULL, 0, 0 };
	struct fcgi_answer answer = { .complete = false };
	struct fcgi_request req;
	struct process p;
	int fd, left = 3000;

	begin(&p, "echo");
	sample_put(&p.s.st, 1, 1);
	ask_echo(&req, "first");
	fcgi_encode(&req, &bytes);
	fd = fcgi_dial(&p.place);
	fcgi_send(fd, bytes.p, bytes.len);
	ok(fcgi_receive(fd, &answer) && fcgi_status(&answer.out) == 204,
	    "starter: the first webhook");
	ok(ends(fd), "starter: its connection ends");
	close(fd);
	kill(p.pid, SIGKILL);
	waitpid(p.pid, NULL, 0);
	p.pid = 0;
	close(p.place.fd);
	p.place.fd = -1;
	while ((fd = fcgi_dial(&p.place)) >= 0 && left-- > 0) {
		close(fd);
		poll(NULL, 0, 10);
	}
	ok(fd < 0, "starter: nobody listens when the process is gone");
	fcgi_answer_free(&answer);
	fcgi_free(&req);
	bytes_free(&bytes);
	finish(&p);
}

int
main(void)
{
	test_shapes();
	test_values();
	test_kept();
	test_idle_signal(SIGTERM, "TERM");
	test_idle_signal(SIGUSR1, "USR1");
	test_busy_signal();
	test_retirement();
	test_own_socket();
	test_mixed_settings();
	test_changed_settings();
	test_changed_program();
	test_lost_data();
	test_bad_settings();
	test_cpu();
	test_umask();
	test_starter();
	return done();
}
