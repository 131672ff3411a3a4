/*
 * marks: changing a line of a journal in its place; see journal.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "segments.h"
#include "status.h"
#include "uptime.h"

/* So often, a millisecond apart, we try to lock a mark. */
#define TRIES 20

int
journal_read(const struct journal_place *place, char **line)
{
	char *text = need(malloc((size_t)place->len + 1));
	const ssize_t n =
	    pread(place->segment->fd, text, place->len, place->offset);

	*line = text;
	text[n > 0 ? n : 0] = '\0';
	if (n == (ssize_t)place->len)
		return 0;
	if (n < 0)
		return log_errno(place->segment->path, "reading");
	log_line("%s: shorter than it was", place->segment->path);
	return HTTP_NOT_FOUND;
}

/* F_WRLCK or F_UNLCK on the mark. */
static int
lock_mark(const struct journal_place *place, short type)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct flock lock = { .l_type = type,
		.l_whence = SEEK_SET,
		.l_start = place->offset,
		.l_len = 1 };
	int i;

	for (i = 0; i < TRIES; i++) {
		if (fcntl(place->segment->fd, F_OFD_SETLK, &lock) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			break;
		nanosleep(&pause, NULL);
	}
	log_errno(place->segment->path, "locking a line");
	return HTTP_SERVICE_UNAVAILABLE;
}

static int
write_back(const struct journal_place *place, const char *line, size_t len)
{
	struct journal_segment *s = place->segment;
	const ssize_t n = pwrite(s->fd, line, len, place->offset);

	if (n >= 0 && (size_t)n < len)
		errno = ENOSPC;
	if (n != (ssize_t)len)
		return log_errno(s->path, "marking a line");
	s->dirty = true;
	s->active = uptime_s();
	return 0;
}

/* Change the mark, if it is one of these, and blank the text or not. */
static int
change(const struct journal_place *place, const char *from, char to, bool blank,
    char **line)
{
	size_t text, len = place->len;
	int status = journal_read(place, line);

	if (status == 0 && (**line == '\0' || strchr(from, **line) == NULL))
		status = HTTP_CONFLICT;
	if (status != 0)
		return status;
	**line = to;
	text = strcspn(*line, "{");
	if (blank)
		memset(*line + text, '\t', len - text);
	return write_back(place, *line, blank ? len : 1);
}

static int
change_locked(const struct journal_place *place, const char *from, char to,
    bool blank, char **line)
{
	int status = lock_mark(place, F_WRLCK);

	*line = NULL;
	if (status != 0)
		return status;
	status = change(place, from, to, blank, line);
	lock_mark(place, F_UNLCK);
	return status;
}

int
journal_take(const struct journal_place *place, const char *from, char to,
    char **line)
{
	return change_locked(place, from, to, false, line);
}

int
journal_mark(const struct journal_place *place, const char *from, char to)
{
	char *line;
	const int status = change_locked(place, from, to, false, &line);

	free(line);
	return status;
}

int
journal_blank(const struct journal_place *place, const char *from, char to)
{
	char *line;
	const int status = change_locked(place, from, to, true, &line);

	free(line);
	return status;
}

int
journal_sync(struct journal_reader *r)
{
	int status = 0;
	size_t i;

	for (i = 0; i < r->n; i++) {
		struct journal_segment *s = r->segments[i];

		if (s->dirty && fdatasync(s->fd) != 0)
			status = log_errno(s->path, "fdatasync");
		else
			s->dirty = false;
	}
	return status;
}
