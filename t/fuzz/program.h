/*
 * program: a whole CGI program inside the fuzzer.
 *
 *	int program_main(void);
 *	#define main program_main
 *	#include "../../cgi-bin/echo.c"
 *	#undef main
 *	#include "program.h"
 *
 * The input is lines NAME=VALUE, which join the environment, an empty line,
 * and the body.  CONTENT_LENGTH is the body's unless a line says otherwise.
 * The settings are fixed: one installation is in the store; the one host that
 * is allowed is a port of this machine where nobody listens, so that nothing
 * is waited for.
 *
 * After each run there must be exactly one well-formed response, no 5xx but
 * those that the caller allows (the client did not cause them), and a log of
 * printable lines without the secret.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "json.h"
#include "outbox.h"
#include "sandbox.h"
#include "store.h"
#include "wake.h"

#define PROGRAM_ID "an-id"
#define PROGRAM_SECRET "marked-secret"
#define PROGRAM_ORIGIN "http://127.0.0.1:1"
#define PROGRAM_LINES 32 /* of the environment, at most */

static struct {
	char said[1024];    /* the last log, for a report */
	char dir[PATH_MAX]; /* the data directory */
	char templates[PATH_MAX];
	struct wake wake; /* the one courier: nobody reads its trigger */
} program;

/* ---- preparation ---- */

static int
program_unlink(const char *path, const struct stat *sb, int type,
    struct FTW *where)
{
	(void)sb;
	(void)type;
	(void)where;
	return remove(path);
}

static void
program_clean_up(void)
{
	nftw(program.dir, program_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static void
program_prepare_store(void)
{
	const struct installation inst = {
		.oauth_id = PROGRAM_ID,
		.oauth_secret = PROGRAM_SECRET,
		.capabilities_url = PROGRAM_ORIGIN "/c",
		.group_id = 1,
		.token_url = PROGRAM_ORIGIN "/t",
		.api_url = PROGRAM_ORIGIN,
	};
	const struct installation none = { .oauth_secret = "" };
	const char *tmp = getenv("TMPDIR");
	struct datadir dir;
	struct wake_holder holder;
	struct outbox box;
	struct store st;

	snprintf(program.dir, sizeof(program.dir), "%s/fuzz.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	fuzz_check(mkdtemp(program.dir) != NULL, "mkdtemp");
	atexit(program_clean_up);
	fuzz_check(datadir_open(&dir, program.dir) == 0 &&
		store_open(&st, &dir) == 0 && store_put(&st, &inst, &none) == 0,
	    "the store");
	fuzz_check(outbox_open(&box, &dir) == 0, "the outbox");
	fuzz_check(wake_open(&program.wake, &dir) == 0 &&
		wake_take(&program.wake, WAKE_RESIDENT, "0123456789abcdef",
		    &holder) == 0,
	    "a courier");
	outbox_close(&box);
	datadir_close(&dir);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd;

	(void)argc;
	(void)argv;
	fuzz_check(realpath("templates", program.templates) != NULL,
	    "templates: not run from the top directory");
	program_prepare_store();
	for (fd = 0; fd <= 1; fd++) {
		const int file = memfd_create("stdio", MFD_CLOEXEC);

		fuzz_check(file >= 0 && dup2(file, fd) == fd, "memfd");
		close(file);
	}
	return 0;
}

/* In the fuzzer's process, which has no way back from one either. */
void
sandbox_enter(const struct sandbox *keep)
{
	(void)keep;
}

void
sandbox_cpu_begin(struct sandbox_cpu *cpu)
{
	(void)cpu;
}

void
sandbox_cpu_limit(struct sandbox_cpu *cpu, unsigned int seconds)
{
	(void)cpu;
	(void)seconds;
}

/* ---- one run ---- */

/* Only what a client can set through any web server, and the one switch. */
static bool
program_may_set(const char *line)
{
	static const char *const names[] = {
		"REQUEST_METHOD=",
		"PATH_INFO=",
		"QUERY_STRING=",
		"CONTENT_TYPE=",
		"CONTENT_LENGTH=",
		"HTTP_",
	};
	const char *end = strchr(line, '=');
	size_t i;

	if (end == NULL)
		return false;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return strcmp(line, "HIPCHAT_WEBHOOK_AUTH=jwt") == 0;
}

static char *
program_setting(const char *name, const char *value)
{
	char *line;

	fuzz_check(asprintf(&line, "%s=%s", name, value) > 0, "out of memory");
	return line;
}

/* Fill env, whose strings the caller frees; returns the body. */
static char *
program_environment(char **env, char *text, size_t size)
{
	char number[24], *line, *rest = text;
	size_t n = 0;

	while (n < PROGRAM_LINES && *(line = fuzz_line(&rest)) != '\0')
		if (program_may_set(line))
			env[n++] = strdup(line);
	snprintf(number, sizeof(number), "%zu", size - (size_t)(rest - text));
	env[n++] = program_setting("CONTENT_LENGTH", number);
	env[n++] = program_setting("PATH", "/usr/bin:/bin");
	env[n++] = program_setting("REQUEST_SCHEME", "https");
	env[n++] = program_setting("HTTP_HOST", "addon.example.com");
	env[n++] = program_setting("SCRIPT_NAME", "/hipchat/program");
	env[n++] = program_setting("HIPCHAT_DATA_DIR", program.dir);
	env[n++] = program_setting("HIPCHAT_TEMPLATE_DIR", program.templates);
	env[n++] = program_setting("HIPCHAT_ALLOWED_HOSTS", PROGRAM_ORIGIN);
	env[n++] = program_setting("HIPCHAT_WEBHOOK_AUTH", "none");
	env[n++] = program_setting("HIPCHAT_COURIER", "/bin/true");
	env[n] = NULL;
	return rest;
}

/* Make the descriptor a file of that content, read from its start. */
static void
program_fill(int fd, const char *data, size_t len)
{
	fuzz_check(ftruncate(fd, 0) == 0 &&
		pwrite(fd, data, len, 0) == (ssize_t)len &&
		lseek(fd, 0, SEEK_SET) == 0,
	    "memfd");
}

/* What was written to the descriptor; the caller frees it. */
static char *
program_take(int fd, size_t *len)
{
	struct stat sb;
	char *text;

	fuzz_check(fstat(fd, &sb) == 0, "fstat");
	*len = (size_t)sb.st_size;
	text = malloc(*len + 1);
	fuzz_check(text != NULL && pread(fd, text, *len, 0) == sb.st_size,
	    "pread");
	text[*len] = '\0';
	return text;
}

/* A queued notification is the courier's, were there one. */
static int
program_empty(const char *path, const struct stat *sb, int type,
    struct FTW *where)
{
	(void)where;
	return type == FTW_F && S_ISREG(sb->st_mode) ? unlink(path) : 0;
}

static void
program_empty_outbox(void)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/outbox", program.dir);
	nftw(path, program_empty, 8, FTW_PHYS);
	wake_words(&program.wake);
}

/* ---- what came out ---- */

/* The header's value in lines that end with NUL, or NULL; not twice. */
static const char *
program_header(const char *head, const char *end, const char *name)
{
	const size_t len = strlen(name);
	const char *value = NULL;

	for (; head < end; head += strlen(head) + 2) {
		if (strncasecmp(head, name, len) != 0 || head[len] != ':')
			continue;
		fuzz_check(value == NULL, "response: a header twice");
		value = head + len + 2;
	}
	return value;
}

/* Cut the head into lines; returns its end, and behind it the body. */
static char *
program_cut_head(char *text)
{
	char *line, *end;

	for (line = text;; line = end + 2) {
		end = strstr(line, "\r\n");
		fuzz_check(end != NULL, "response: lines end with CR LF");
		*end = '\0';
		if (end == line)
			return line;
		fuzz_check(strspn(line,
			       "abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") ==
			    (size_t)(strchrnul(line, ':') - line) &&
			strstr(line, ": ") > line,
		    "response: a header");
		for (; line < end; line++)
			fuzz_check(*line >= ' ' && *line <= '~',
			    "response: a printable header");
	}
}

static void
program_check_error(const char *body, size_t len, long status)
{
	struct json_object *doc;
	const char *why;
	int64_t code;

	doc = json_read(body, len, &why);
	fuzz_check(doc != NULL &&
		json_positive(doc, "error.code", &code) == 1 &&
		code == status &&
		json_string(doc, "error.message", 200, &why) == 1 &&
		json_string(doc, "error.type", 50, &why) == 1,
	    "response: HipChat's error envelope");
	json_object_put(doc);
}

/* Exactly one response; 5xx only if upstream lists it. */
static void
program_check_response(char *text, size_t len, const char *upstream)
{
	char *const end = program_cut_head(text), *const body = end + 2;
	const size_t body_len = len - (size_t)(body - text);
	const char *status = program_header(text, end, "Status");
	const char *length = program_header(text, end, "Content-Length");
	const char *method = getenv("REQUEST_METHOD");
	const bool head = method != NULL && strcmp(method, "HEAD") == 0;
	char number[4] = "";
	long code;

	fuzz_check(status != NULL && strspn(status, "0123456789") == 3,
	    "response: a status");
	memcpy(number, status, 3);
	code = strtol(number, NULL, 10);
	if (code >= 500 && method != NULL && *method != '\0')
		fuzz_check(strstr(upstream, number) != NULL, program.said);
	fuzz_check(code >= 200 && code < 600, "response: the status");
	fuzz_check(head ?
		body_len == 0 :
		body_len == strtoul(length != NULL ? length : "0", NULL, 10),
	    "response: Content-Length");
	fuzz_check((code == 302) ==
		(program_header(text, end, "Location") != NULL),
	    "response: Location");
	fuzz_check((code == 405) ==
		(program_header(text, end, "Allow") != NULL),
	    "response: Allow");
	if (code >= 400 && !head)
		program_check_error(body, body_len, code);
	else if (body_len > 0)
		fuzz_check(strlen(body) == body_len && body[0] == '{',
		    "response: a document");
}

/* The fuzzer comes to know the secret, so there it proves nothing. */
static void
program_check_log(const char *text, size_t len, bool secret_sent)
{
	const char *p;

	for (p = text; p < text + len; p++)
		fuzz_check(*p == '\n' || (*p >= ' ' && *p <= '~'),
		    "log: printable");
	fuzz_check(len == 0 || text[len - 1] == '\n', "log: lines");
	fuzz_check(secret_sent || strstr(text, PROGRAM_SECRET) == NULL,
	    "log: a secret");
}

/* The lowest descriptor that is free. */
static int
program_lowest(void)
{
	const int fd = dup(STDIN_FILENO);

	close(fd);
	return fd;
}

/* Run the program with its log in a file, which is checked. */
static int
program_call(int (*main_of)(void), bool secret_sent)
{
	const int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
	const int file = memfd_create("log", MFD_CLOEXEC);
	char *text;
	size_t len;
	int rc;

	fuzz_check(kept >= 0 && dup2(file, STDERR_FILENO) >= 0, "memfd");
	rc = main_of();
	dup2(kept, STDERR_FILENO);
	text = program_take(file, &len);
	snprintf(program.said, sizeof(program.said),
	    "response: 5xx, and the log says: %s", text);
	program_check_log(text, len, secret_sent);
	free(text);
	close(file);
	close(kept);
	return rc;
}

/* In any case: a Host is logged in lower case. */
static bool
program_has_secret(const char *data, size_t size)
{
	const size_t len = strlen(PROGRAM_SECRET);

	for (; size >= len; data++, size--)
		if (strncasecmp(data, PROGRAM_SECRET, len) == 0)
			return true;
	return false;
}

/*
 * One run.  upstream lists the statuses from 500 on that may come, as for
 * HipChat that does not answer: "502 503".  Returns 0.
 */
static int
program_run(int (*main_of)(void), const uint8_t *data, size_t size,
    const char *upstream)
{
	char *env[PROGRAM_LINES + 16], *text = fuzz_text(data, size);
	const bool secret_sent = program_has_secret((const char *)data, size);
	const char *body = program_environment(env, text, size);
	char **const saved = environ;
	const int lowest = program_lowest();
	char *response;
	size_t i, len;
	int rc;

	program_fill(STDIN_FILENO, body, size - (size_t)(body - text));
	program_fill(STDOUT_FILENO, "", 0);
	environ = env;
	rc = program_call(main_of, secret_sent);
	response = program_take(STDOUT_FILENO, &len);
	fuzz_check(rc == 0 && strlen(response) == len, "one response");
	program_check_response(response, len, upstream);
	environ = saved;
	program_empty_outbox();
	/* what the program has left to its end */
	close_range((unsigned int)lowest, ~0U, 0);
	free(response);
	for (i = 0; env[i] != NULL; i++)
		free(env[i]);
	free(text);
	return 0;
}

#endif
