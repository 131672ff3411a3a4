/*
 * segments: those that there are, and reading on in them; see journal.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "segments.h"
#include "status.h"
#include "uptime.h"

#define CHUNK 65536
#define BLOCK 4096

/* So many times at most, the folder changes while we look into it. */
#define LOOKS 10

/* ---- opening ---- */

/* When it was changed, on the monotonic clock. */
static int64_t
changed(const struct stat *sb)
{
	return uptime_s() - llabs((long long)(time(NULL) - sb->st_mtime));
}

static void
free_segment(struct journal_segment *s)
{
	close(s->fd);
	free(s->buf);
	free(s);
}

/* Add it in the order of the numbers. */
static void
add(struct journal_reader *r, struct journal_segment *s)
{
	size_t i = r->n++;

	r->segments = need(realloc(r->segments, r->n * sizeof(s)));
	for (; i > 0 && r->segments[i - 1]->number > s->number; i--)
		r->segments[i] = r->segments[i - 1];
	r->segments[i] = s;
}

static struct journal_segment *
known(const struct journal_reader *r, const struct stat *sb)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->segments[i]->inode == sb->st_ino &&
		    r->segments[i]->device == sb->st_dev)
			return r->segments[i];
	return NULL;
}

static void
make_current(const struct journal_reader *r, struct journal_segment *s)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		r->segments[i]->current = false;
	s->current = true;
	s->quiet = s->read = false; /* it may have been found half made */
}

/* Open a file of the journal, unless we have it; true if it is new. */
static bool
look_at(struct journal_reader *r, const char *suffix)
{
	struct journal_segment *s;
	char path[JOURNAL_PATH_MAX];
	struct stat sb;
	const int fd =
	    openat(r->journal->dir->fd, journal_path(path, r->journal, suffix),
		O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
		if (fd >= 0)
			close(fd);
		else if (errno != ENOENT && errno != EISDIR)
			r->status = log_errno(path, "opening");
		return false;
	}
	if ((s = known(r, &sb)) != NULL) {
		close(fd);
	} else {
		s = need(calloc(1, sizeof(*s)));
		s->fd = fd;
		s->device = sb.st_dev;
		s->inode = sb.st_ino;
		s->number = journal_header(fd);
		s->begun = uptime_s();
		s->active = changed(&sb);
		add(r, s);
	}
	strcpy(s->path, path);
	if (*suffix == '\0')
		make_current(r, s);
	return s->fd == fd;
}

/* Look for segments that we don't have; true if there are some. */
static bool
look_around(struct journal_reader *r)
{
	DIR *list = journal_list(r->journal);
	const size_t before = r->n;
	struct dirent *entry;

	if (list == NULL && errno != ENOENT)
		r->status = log_errno(r->journal->folder, "listing");
	while (list != NULL && (entry = readdir(list)) != NULL)
		if (journal_number(r->journal, entry->d_name) >= 0)
			look_at(r, entry->d_name + strlen(r->journal->name));
	if (list != NULL)
		closedir(list);
	return r->n > before;
}

int
journal_begin(struct journal_reader *r, const struct journal *j, bool alone)
{
	int i;

	*r = (struct journal_reader){ .journal = j, .alone = alone };
	/* while we look, the names of two may be exchanged */
	for (i = 0; i < LOOKS && look_around(r); i++)
		;
	if (r->status != 0)
		journal_end(r);
	return r->status;
}

void
journal_end(struct journal_reader *r)
{
	while (r->n > 0)
		free_segment(r->segments[--r->n]);
	free(r->segments);
	r->segments = NULL;
}

/* ---- reading ---- */

/* Will nobody append any more? */
static bool
is_quiet(const struct journal_segment *s)
{
	if (s->current || flock(s->fd, LOCK_EX | LOCK_NB) != 0)
		return false;
	flock(s->fd, LOCK_UN);
	return true;
}

/* Make room in the buffer for CHUNK bytes. */
static void
make_room(struct journal_segment *s)
{
	s->len -= s->start;
	if (s->len > 0)
		memmove(s->buf, s->buf + s->start, s->len);
	s->start = 0;
	if (s->len > JOURNAL_LINE_MAX) { /* no newline in all of it */
		s->cut = true;
		s->len = 0;
	}
	if (s->size < s->len + CHUNK || s->size > s->len + 2 * CHUNK) {
		s->size = s->len + CHUNK;
		s->buf = need(realloc(s->buf, s->size));
	}
}

/* Read a chunk; false if there is nothing new. */
static bool
fill(struct journal_segment *s, bool alone)
{
	ssize_t n;

	if (s->read)
		return false;
	s->quiet = s->quiet || (alone && is_quiet(s));
	make_room(s);
	n = pread(s->fd, s->buf + s->len, CHUNK, s->end);
	if (n < 0)
		log_errno(s->path, "reading");
	if (n > 0 && s->eof)
		s->active = uptime_s();
	s->eof = n < CHUNK;
	s->read = s->quiet && s->eof && n >= 0;
	if (n <= 0)
		return false;
	s->len += (size_t)n;
	s->end += (uint32_t)n;
	return true;
}

/* The next line of what was read; false if there is none. */
static bool
take_line(struct journal_segment *s, struct journal_place *place,
    const char **line)
{
	char *start, *end;

	while (s->len > s->start) {
		start = s->buf + s->start;
		end = memchr(start, '\n', s->len - s->start);
		if (end == NULL)
			return false;
		*place = (struct journal_place){ s,
			s->end - (uint32_t)(s->len - s->start),
			(uint32_t)(end - start) };
		s->start += place->len + 1;
		*end = '\0';
		if (!s->cut && place->len > 0 && *start != '#') {
			*line = start;
			return true;
		}
		s->cut = false;
	}
	return false;
}

enum news {
	NONE,  /* nothing can have come since we read to the end of all */
	LINES, /* of what we have, something may have grown */
	OTHER, /* the current segment is one that we don't have */
};

static enum news
news(const struct journal_reader *r)
{
	char path[JOURNAL_PATH_MAX];
	const struct journal_segment *s;
	enum news news = NONE;
	struct stat sb;
	size_t i;

	for (i = 0; i + 1 < r->n; i++)
		if (!r->segments[i]->read)
			news = LINES;
	journal_path(path, r->journal, "");
	if (fstatat(r->journal->dir->fd, path, &sb, AT_SYMLINK_NOFOLLOW) != 0)
		return news;
	s = known(r, &sb);
	if (s == NULL || !s->current)
		return OTHER;
	return sb.st_size == (off_t)s->end ? news : LINES;
}

/*
 * Read on in segment i, and then in those before it that somebody may still
 * append to: what a writer put there before it put something into this one
 * must not come after that.  If i is one too many, all have been read; then it
 * returns false if there is nothing new.
 */
static bool
read_on(struct journal_reader *r, size_t i)
{
	bool more = i < r->n;
	enum news what;

	if (!more) {
		if ((what = news(r)) == NONE)
			return false;
		if (what == OTHER)
			look_around(r);
		i = r->n > 0 ? r->n - 1 : 0;
	}
	if (r->n == 0)
		return false;
	do
		more = fill(r->segments[i], r->alone) || more;
	while (i-- > 0);
	return more;
}

static void
drop_buffer(struct journal_segment *s)
{
	free(s->buf);
	s->buf = NULL;
	s->start = s->len = s->size = 0;
}

int
journal_next(struct journal_reader *r, struct journal_place *place,
    const char **line)
{
	struct journal_segment *s;
	size_t i;

	do {
		for (i = 0; i < r->n; i++) {
			s = r->segments[i];
			if (take_line(s, place, line)) {
				s->held++;
				return 0;
			}
			if (s->read)
				drop_buffer(s);
			if (!s->eof)
				break;
		}
	} while (read_on(r, i));
	return HTTP_NOT_FOUND;
}

void
journal_release(const struct journal_place *place)
{
	place->segment->held--;
}

/* ---- segments that come and go ---- */

off_t
journal_size(const struct journal_reader *r)
{
	off_t size = 0;
	struct stat sb;
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->segments[i]->current &&
		    fstat(r->segments[i]->fd, &sb) == 0)
			size = sb.st_size;
	return size;
}

/* Give back the blocks that lie in this range; they read as zeros then. */
static void
punch(const struct journal_segment *s, off_t from, off_t to)
{
	from += BLOCK - 1 - (from + BLOCK - 1) % BLOCK;
	to -= to % BLOCK;
	if (to > from)
		fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    from, to - from);
}

/*
 * Give back what settled lines take, but for the first block, and for the
 * newline before the line that comes next.
 */
static void
give_back(const struct journal_segment *s)
{
	struct journal_segment scan = { .fd = s->fd };
	struct journal_place place;
	off_t settled = BLOCK; /* from here to where we are */
	const char *line;

	do {
		while (take_line(&scan, &place, &line)) {
			if (strchr(line, '\t') != NULL)
				continue;
			punch(s, settled, (off_t)place.offset - 1);
			settled = (off_t)place.offset + place.len;
		}
	} while (scan.end < s->end && fill(&scan, false));
	punch(s, settled, scan.end - (off_t)(scan.len - scan.start) - 1);
	free(scan.buf);
}

int
journal_rotate(struct journal_reader *r)
{
	const int status = journal_replace(r->journal, RENAME_EXCHANGE);
	size_t i;

	for (i = 0; status != 0 && i < r->n; i++)
		give_back(r->segments[i]);
	look_around(r);
	return status;
}

bool
journal_is_idle(const struct journal_reader *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->segments[i]->held > 0)
			return false;
	return true;
}

int64_t
journal_quiet(const struct journal_reader *r)
{
	int64_t last = 0;
	size_t i;

	for (i = 0; i < r->n; i++)
		if (i == 0 || r->segments[i]->active > last)
			last = r->segments[i]->active;
	return uptime_s() - last;
}

int64_t
journal_oldest(const struct journal_reader *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->segments[i]->held > 0)
			return uptime_s() - r->segments[i]->begun;
	return 0;
}

/* An empty one may be about to become the current one. */
static bool
is_over(const struct journal_segment *s, int64_t seconds)
{
	return s->read && s->held == 0 && s->start == s->len &&
	    uptime_s() - s->active > seconds;
}

/* Is its name still its own? */
static bool
leads_to(const struct journal_reader *r, const struct journal_segment *s)
{
	struct stat sb;

	return fstatat(r->journal->dir->fd, s->path, &sb,
		   AT_SYMLINK_NOFOLLOW) == 0 &&
	    sb.st_ino == s->inode && sb.st_dev == s->device;
}

void
journal_drop(struct journal_reader *r, int64_t seconds)
{
	size_t i, kept = 0;

	for (i = 0; i < r->n; i++) {
		struct journal_segment *s = r->segments[i];

		if (!is_over(s, seconds) ||
		    flock(s->fd, LOCK_EX | LOCK_NB) != 0) {
			r->segments[kept++] = s;
			continue;
		}
		if (leads_to(r, s) &&
		    unlinkat(r->journal->dir->fd, s->path, 0) != 0)
			log_errno(s->path, "removing");
		free_segment(s);
	}
	r->n = kept;
}
