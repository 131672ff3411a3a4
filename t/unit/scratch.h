/*
 * scratch: a directory for each test of the store, and records to put into it.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <db.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <nettle/sha2.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"
#include "tap.h"

/* The store under test, in a directory of mode 0700. */
struct scratch {
	char dir[64];
	struct datadir data;
	struct store st;
};

/* The path of a file in the directory, in a buffer of PATH bytes. */
#define SCRATCH_PATH 128
static inline const char *
scratch_path(const struct scratch *s, const char *name, char *path)
{
	snprintf(path, SCRATCH_PATH, "%s/%s", s->dir, name);
	return path;
}

/* Which file of its book has the record of this key, as book.h says. */
static inline unsigned int
scratch_file(const char *key)
{
	uint8_t digest[2];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(key), (const uint8_t *)key);
	sha256_digest(&ctx, sizeof(digest), digest);
	return digest[0] * 16U + digest[1] / 16;
}

/* Its path; the book is in the directory. */
static inline const char *
scratch_record(const char *dir, const char *book, const char *key, char *path)
{
	snprintf(path, SCRATCH_PATH, "%s/%s/%03x.db", dir, book,
	    scratch_file(key));
	return path;
}

static inline void
scratch_open(struct scratch *s)
{
	strcpy(s->dir, "/tmp/hipchat-cgi-test.XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		die("mkdtemp");
	if (datadir_open(&s->data, s->dir) != 0 ||
	    store_open(&s->st, &s->data) != 0)
		die(s->dir);
}

static inline int
scratch_remove(const char *path, const struct stat *sb, int type,
    struct FTW *ftw)
{
	(void)sb;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
scratch_close(struct scratch *s)
{
	int i = 0;

	datadir_close(&s->data);
	/* a starter that is about to end may still make its lock */
	while (nftw(s->dir, scratch_remove, 8, FTW_DEPTH | FTW_PHYS) != 0) {
		if (errno != ENOTEMPTY || i++ == 500)
			die(s->dir);
		poll(NULL, 0, 10);
	}
}

/* A file as it was at one moment. */
struct image {
	char *data;
	size_t len;
};

static inline struct image
image_read(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct image image = { NULL, 0 };
	struct stat sb;

	if (fd < 0 || fstat(fd, &sb) != 0)
		die(path);
	image.len = (size_t)sb.st_size;
	image.data = malloc(image.len + 1);
	if (image.data == NULL ||
	    read(fd, image.data, image.len) != (ssize_t)image.len)
		die(path);
	close(fd);
	return image;
}

static inline void
image_write(const char *path, const void *data, size_t len)
{
	const int fd =
	    open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		die(path);
	close(fd);
}

/* Is the file still the same? */
static inline bool
image_same(const char *path, const struct image *image)
{
	const struct image now = image_read(path);
	const bool same = now.len == image->len &&
	    memcmp(now.data, image->data, now.len) == 0;

	free(now.data);
	return same;
}

/* An installation, number i, whose secret tells the version. */
static inline struct installation
sample(int i, int version)
{
	struct installation inst;

	memset(&inst, 0, sizeof(inst));
	snprintf(inst.oauth_id, sizeof(inst.oauth_id),
	    "f3100c47-9936-40e8-a8aa-%012d", i);
	snprintf(inst.oauth_secret, sizeof(inst.oauth_secret), "secret-%d-%d",
	    i, version);
	strcpy(inst.capabilities_url,
	    "https://api.hipchat.com/v2/capabilities");
	inst.group_id = 46617;
	inst.room_id = 2589171 + i;
	strcpy(inst.token_url, "https://api.hipchat.com/v2/oauth/token");
	snprintf(inst.api_url, sizeof(inst.api_url),
	    "https://api.hipchat.com/v2/?%d", version);
	return inst;
}

/* The path of the file that installation i is in. */
static inline const char *
sample_path(const struct scratch *s, int i, char *path)
{
	const struct installation inst = sample(i, 1);

	return scratch_record(s->dir, "installations", inst.oauth_id, path);
}

/* The next number after i whose installation is in the same file. */
static inline int
sample_neighbor(int i)
{
	const struct installation first = sample(i, 1);
	const unsigned int file = scratch_file(first.oauth_id);
	struct installation inst;

	do {
		inst = sample(++i, 1);
	} while (scratch_file(inst.oauth_id) != file);
	return i;
}

static inline bool
sample_same(const struct installation *a, const struct installation *b)
{
	return strcmp(a->oauth_id, b->oauth_id) == 0 &&
	    strcmp(a->oauth_secret, b->oauth_secret) == 0 &&
	    strcmp(a->capabilities_url, b->capabilities_url) == 0 &&
	    a->group_id == b->group_id && a->room_id == b->room_id &&
	    strcmp(a->token_url, b->token_url) == 0 &&
	    strcmp(a->api_url, b->api_url) == 0;
}

/* Is installation i stored, in this version? */
static inline bool
sample_stored(const struct store *st, int i, int version)
{
	const struct installation expected = sample(i, version);
	struct installation inst;

	return store_find(st, expected.oauth_id, &inst) == 0 &&
	    sample_same(&inst, &expected);
}

/* Store the installation, whatever is there. */
static inline int
put_over(const struct store *st, const struct installation *inst)
{
	struct installation old = { .oauth_secret = "" };
	const int status = store_find(st, inst->oauth_id, &old);

	return status == 0 || status == 404 ? store_put(st, inst, &old) :
					      status;
}

static inline int
sample_put(const struct store *st, int i, int version)
{
	const struct installation inst = sample(i, version);

	return put_over(st, &inst);
}

/* A file to plant records in, as db5.3_load would: without sums. */
static inline DB *
plant_open(const char *path)
{
	DB *db;

	if (db_create(&db, NULL, 0) != 0 || db->set_pagesize(db, 4096) != 0 ||
	    db->open(db, NULL, path, NULL, DB_BTREE, DB_CREATE, 0600) != 0)
		die(path);
	return db;
}

static inline void
plant_put(DB *db, const char *key, const char *value)
{
	DBT k, v;

	memset(&k, 0, sizeof(k));
	memset(&v, 0, sizeof(v));
	k.data = strdup(key);
	k.size = (u_int32_t)strlen(key);
	v.data = strdup(value);
	v.size = (u_int32_t)strlen(value);
	if (db->put(db, NULL, &k, &v, 0) != 0)
		die("planting a record");
	free(k.data);
	free(v.data);
}

static inline void
plant_record(const char *path, const char *key, const char *value)
{
	DB *db = plant_open(path);

	plant_put(db, key, value);
	if (db->close(db, 0) != 0)
		die(path);
}

/* Put n installations from the first one on where an older version has them. */
static inline void
plant_old(const struct scratch *s, int first, int n, int version)
{
	char path[SCRATCH_PATH];
	DB *db = plant_open(scratch_path(s, "installations.db", path));
	struct json_object *doc;
	struct installation inst;
	int i;

	for (i = first; i < first + n; i++) {
		inst = sample(i, version);
		doc = installation_json(&inst);
		plant_put(db, inst.oauth_id, json_object_to_json_string(doc));
		json_object_put(doc);
	}
	if (db->close(db, 0) != 0)
		die(path);
}

/* How many files this process has open. */
static inline int
open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (dir == NULL)
		die("/proc/self/fd");
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

#endif
