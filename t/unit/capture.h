/*
 * capture: what the code under test writes to standard error.
 *
 *	struct capture log;
 *
 *	capture_start(&log);
 *	status = datadir_open(&dir, "/nowhere");
 *	is_str(capture_stop(&log), "hipchat-cgi: ...\n", "it says why");
 *
 * A sanitizer's report of an undefined operation ends up here, too, so the
 * comparison fails.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

struct capture {
	int file;
	int saved;	 /* standard error as it was */
	char text[8192]; /* after capture_stop(); cut to this size */
};

static inline void
capture_start(struct capture *c)
{
	c->saved = dup(STDERR_FILENO);
	c->file = memfd_create("stderr", 0);
	/* appending, so that processes do not overwrite lines */
	if (c->saved < 0 || c->file < 0 ||
	    fcntl(c->file, F_SETFL, O_APPEND) != 0 ||
	    dup2(c->file, STDERR_FILENO) < 0)
		die("capturing standard error");
}

/*
 * Take the time off the start of each line.  Every line of the log has one.
 */
static inline void
capture_untimed(char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ ";
	const size_t len = sizeof(form) - 1;
	size_t i;

	for (; text != NULL && *text != '\0'; text = strchr(text, '\n')) {
		text += *text == '\n';
		for (i = 0; i < len &&
		     (form[i] == 'd' ? text[i] >= '0' && text[i] <= '9' :
				       text[i] == form[i]);
		     i++)
			;
		if (i == len)
			memmove(text, text + len, strlen(text + len) + 1);
	}
}

/* Returns the text without the times; it is part of *c. */
static inline const char *
capture_stop(struct capture *c)
{
	const ssize_t n = pread(c->file, c->text, sizeof(c->text) - 1, 0);

	c->text[n > 0 ? n : 0] = '\0';
	capture_untimed(c->text);
	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	close(c->file);
	return c->text;
}

/*
 * Check that the text is one log line that starts like this, and nothing else;
 * "" means no line at all.
 */
static inline bool TAP_FORMAT(3, 4)
    is_line(const char *text, const char *start, const char *fmt, ...)
{
	static const char prefix[] = "hipchat-cgi: ";
	const size_t len = sizeof(prefix) - 1;
	bool passed = *text == '\0';
	va_list ap;

	if (*start != '\0')
		passed = strncmp(text, prefix, len) == 0 &&
		    strncmp(text + len, start, strlen(start)) == 0 &&
		    strchr(text, '\n') == text + strlen(text) - 1;
	va_start(ap, fmt);
	tap_result(passed, fmt, ap);
	va_end(ap);
	if (!passed)
		diag("logged: %s\nexpected: %s", text, start);
	return passed;
}

#endif
