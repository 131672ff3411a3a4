/*
 * shelf: see shelf.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "shelf.h"
#include "status.h"

unsigned int
shelf_file_of(const char *key, size_t len)
{
	uint8_t digest[2];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, (const uint8_t *)key);
	sha256_digest(&ctx, sizeof(digest), digest);
	return (digest[0] * 256U + digest[1]) / (65536 / SHELF_FILES);
}

void
shelf_name(const struct book *book, unsigned int file,
    char name[SHELF_NAME_LEN])
{
	snprintf(name, SHELF_NAME_LEN, "%s/%03x.db", book->name, file);
}

/* Apart from sync_file(), so that t/powercut can leave out either. */
int
shelf_sync(const struct book *book)
{
	const int fd = openat(book->dir->fd, book->name, O_RDONLY | O_CLOEXEC);
	bool synced;

	if (fd < 0)
		return log_errno(book->name, "opening");
	synced = fsync(fd) == 0;
	close(fd);
	return synced ? 0 : log_errno(book->name, "fsync");
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

int
shelf_make(const struct book *book)
{
	const struct datadir *dir = book->dir;
	struct stat sb;

	if (fstatat(dir->fd, book->name, &sb, 0) != 0) {
		if (mkdirat(dir->fd, book->name, 0700 | SHELF_UNSYNCED) != 0)
			return log_errno(book->name, "making it");
	} else if (book->cache || (sb.st_mode & SHELF_UNSYNCED) == 0) {
		return 0;
	}
	if (fsync(dir->fd) != 0)
		return log_errno(book->name, "fsync of its directory");
	if (fchmodat(dir->fd, book->name, 0700, 0) != 0)
		return log_errno(book->name, "chmod");
	return 0;
}

void
shelf_clean(const struct datadir *dir, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	char creating[SHELF_NAME_LEN + 16];

	snprintf(creating, sizeof(creating), "%.*s__db.%s", (int)(name - path),
	    path, name);
	unlinkat(dir->fd, path, 0);
	unlinkat(dir->fd, creating, 0);
}

static bool
is_replaced(const struct shelf_rewrite *rw, const struct dbfile_record *record)
{
	const struct dbfile_record *other;
	size_t i;

	for (i = 0; i < rw->n; i++) {
		other = &rw->puts[i].record;
		if (other->key_len == record->key_len &&
		    memcmp(other->key, record->key, record->key_len) == 0)
			return true;
	}
	return false;
}

static int
put_one(struct shelf_rewrite *rw, struct dbfile *to,
    const struct dbfile_record *record)
{
	rw->count++;
	return dbfile_put(to, record);
}

static int
copy_others(struct shelf_rewrite *rw, struct dbfile *to)
{
	struct dbfile_record record;
	struct dbfile from;
	int ret = dbfile_open(&from, rw->book->dir, rw->name);

	if (ret != 0)
		return ret == ENOENT ? 0 : ret;
	while ((ret = dbfile_next(&from, &record)) == 0)
		if (!is_replaced(rw, &record) &&
		    (ret = put_one(rw, to, &record)) != 0)
			break;
	dbfile_abandon(&from);
	return ret == ENOENT ? 0 : ret;
}

static int
put_all(struct shelf_rewrite *rw, struct dbfile *to)
{
	size_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < rw->n; i++)
		if (rw->puts[i].record.value != NULL)
			ret = put_one(rw, to, &rw->puts[i].record);
	return ret;
}

/* Step 4. */
static int
write_new(struct shelf_rewrite *rw)
{
	struct dbfile to;
	int ret, closed;

	shelf_clean(rw->book->dir, rw->new);
	rw->count = 0;
	if ((ret = dbfile_create(&to, rw->book->dir, rw->new)) != 0)
		return dbfile_status(rw->new, "creating", ret);
	ret = copy_others(rw, &to);
	if (ret == 0)
		ret = put_all(rw, &to);
	closed = dbfile_close(&to);
	return dbfile_status(rw->name, "writing", ret != 0 ? ret : closed);
}

/* Give the new file its name or, if it has no record, remove both. */
static int
rename_new(const struct shelf_rewrite *rw)
{
	const int dir = rw->book->dir->fd;

	if (rw->count > 0)
		return renameat(dir, rw->new, dir, rw->name) == 0 ?
		    0 :
		    log_errno(rw->name, "renaming");
	unlinkat(dir, rw->new, 0);
	return unlinkat(dir, rw->name, 0) == 0 || errno == ENOENT ?
	    0 :
	    log_errno(rw->name, "removing");
}

/* Step 5. */
static int
publish(const struct shelf_rewrite *rw)
{
	const struct book *book = rw->book;
	int status = 0;

	if (rw->durable && rw->count > 0)
		status = sync_file(book->dir, rw->new);
	if (status == 0)
		status = rename_new(rw);
	if (status == 0 && rw->durable)
		status = shelf_sync(book);
	return status;
}

int
shelf_rewrite(struct shelf_rewrite *rw)
{
	const struct book *book = rw->book;
	int status;

	snprintf(rw->new, sizeof(rw->new), "%s/new", book->name);
	shelf_name(book, rw->puts[0].file, rw->name);
	status = write_new(rw);
	if (status == HTTP_INTERNAL_SERVER_ERROR && book->cache &&
	    unlinkat(book->dir->fd, rw->name, 0) == 0) {
		log_line("%s: damaged; a cache, so discarded", rw->name);
		status = write_new(rw);
	}
	if (status == 0)
		status = publish(rw);
	if (status != 0)
		shelf_clean(book->dir, rw->new);
	return status;
}

/* ---- in two steps ---- */

static void
name_staged(struct shelf_rewrite *rw)
{
	shelf_name(rw->book, rw->puts[0].file, rw->name);
	snprintf(rw->new, sizeof(rw->new), "%s.new", rw->name);
}

int
shelf_stage(struct shelf_rewrite *rw)
{
	name_staged(rw);
	return write_new(rw);
}

int
shelf_unstage(struct shelf_rewrite *rw)
{
	name_staged(rw);
	rw->count = rw->n;
	return rename_new(rw);
}

int
shelf_discard(struct shelf_rewrite *rw)
{
	name_staged(rw);
	shelf_clean(rw->book->dir, rw->new);
	return 0;
}
