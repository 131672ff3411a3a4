/*
 * log: see log.h.  A failed write is not reported: there is nowhere left to
 * report it to.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static const char *prefix = "hipchat-cgi";

void
log_open(const char *program)
{
	prefix = program;
}

/* Copy the text, escaped, and return the end; room for "\xNN\n" is kept. */
static char *
escape(char *to, const char *end, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	for (; *text != '\0' && end - to > 5; text++) {
		const unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c < 0x7f) {
			*to++ = *text;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	return to;
}

void
log_line(const char *fmt, ...)
{
	char text[LOG_MAX], line[LOG_MAX];
	const int saved = errno;
	va_list ap;
	char *end;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	end = escape(line, line + sizeof(line), prefix);
	end = escape(end, line + sizeof(line), ": ");
	end = escape(end, line + sizeof(line), text);
	*end++ = '\n';
	if (write(STDERR_FILENO, line, (size_t)(end - line)) < 0) {
		/* no place is left to say so */
	}
	errno = saved;
}

int
log_errno(const char *object, const char *what)
{
	const int err = errno;

	log_line("%s: %s: %s", object, what, strerror(err));
	return err == ENOSPC || err == EDQUOT ? 503 : 500;
}
