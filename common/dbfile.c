/*
 * dbfile: see dbfile.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbfile.h"
#include "log.h"
#include "status.h"

/* Size of our files' pages, and where in each its number and its type are, as
 * in Berkeley DB's dbinc/db_page.h. */
#define PAGE_BYTES 4096
#define PAGE_NUMBER_AT 8
#define PAGE_TYPE_AT 25

/* Size of a full path. */
#define PATH_LEN 4096

/* ---- errors ---- */

int
dbfile_check_library(void)
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

int
dbfile_status(const char *file, const char *what, int ret)
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

/* ---- opening and closing ---- */

void
dbfile_abandon(struct dbfile *file)
{
	if (file->cursor != NULL)
		file->cursor->close(file->cursor);
	if (file->db != NULL)
		file->db->close(file->db, DB_NOSYNC);
	if (file->env != NULL)
		file->env->close(file->env, 0);
	memset(file, 0, sizeof(*file));
}

/* In place of the library's fsync(2), which is the caller's. */
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

static int
begin(struct dbfile *file)
{
	int ret = db_env_create(&file->env, 0);

	if (ret != 0)
		return ret;
	file->env->set_errcall(file->env, keep_quiet);
	db_env_set_func_fsync(leave_sync);
	ret = file->env->open(file->env, "/dev/null",
	    DB_CREATE | DB_PRIVATE | DB_INIT_MPOOL, 0);
	return ret == 0 ? db_create(&file->db, file->env, 0) : ret;
}

static int
finish(struct dbfile *file, const struct datadir *dir, const char *name,
    u_int32_t flags)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", dir->path, name);
	return file->db->open(file->db, NULL, path, NULL, DB_BTREE, flags,
	    0600);
}

int
dbfile_open(struct dbfile *file, const struct datadir *dir, const char *name)
{
	int ret = check_pages(dir, name);

	memset(file, 0, sizeof(*file));
	if (ret == 0)
		ret = begin(file);
	if (ret == 0)
		ret = finish(file, dir, name, DB_RDONLY);
	if (ret != 0)
		dbfile_abandon(file);
	return ret;
}

int
dbfile_create(struct dbfile *file, const struct datadir *dir, const char *name)
{
	int ret;

	memset(file, 0, sizeof(*file));
	ret = begin(file);
	if (ret == 0)
		ret = file->db->set_flags(file->db, DB_CHKSUM);
	if (ret == 0)
		ret = file->db->set_pagesize(file->db, PAGE_BYTES);
	if (ret == 0)
		ret = finish(file, dir, name, DB_CREATE | DB_EXCL);
	if (ret != 0)
		dbfile_abandon(file);
	return ret;
}

int
dbfile_close(struct dbfile *file)
{
	int ret = file->db->close(file->db, 0);

	file->db = NULL;
	if (ret == 0) {
		ret = file->env->close(file->env, 0);
		file->env = NULL;
	}
	dbfile_abandon(file);
	return ret;
}

/* ---- records ---- */

static DBT
dbt(const char *data, size_t len)
{
	DBT out = { .size = (u_int32_t)len };

	memcpy(&out.data, &data, sizeof(data)); /* data is not const */
	return out;
}

static int
found(int ret)
{
	return ret == DB_NOTFOUND ? ENOENT : ret;
}

int
dbfile_get(struct dbfile *file, const char *key, char *value, size_t size)
{
	DBT name = dbt(key, strlen(key)), data = { 0 };
	int ret;

	data.data = value;
	data.ulen = (u_int32_t)size - 1;
	data.flags = DB_DBT_USERMEM;
	if ((ret = file->db->get(file->db, NULL, &name, &data, 0)) != 0)
		return found(ret);
	value[data.size] = '\0';
	return strlen(value) == data.size ? 0 : DB_VERIFY_BAD;
}

int
dbfile_next(struct dbfile *file, struct dbfile_record *record)
{
	DBT key = { 0 }, data = { 0 };
	int ret = 0;

	if (file->cursor == NULL)
		ret = file->db->cursor(file->db, NULL, &file->cursor, 0);
	if (ret == 0)
		ret = file->cursor->get(file->cursor, &key, &data, DB_NEXT);
	if (ret == 0)
		*record = (struct dbfile_record){ key.data, key.size, data.data,
			data.size };
	return found(ret);
}

int
dbfile_put(struct dbfile *file, const struct dbfile_record *record)
{
	DBT key = dbt(record->key, record->key_len),
	    data = dbt(record->value, record->value_len);

	return file->db->put(file->db, NULL, &key, &data, 0);
}
