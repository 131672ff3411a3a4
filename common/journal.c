/*
 * journal: see journal.h, which states what lies on the disk.  Here is what
 * writers do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "journal.h"
#include "log.h"
#include "segments.h"
#include "status.h"

/* So often, a millisecond apart, the current segment may change under us. */
#define TRIES 100

const char *
journal_path(char path[JOURNAL_PATH_MAX], const struct journal *j,
    const char *suffix)
{
	snprintf(path, JOURNAL_PATH_MAX, "%s/%s%s", j->folder, j->name, suffix);
	return path;
}

int
journal_sync_folder(const struct journal *j)
{
	const int fd =
	    openat(j->dir->fd, j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const bool synced = fd >= 0 && fsync(fd) == 0;
	const int status = synced ? 0 : log_errno(j->folder, "fsync");

	if (fd >= 0)
		close(fd);
	return status;
}

/* ---- making ---- */

long long
journal_number(const struct journal *j, const char *name)
{
	const size_t len = strlen(j->name);
	const char *digits = name + len + 1;

	if (strncmp(name, j->name, len) != 0)
		return -1;
	if (name[len] == '\0')
		return 0;
	if (name[len] != '.' || *digits == '\0' || strlen(digits) > 9 ||
	    digits[strspn(digits, "0123456789")] != '\0')
		return -1;
	return strtoll(digits, NULL, 10);
}

DIR *
journal_list(const struct journal *j)
{
	const int fd =
	    openat(j->dir->fd, j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

	if (list == NULL && fd >= 0)
		close(fd);
	return list;
}

unsigned int
journal_header(int fd)
{
	unsigned int number = 0;
	char text[16];
	const ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n > 0) {
		text[n] = '\0';
		sscanf(text, "# %9u", &number);
	}
	return number;
}

/* A number that is greater than that of every segment. */
static unsigned int
next_number(const struct journal *j)
{
	DIR *list = journal_list(j);
	long long highest = (long long)j->first - 1;
	char path[JOURNAL_PATH_MAX];
	struct dirent *entry;
	int fd;

	while (list != NULL && (entry = readdir(list)) != NULL)
		if (journal_number(j, entry->d_name) > highest)
			highest = journal_number(j, entry->d_name);
	if (list != NULL)
		closedir(list);
	/* its own number is in no name */
	fd = openat(j->dir->fd, journal_path(path, j, ""),
	    O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		if (journal_header(fd) > highest)
			highest = journal_header(fd);
		close(fd);
	}
	return (unsigned int)(highest + 1);
}

/* Create a segment with its first line under a name with a number. */
static int
create(const struct journal *j, char path[JOURNAL_PATH_MAX])
{
	char suffix[16], header[16];
	unsigned int number = next_number(j);
	bool written;
	int i, fd = -1;

	for (i = 0; i < TRIES; i++, number++) {
		snprintf(suffix, sizeof(suffix), ".%u", number);
		fd = openat(j->dir->fd, journal_path(path, j, suffix),
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	if (fd < 0)
		return log_errno(path, "creating");
	snprintf(header, sizeof(header), "# %u\n", number);
	written = io_write(fd, header, strlen(header)) && fsync(fd) == 0;
	if (close(fd) == 0 && written)
		return 0;
	i = log_errno(path, "writing");
	unlinkat(j->dir->fd, path, 0);
	return i;
}

/*
 * A new segment that is on disk, and so is its name, takes the place of the
 * current one (RENAME_EXCHANGE), or becomes the first (RENAME_NOREPLACE; it may
 * turn out that somebody else was faster).
 */
int
journal_replace(const struct journal *j, unsigned int how)
{
	char path[JOURNAL_PATH_MAX], current[JOURNAL_PATH_MAX];
	int status = create(j, path);

	if (status != 0)
		return status;
	journal_path(current, j, "");
	status = journal_sync_folder(j);
	if (status == 0 &&
	    renameat2(j->dir->fd, path, j->dir->fd, current, how) == 0)
		return journal_sync_folder(j);
	if (status == 0 && errno != EEXIST)
		status = log_errno(current, "renaming a new one");
	unlinkat(j->dir->fd, path, 0);
	return status;
}

static int
make(const struct journal *j)
{
	if (mkdirat(j->dir->fd, j->folder, 0700) != 0 && errno != EEXIST)
		return log_errno(j->folder, "making it");
	/* if it exists, whoever made it may not have come to this */
	if (fsync(j->dir->fd) != 0)
		return log_errno(j->folder, "fsync of its parent");
	return journal_replace(j, RENAME_NOREPLACE);
}

/* ---- opening ---- */

void
journal_init(struct journal *j, const struct datadir *dir, const char *folder,
    const char *name)
{
	*j = (struct journal){ dir, folder, name, 1, -1, 0 };
}

void
journal_close(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
}

static int
check_type(struct journal *j, const char *path)
{
	struct stat sb;

	if (fstat(j->fd, &sb) != 0)
		return log_errno(path, "opening");
	j->inode = sb.st_ino;
	if (S_ISREG(sb.st_mode))
		return 0;
	log_line("%s: not a file", path);
	journal_close(j);
	return HTTP_INTERNAL_SERVER_ERROR;
}

int
journal_open(struct journal *j)
{
	const int flags =
	    O_WRONLY | O_APPEND | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
	char path[JOURNAL_PATH_MAX];
	int status;

	journal_path(path, j, "");
	j->fd = openat(j->dir->fd, path, flags);
	if (j->fd < 0 && errno == ENOENT) {
		if ((status = make(j)) != 0)
			return status;
		j->fd = openat(j->dir->fd, path, flags);
	}
	return j->fd < 0 ? log_errno(path, "opening") : check_type(j, path);
}

/* ---- appending ---- */

/*
 * Share the lock on the segment that the name leads to now, opening it if need
 * be.  If the lock is not free, the reader is about to throw this one away.
 */
static int
lock_current(struct journal *j, struct stat *sb)
{
	char path[JOURNAL_PATH_MAX];
	const struct timespec pause = { .tv_nsec = 1000000 };
	int i, status;

	journal_path(path, j, "");
	for (i = 0; i < TRIES; i++) {
		if (i > 1)
			nanosleep(&pause, NULL);
		if (j->fd < 0 && (status = journal_open(j)) != 0)
			return status;
		if (flock(j->fd, LOCK_SH | LOCK_NB) == 0 &&
		    fstatat(j->dir->fd, path, sb, AT_SYMLINK_NOFOLLOW) == 0 &&
		    sb->st_ino == j->inode)
			return 0;
		journal_close(j);
	}
	log_line("%s: it is replaced again and again", path);
	return HTTP_SERVICE_UNAVAILABLE;
}

/* One write(2), because others append, too. */
static int
append_line(const struct journal *j, const char *head, const char *text)
{
	const struct iovec parts[] = { { (char *)"\n", 1 },
		{ (char *)(uintptr_t)head, strlen(head) },
		{ (char *)(uintptr_t)text, strlen(text) },
		{ (char *)"\n", 1 } };
	const size_t len = parts[1].iov_len + parts[2].iov_len + 2;
	const ssize_t n = writev(j->fd, parts, 4);

	if (n >= 0 && (size_t)n < len)
		errno = ENOSPC;
	if (n != (ssize_t)len)
		return log_errno(j->name, "appending");
	return fdatasync(j->fd) == 0 ? 0 : log_errno(j->name, "fdatasync");
}

static bool
is_line(const char *head, const char *text)
{
	return strpbrk(head, "{\n\t") == NULL && *text == '{' &&
	    strpbrk(text, "\n\t") == NULL;
}

int
journal_append(struct journal *j, const char *head, const char *text)
{
	struct stat sb;
	int status;

	if (!is_line(head, text) ||
	    strlen(head) + strlen(text) > JOURNAL_LINE_MAX) {
		log_line("%s: no line, or too long", j->name);
		return HTTP_INTERNAL_SERVER_ERROR;
	}
	if ((status = lock_current(j, &sb)) != 0)
		return status;
	if (sb.st_size < JOURNAL_SEGMENT_MAX) {
		status = append_line(j, head, text);
	} else {
		log_line("%s: full", j->name);
		status = HTTP_SERVICE_UNAVAILABLE;
	}
	flock(j->fd, LOCK_UN);
	return status;
}
