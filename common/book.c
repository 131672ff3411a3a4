/*
 * book: see book.h, which states the locking protocol.
 *
 * Berkeley DB's errors are folded into statuses by one function, db_status().
 */
#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "book.h"
#include "log.h"
#include "status.h"

/* Size of our files' pages, and where in each its number and its type are, as
 * in Berkeley DB's dbinc/db_page.h. */
#define PAGE_BYTES 4096
#define PAGE_NUMBER_AT 8
#define PAGE_TYPE_AT 25

/* Longest wait for the lock. */
#define LOCK_SECONDS 10

/* Size of a file's name, and of its full path. */
#define NAME_LEN 64
#define PATH_LEN 4096

/* An open database file in its private environment. */
struct file {
	DB_ENV *env;
	DB *db;
};

/* What a writer does to one record. */
struct change {
	const char *key;
	const char *expected; /* NULL: there must be none */
	bool any;	      /* expect whatever is there */
	const char *value;    /* NULL: remove it */
};

/* ---- errors ---- */

int
book_check_library(void)
{
	int major, minor;

	db_version(&major, &minor, NULL);
	if (major == DB_VERSION_MAJOR && minor == DB_VERSION_MINOR)
		return 0;
	log_line("Berkeley DB %d.%d loaded, compiled for %d.%d", major, minor,
	    DB_VERSION_MAJOR, DB_VERSION_MINOR);
	return HTTP_INTERNAL_SERVER_ERROR;
}

/* Our reports name the file and the reason; the library's own are dropped. */
static void
keep_quiet(const DB_ENV *env, const char *prefix, const char *message)
{
	(void)env;
	(void)prefix;
	(void)message;
}

/* Positive codes are errno's. */
static int
db_status(const char *file, const char *what, int ret)
{
	if (ret == 0)
		return 0;
	if (ret > 0) {
		errno = ret;
		return log_errno(file, what);
	}
	log_line("%s: %s: %s", file, what, db_strerror(ret));
	return HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- one database file ---- */

static void
file_abandon(struct file *file)
{
	if (file->db != NULL)
		file->db->close(file->db, DB_NOSYNC);
	if (file->env != NULL)
		file->env->close(file->env, 0);
	memset(file, 0, sizeof(*file));
}

/* Is this page in use, and where it belongs? */
static bool
is_page(const char *page, off_t number)
{
	uint32_t its_number;

	memcpy(&its_number, page + PAGE_NUMBER_AT, sizeof(its_number));
	return page[PAGE_TYPE_AT] != 0 && its_number == number;
}

/*
 * Berkeley DB checks the sum of every page except one that is all zeros, as a
 * broken disk may return it.  Such a page makes it search forever.  Nor does it
 * notice that a page is in another's place.  Our files have no unused pages.
 * Returns 0, DB_VERIFY_BAD, or errno.
 */
static int
check_pages(const struct datadir *dir, const char *name)
{
	const int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	char head[PAGE_TYPE_AT + 1];
	struct stat sb;
	int ret = 0;
	off_t at;

	if (fd < 0)
		return errno;
	if (fstat(fd, &sb) != 0 || sb.st_size == 0 ||
	    sb.st_size % PAGE_BYTES != 0)
		ret = DB_VERIFY_BAD;
	for (at = 0; ret == 0 && at < sb.st_size; at += PAGE_BYTES)
		if (pread(fd, head, sizeof(head), at) != sizeof(head) ||
		    !is_page(head, at / PAGE_BYTES))
			ret = DB_VERIFY_BAD;
	close(fd);
	return ret;
}

/*
 * Open a file: to read it, or a new one to write.  Returns Berkeley DB's code;
 * the file is open only after 0.
 */
static int
file_open(struct file *file, const struct datadir *dir, const char *name,
    bool create)
{
	char path[PATH_LEN];
	int ret;

	memset(file, 0, sizeof(*file));
	if (!create && (ret = check_pages(dir, name)) != 0)
		return ret;
	if ((ret = db_env_create(&file->env, 0)) != 0)
		return ret;
	file->env->set_errcall(file->env, keep_quiet);
	ret = file->env->open(file->env, "/dev/null",
	    DB_CREATE | DB_PRIVATE | DB_INIT_MPOOL, 0);
	if (ret == 0)
		ret = db_create(&file->db, file->env, 0);
	if (ret == 0 && create)
		ret = file->db->set_flags(file->db, DB_CHKSUM);
	if (ret == 0 && create)
		ret = file->db->set_pagesize(file->db, PAGE_BYTES);
	snprintf(path, sizeof(path), "%s/%s", dir->path, name);
	if (ret == 0)
		ret = file->db->open(file->db, NULL, path, NULL, DB_BTREE,
		    create ? DB_CREATE | DB_EXCL : DB_RDONLY, 0600);
	if (ret != 0)
		file_abandon(file);
	return ret;
}

/* Close a file that was written; its pages reach the kernel here. */
static int
file_close(struct file *file)
{
	int ret = file->db->close(file->db, 0);

	file->db = NULL;
	if (ret == 0) {
		ret = file->env->close(file->env, 0);
		file->env = NULL;
	}
	file_abandon(file);
	return ret;
}

static DBT
dbt(const char *text)
{
	DBT out = { .size = (u_int32_t)strlen(text) };

	memcpy(&out.data, &text, sizeof(text)); /* data is not const */
	return out;
}

static bool
is_text(const DBT *data, const char *text)
{
	return data->size == strlen(text) &&
	    memcmp(data->data, text, data->size) == 0;
}

static int
file_get(struct file *file, const char *name, char value[BOOK_VALUE_MAX])
{
	DBT key = dbt(name), data = { 0 };
	int ret;

	data.data = value;
	data.ulen = BOOK_VALUE_MAX - 1;
	data.flags = DB_DBT_USERMEM;
	if ((ret = file->db->get(file->db, NULL, &key, &data, 0)) != 0)
		return ret;
	value[data.size] = '\0';
	return strlen(value) == data.size ? 0 : DB_VERIFY_BAD;
}

/*
 * Copy all records but the one to be changed; *expected says whether that one
 * is as expected.
 */
static int
file_copy(struct file *from, struct file *to, const struct change *change,
    bool *expected)
{
	DBT key = { 0 }, data = { 0 };
	DBC *cursor;
	int ret;

	*expected = change->any || change->expected == NULL;
	if (from->db == NULL)
		return 0;
	if ((ret = from->db->cursor(from->db, NULL, &cursor, 0)) != 0)
		return ret;
	while ((ret = cursor->get(cursor, &key, &data, DB_NEXT)) == 0) {
		if (is_text(&key, change->key))
			*expected = change->any ||
			    (change->expected != NULL &&
				is_text(&data, change->expected));
		else if ((ret = to->db->put(to->db, NULL, &key, &data, 0)) != 0)
			break;
	}
	cursor->close(cursor);
	return ret == DB_NOTFOUND ? 0 : ret;
}

static int
file_put(struct file *file, const struct change *change)
{
	DBT key = dbt(change->key), data;

	if (change->value == NULL)
		return 0;
	data = dbt(change->value);
	return file->db->put(file->db, NULL, &key, &data, 0);
}

/* ---- reading ---- */

int
book_get(const struct book *book, const char *key, char value[BOOK_VALUE_MAX])
{
	struct file file;
	int ret;

	if ((ret = file_open(&file, book->dir, book->file, false)) == 0) {
		ret = file_get(&file, key, value);
		file_abandon(&file);
	}
	if (ret == DB_NOTFOUND || ret == ENOENT)
		return HTTP_NOT_FOUND;
	return db_status(book->file, "reading", ret);
}

static int
write_keys(struct file *file, FILE *out)
{
	DBT key = { 0 }, data = { 0 };
	DBC *cursor;
	int ret;

	if ((ret = file->db->cursor(file->db, NULL, &cursor, 0)) != 0)
		return ret;
	while ((ret = cursor->get(cursor, &key, &data, DB_NEXT)) == 0) {
		fwrite(key.data, 1, key.size, out);
		putc('\0', out);
	}
	cursor->close(cursor);
	return ret == DB_NOTFOUND ? 0 : ret;
}

int
book_keys(const struct book *book, char **keys)
{
	struct file file;
	FILE *out;
	size_t len;
	int ret;

	*keys = NULL;
	out = need(open_memstream(keys, &len));
	if ((ret = file_open(&file, book->dir, book->file, false)) == 0) {
		ret = write_keys(&file, out);
		file_abandon(&file);
	}
	if (fclose(out) != 0) /* this adds the last NUL */
		need(NULL);
	if (ret == 0 || ret == ENOENT)
		return 0;
	free(*keys);
	*keys = NULL;
	return db_status(book->file, "reading", ret);
}

/* ---- writing ---- */

/* All it does is end a flock(2) with EINTR. */
static void
interrupt(int signo)
{
	(void)signo;
}

/*
 * Wait for the lock in the kernel's queue, where nobody is overtaken; with
 * polling, the busiest would win.  If the first alarm comes just before
 * flock(2) begins, the next one ends it.
 */
static bool
lock_wait(int fd)
{
	const struct itimerval limit = { { 0, 100000 }, { LOCK_SECONDS, 0 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	const struct sigaction act = { .sa_handler = interrupt };
	struct sigaction old;
	struct timespec now;
	time_t deadline;
	int ret, err;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + LOCK_SECONDS;
	sigaction(SIGALRM, &act, &old);
	setitimer(ITIMER_REAL, &limit, NULL);
	do {
		ret = flock(fd, LOCK_EX);
		err = errno;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (ret != 0 && err == EINTR && now.tv_sec < deadline);
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);
	errno = err;
	return ret == 0;
}

/* Step 1; *fd holds the lock until it is closed. */
static int
lock_take(const struct datadir *dir, int *fd)
{
	int status;

	*fd = openat(dir->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return log_errno("lock", "opening");
	if (lock_wait(*fd))
		return 0;
	if (errno == EINTR) {
		log_line("lock: not free for %d s", LOCK_SECONDS);
		status = HTTP_SERVICE_UNAVAILABLE;
	} else {
		status = log_errno("lock", "locking");
	}
	close(*fd);
	return status;
}

static void
remove_leftovers(const struct datadir *dir, const char *tmp)
{
	char creating[NAME_LEN + 8];

	snprintf(creating, sizeof(creating), "__db.%s", tmp);
	unlinkat(dir->fd, tmp, 0);
	unlinkat(dir->fd, creating, 0);
}

/* Step 3. */
static int
write_new(const struct book *book, const char *tmp, const struct change *change)
{
	struct file from, to;
	int ret, closed;
	bool expected;

	ret = file_open(&from, book->dir, book->file, false);
	if (ret != 0 && ret != ENOENT)
		return db_status(book->file, "opening", ret);
	if ((ret = file_open(&to, book->dir, tmp, true)) != 0) {
		file_abandon(&from);
		return db_status(tmp, "creating", ret);
	}
	ret = file_copy(&from, &to, change, &expected);
	if (ret == 0)
		ret = file_put(&to, change);
	file_abandon(&from);
	closed = file_close(&to);
	if (ret == 0 && !expected)
		return HTTP_CONFLICT;
	return db_status(tmp, "writing", ret != 0 ? ret : closed);
}

/* Step 4. */
static int
publish(const struct book *book, const char *tmp)
{
	const int fd = openat(book->dir->fd, tmp, O_RDONLY | O_CLOEXEC);
	bool synced;

	if (fd < 0)
		return log_errno(tmp, "opening");
	synced = fsync(fd) == 0;
	close(fd);
	if (!synced)
		return log_errno(tmp, "fsync");
	if (renameat(book->dir->fd, tmp, book->dir->fd, book->file) != 0)
		return log_errno(book->file, "renaming");
	if (fsync(book->dir->fd) != 0)
		return log_errno(book->file, "fsync of its directory");
	return 0;
}

/* Steps 2 to 4, under the lock. */
static int
rewrite(const struct book *book, const struct change *change)
{
	char tmp[NAME_LEN];
	int status;

	snprintf(tmp, sizeof(tmp), "%s.tmp", book->file);
	remove_leftovers(book->dir, tmp);
	status = write_new(book, tmp, change);
	if (status == HTTP_INTERNAL_SERVER_ERROR && book->cache &&
	    unlinkat(book->dir->fd, book->file, 0) == 0) {
		log_line("%s: damaged; a cache, so discarded", book->file);
		remove_leftovers(book->dir, tmp);
		status = write_new(book, tmp, change);
	}
	if (status == 0)
		status = publish(book, tmp);
	if (status != 0)
		remove_leftovers(book->dir, tmp);
	return status;
}

static int
apply(const struct book *book, const struct change *change)
{
	int status, lock;

	if (change->value != NULL && strlen(change->value) >= BOOK_VALUE_MAX) {
		log_line("%s: record of %s: too large", book->file,
		    change->key);
		return HTTP_INTERNAL_SERVER_ERROR;
	}
	if ((status = lock_take(book->dir, &lock)) != 0)
		return status;
	status = rewrite(book, change);
	close(lock);
	return status;
}

int
book_swap(const struct book *book, const char *key, const char *expected,
    const char *value)
{
	return apply(book,
	    &(struct change){ .key = key,
		.expected = expected,
		.value = value });
}

int
book_set(const struct book *book, const char *key, const char *value)
{
	return apply(book,
	    &(struct change){ .key = key, .any = true, .value = value });
}
