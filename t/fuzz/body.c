/*
 * body: the request's Content-Length on the first line, its body behind it.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cgi.h"
#include "fuzz.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const int in = memfd_create("body", MFD_CLOEXEC);
	const int out = memfd_create("response", MFD_CLOEXEC);

	(void)argc;
	(void)argv;
	fuzz_check(dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0,
	    "memfd");
	close(in);
	close(out);
	return 0;
}

static void
set_input(const char *body, size_t len)
{
	fuzz_check(ftruncate(STDIN_FILENO, 0) == 0 &&
		pwrite(STDIN_FILENO, body, len, 0) == (ssize_t)len &&
		lseek(STDIN_FILENO, 0, SEEK_SET) == 0 &&
		ftruncate(STDOUT_FILENO, 0) == 0 &&
		lseek(STDOUT_FILENO, 0, SEEK_SET) == 0,
	    "memfd");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *body = text;
	const char *length = fuzz_line(&body);
	const size_t len = size - (size_t)(body - text);
	char *env[] = { "REQUEST_METHOD=POST", NULL, NULL };
	char **const saved = environ;
	struct cgi cgi;
	int status;

	set_input(body, len);
	fuzz_check(asprintf(&env[1], "CONTENT_LENGTH=%s", length) > 0,
	    "out of memory");
	environ = env; /* setenv() would keep every value for ever */
	cgi_init(&cgi);
	status = cgi_head(&cgi, CGI_POST, CGI_BODY_MAX);
	if (status == 0)
		status = cgi_body(&cgi);
	environ = saved;
	fuzz_check(status == 0 || status == 400 || status == 411 ||
		status == 413,
	    "cgi_body: status");
	if (status == 0) {
		fuzz_check(cgi.body_len <= len &&
			cgi.body_len <= CGI_BODY_MAX &&
			cgi.body_len == strtoul(length, NULL, 10),
		    "cgi_body: as long as announced");
		fuzz_check(memcmp(cgi.body, body, cgi.body_len) == 0 &&
			cgi.body[cgi.body_len] == '\0',
		    "cgi_body: the body");
		status = 204;
	}
	fuzz_check(cgi_answer(&cgi, status) == 0, "cgi_answer");
	free(env[1]);
	free(text);
	return 0;
}
