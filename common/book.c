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

/* In place of the library's fsync(2), which is step 4's. */
static int
leave_sync(int fd)
{
	(void)fd;
	return 0;
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
	db_env_set_func_fsync(leave_sync);
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

/* Copy all records but the one to be changed. */
static int
file_copy(struct file *from, struct file *to, const char *except)
{
	DBT key = { 0 }, data = { 0 };
	DBC *cursor;
	int ret;

	if (from->db == NULL)
		return 0;
	if ((ret = from->db->cursor(from->db, NULL, &cursor, 0)) != 0)
		return ret;
	while ((ret = cursor->get(cursor, &key, &data, DB_NEXT)) == 0)
		if (!is_text(&key, except) &&
		    (ret = to->db->put(to->db, NULL, &key, &data, 0)) != 0)
			break;
	cursor->close(cursor);
	return ret == DB_NOTFOUND ? 0 : ret;
}

static int
file_put(struct file *file, const struct book_change *change)
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
lock_take(const struct datadir *dir, bool hurried, int *fd)
{
	int status;

	*fd = openat(dir->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return log_errno("lock", "opening");
	if (hurried ? flock(*fd, LOCK_EX | LOCK_NB) == 0 : lock_wait(*fd))
		return 0;
	status = HTTP_SERVICE_UNAVAILABLE;
	if (errno == EINTR)
		log_line("lock: not free for %d s", LOCK_SECONDS);
	else if (errno != EWOULDBLOCK)
		status = log_errno("lock", "locking");
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

/* The new file of step 3. */
static int
write_new(const char *tmp, const struct book_change *change)
{
	const struct book *book = change->book;
	struct file from, to;
	int ret, closed;

	ret = file_open(&from, book->dir, book->file, false);
	if (ret != 0 && ret != ENOENT)
		return db_status(book->file, "opening", ret);
	if ((ret = file_open(&to, book->dir, tmp, true)) != 0) {
		file_abandon(&from);
		return db_status(tmp, "creating", ret);
	}
	ret = file_copy(&from, &to, change->key);
	if (ret == 0)
		ret = file_put(&to, change);
	file_abandon(&from);
	closed = file_close(&to);
	return db_status(tmp, "writing", ret != 0 ? ret : closed);
}

static int
sync_file(const struct datadir *dir, const char *name)
{
	const int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	bool synced;

	if (fd < 0)
		return log_errno(name, "opening");
	synced = fsync(fd) == 0;
	close(fd);
	return synced ? 0 : log_errno(name, "fsync");
}

/* Step 4. */
static int
publish(const struct book *book, const char *tmp)
{
	int status = 0;

	if (!book->cache)
		status = sync_file(book->dir, tmp);
	if (status != 0)
		return status;
	if (renameat(book->dir->fd, tmp, book->dir->fd, book->file) != 0)
		return log_errno(book->file, "renaming");
	if (!book->cache && fsync(book->dir->fd) != 0)
		return log_errno(book->file, "fsync of its directory");
	return 0;
}

/* Steps 2 to 4 for one record. */
static int
rewrite(const struct book_change *change)
{
	const struct book *book = change->book;
	char tmp[NAME_LEN];
	int status;

	snprintf(tmp, sizeof(tmp), "%s.tmp", book->file);
	remove_leftovers(book->dir, tmp);
	status = write_new(tmp, change);
	if (status == HTTP_INTERNAL_SERVER_ERROR && book->cache &&
	    unlinkat(book->dir->fd, book->file, 0) == 0) {
		log_line("%s: damaged; a cache, so discarded", book->file);
		remove_leftovers(book->dir, tmp);
		status = write_new(tmp, change);
	}
	if (status == 0)
		status = publish(book, tmp);
	if (status != 0)
		remove_leftovers(book->dir, tmp);
	return status;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * Is the record as expected?  And is there anything to write?  A damaged cache
 * is an empty one.
 */
static int
look(const struct book_change *change, bool *write)
{
	char value[BOOK_VALUE_MAX], *now = value;
	const int status = book_get(change->book, change->key, value);

	if (status == HTTP_NOT_FOUND ||
	    (status == HTTP_INTERNAL_SERVER_ERROR && change->book->cache))
		now = NULL;
	else if (status != 0)
		return status;
	*write = !change->keep && (change->value != NULL || now != NULL);
	return change->any || same(now, change->expected) ? 0 : HTTP_CONFLICT;
}

/* Steps 2 to 4 for all records, under the lock. */
static int
change_all(const struct book_change *changes, int n)
{
	bool write[BOOK_CHANGES_MAX];
	int i, status = 0;

	for (i = 0; i < n && status == 0; i++)
		status = look(&changes[i], &write[i]);
	for (i = 0; i < n && status == 0; i++)
		if (write[i])
			status = rewrite(&changes[i]);
	return status;
}

int
book_swap(const struct book_change *changes, int n, bool hurried)
{
	int i, status, lock;

	for (i = 0; i < n; i++) {
		if (changes[i].value == NULL ||
		    strlen(changes[i].value) < BOOK_VALUE_MAX)
			continue;
		log_line("%s: record of %s: too large", changes[i].book->file,
		    changes[i].key);
		return HTTP_INTERNAL_SERVER_ERROR;
	}
	status = lock_take(changes[0].book->dir, hurried, &lock);
	if (status != 0)
		return status;
	status = change_all(changes, n);
	close(lock);
	return status;
}
