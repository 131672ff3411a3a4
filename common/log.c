/*
 * log: see log.h.  A failed write is not reported: there is nowhere left to
 * report it to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "status.h"

static const char *prefix = "hipchat-cgi";

void
log_open(const char *program)
{
	prefix = program;
}

/* Copy the text, escaped, and return the end; leave room for "\xNN\n". */
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

/*
 * Write "2019-02-15T12:00:00Z " (RFC 3339) and return the end.  Local time
 * would need files that a confined program can't read.
 */
static char *
stamp(char *to)
{
	const time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL)
		return to;
	return to + strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ ", &tm);
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

	end = stamp(line);
	end = escape(end, line + sizeof(line), prefix);
	end = escape(end, line + sizeof(line), ": ");
	end = escape(end, line + sizeof(line), text);
	*end++ = '\n';
	if (write(STDERR_FILENO, line, (size_t)(end - line)) < 0) {
		/* there is nowhere left to say so */
	}
	errno = saved;
}

int
log_errno(const char *object, const char *what)
{
	const int err = errno;

	log_line("%s: %s: %s", object, what, strerror(err));
	return err == ENOSPC || err == EDQUOT || err == EMFILE ||
		err == ENFILE || err == ENOMEM ?
	    HTTP_SERVICE_UNAVAILABLE :
	    HTTP_INTERNAL_SERVER_ERROR;
}

void *
need(void *p)
{
	if (p != NULL)
		return p;
	log_line("out of memory");
	_exit(1);
}

bool
log_to_file(int dirfd, const char *name)
{
	const int fd = openat(dirfd, name,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
		log_errno(name, "opening");
		return false;
	}
	close(fd);
	return true;
}

void
log_rotate(int dirfd, const char *name)
{
	struct stat sb;
	char old[64];

	if (fstat(STDERR_FILENO, &sb) != 0 || !S_ISREG(sb.st_mode) ||
	    sb.st_size < LOG_FILE_MAX)
		return;
	snprintf(old, sizeof(old), "%s.1", name);
	if (renameat(dirfd, name, dirfd, old) == 0)
		log_to_file(dirfd, name);
}
