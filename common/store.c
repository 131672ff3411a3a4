/*
 * store: see store.h, which states the locking protocol.
 *
 * Berkeley DB's errors are folded into statuses by one function, db_status().
 */
#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "log.h"
#include "store.h"

#define INSTALLATIONS "installations.db"
#define TOKENS "tokens.db"

/* Largest record as JSON text, terminating NUL included. */
#define RECORD_MAX 16384

/* Size of our files' pages, and where each has its number and its type:
 * Berkeley DB's dbinc/db_page.h. */
#define PAGE_BYTES 4096
#define PAGE_NUMBER_AT 8
#define PAGE_TYPE_AT 25

/* Longest wait for the lock. */
#define LOCK_SECONDS 10

/* An open database file in its private environment. */
struct book {
	DB_ENV *env;
	DB *db;
};

/* What a writer does to the one record that it is about. */
struct change {
	const char *key;
	const char *value;	/* NULL: remove it */
};

/* ---- errors ---- */

/* Our reports name the file and the reason; the library's own are dropped. */
static void
keep_quiet(const DB_ENV *env, const char *prefix, const char *message)
{
	(void)env;
	(void)prefix;
	(void)message;
}

static int
db_status(const char *file, const char *what, int ret)
{
	if (ret == 0)
		return 0;
	if (ret == DB_NOTFOUND || ret == ENOENT)
		return 404;
	log_line("%s: %s: %s", file, what, db_strerror(ret));
	return ret == ENOSPC || ret == EDQUOT ? 503 : 500;
}

/* ---- one database file ---- */

static void
book_abandon(struct book *book)
{
	if (book->db != NULL)
		book->db->close(book->db, DB_NOSYNC);
	if (book->env != NULL)
		book->env->close(book->env, 0);
	memset(book, 0, sizeof(*book));
}

/* Is this page in use, and in its place? */
static bool
is_page(const char *page, off_t number)
{
	uint32_t its_number;

	memcpy(&its_number, page + PAGE_NUMBER_AT, sizeof(its_number));
	return page[PAGE_TYPE_AT] != 0 && its_number == number;
}

/*
 * Berkeley DB checks the sum of every page but one that is all zeros, as a
 * broken disk may return it, and in that it searches for ever; nor does it
 * see that a page is another one.  Our files have no unused pages.
 * Returns 0, DB_VERIFY_BAD, or errno.
 */
static int
check_pages(const struct store *st, const char *file)
{
	const int fd = openat(st->dirfd, file, O_RDONLY | O_CLOEXEC);
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
 * Open a file below the store's directory: to read it, or a new one to write.
 * Returns Berkeley DB's code; the book is open only after 0.
 */
static int
book_open(struct book *book, const struct store *st, const char *file,
    bool create)
{
	int ret;

	memset(book, 0, sizeof(*book));
	if (!create && (ret = check_pages(st, file)) != 0)
		return ret;
	if ((ret = db_env_create(&book->env, 0)) != 0)
		return ret;
	book->env->set_errcall(book->env, keep_quiet);
	ret = book->env->open(book->env, st->dir,
	    DB_CREATE | DB_PRIVATE | DB_INIT_MPOOL, 0);
	if (ret == 0)
		ret = db_create(&book->db, book->env, 0);
	if (ret == 0 && create)
		ret = book->db->set_flags(book->db, DB_CHKSUM);
	if (ret == 0 && create)
		ret = book->db->set_pagesize(book->db, PAGE_BYTES);
	if (ret == 0)
		ret = book->db->open(book->db, NULL, file, NULL, DB_BTREE,
		    create ? DB_CREATE | DB_EXCL : DB_RDONLY, 0600);
	if (ret != 0)
		book_abandon(book);
	return ret;
}

/* Close a file that was written; its pages reach the kernel here. */
static int
book_close(struct book *book)
{
	int ret = book->db->close(book->db, 0);

	book->db = NULL;
	if (ret == 0) {
		ret = book->env->close(book->env, 0);
		book->env = NULL;
	}
	book_abandon(book);
	return ret;
}

static DBT
dbt(const char *text)
{
	DBT out = { .size = (u_int32_t)strlen(text) };

	memcpy(&out.data, &text, sizeof(text));	/* data is not const */
	return out;
}

/* Copy the value to out, which has RECORD_MAX bytes, and end it with NUL. */
static int
book_get(struct book *book, const char *name, char *out, size_t *len)
{
	DBT key = dbt(name), data = { 0 };
	int ret;

	data.data = out;
	data.ulen = RECORD_MAX - 1;
	data.flags = DB_DBT_USERMEM;
	ret = book->db->get(book->db, NULL, &key, &data, 0);
	if (ret == 0) {
		*len = data.size;
		out[*len] = '\0';
	}
	return ret;
}

/* Copy all records but the one with the changed key. */
static int
book_copy(struct book *from, struct book *to, const struct change *change)
{
	const size_t skip = strlen(change->key);
	DBT key = { 0 }, data = { 0 };
	DBC *cursor;
	int ret;

	if ((ret = from->db->cursor(from->db, NULL, &cursor, 0)) != 0)
		return ret;
	while ((ret = cursor->get(cursor, &key, &data, DB_NEXT)) == 0) {
		if (key.size == skip &&
		    memcmp(key.data, change->key, skip) == 0)
			continue;
		if ((ret = to->db->put(to->db, NULL, &key, &data, 0)) != 0)
			break;
	}
	cursor->close(cursor);
	return ret == DB_NOTFOUND ? 0 : ret;
}

static int
book_put(struct book *book, const struct change *change)
{
	DBT key = dbt(change->key), data;

	if (change->value == NULL)
		return 0;
	data = dbt(change->value);
	return book->db->put(book->db, NULL, &key, &data, 0);
}

/* ---- reading ---- */

/* The record of that key as JSON, which the caller releases. */
static int
read_record(const struct store *st, const char *file, const char *key,
    struct json_object **doc)
{
	char value[RECORD_MAX];
	struct book book;
	const char *why;
	size_t len = 0;
	int ret;

	if ((ret = book_open(&book, st, file, false)) == 0) {
		ret = book_get(&book, key, value, &len);
		book_abandon(&book);
	}
	if (ret != 0)
		return db_status(file, "reading", ret);
	if ((*doc = json_read(value, len, &why)) == NULL) {
		log_line("%s: record of %s: %s", file, key, why);
		return 500;
	}
	return 0;
}

/* ---- writing ---- */

/* All that it does is to end a flock(2) with EINTR. */
static void
interrupt(int signo)
{
	(void)signo;
}

/*
 * Wait for the lock in the kernel's queue, where nobody is passed by; polling
 * would let the busiest win.  Should the first alarm come just before flock(2)
 * begins, the next one ends it.
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

/* Take the lock; *fd holds it until it is closed. */
static int
lock_take(const struct store *st, int *fd)
{
	int status;

	*fd = openat(st->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return log_errno("lock", "opening");
	if (lock_wait(*fd))
		return 0;
	if (errno == EINTR) {
		log_line("lock: not free for %d s", LOCK_SECONDS);
		status = 503;
	} else {
		status = log_errno("lock", "locking");
	}
	close(*fd);
	return status;
}

static void
remove_leftovers(const struct store *st, const char *tmp)
{
	char creating[64];

	snprintf(creating, sizeof(creating), "__db.%s", tmp);
	unlinkat(st->dirfd, tmp, 0);
	unlinkat(st->dirfd, creating, 0);
}

/* Write the new file: all records of the old one, and the change. */
static int
write_new(const struct store *st, const char *file, const char *tmp,
    const struct change *change)
{
	struct book from, to;
	int ret, closed;

	ret = book_open(&from, st, file, false);
	if (ret != 0 && ret != ENOENT)
		return db_status(file, "opening", ret);
	if ((ret = book_open(&to, st, tmp, true)) != 0) {
		book_abandon(&from);
		return db_status(tmp, "creating", ret);
	}
	if (from.db != NULL)
		ret = book_copy(&from, &to, change);
	if (ret == 0)
		ret = book_put(&to, change);
	book_abandon(&from);
	closed = book_close(&to);
	return db_status(tmp, "writing", ret != 0 ? ret : closed);
}

/* Step 4 of the protocol. */
static int
publish(const struct store *st, const char *file, const char *tmp)
{
	const int fd = openat(st->dirfd, tmp, O_RDONLY | O_CLOEXEC);
	bool synced;

	if (fd < 0)
		return log_errno(tmp, "opening");
	synced = fsync(fd) == 0;
	close(fd);
	if (!synced)
		return log_errno(tmp, "fsync");
	if (renameat(st->dirfd, tmp, st->dirfd, file) != 0)
		return log_errno(file, "renaming");
	if (fsync(st->dirfd) != 0)
		return log_errno(file, "fsync of its directory");
	return 0;
}

/* Steps 2 to 4, under the lock. */
static int
rewrite(const struct store *st, const char *file, const struct change *change)
{
	char tmp[32];
	int status;

	snprintf(tmp, sizeof(tmp), "%s.tmp", file);
	remove_leftovers(st, tmp);
	status = write_new(st, file, tmp, change);
	if (status == 500 && strcmp(file, TOKENS) == 0 &&
	    unlinkat(st->dirfd, TOKENS, 0) == 0) {
		log_line("%s: damaged; a cache, so thrown away", file);
		remove_leftovers(st, tmp);
		status = write_new(st, file, tmp, change);
	}
	if (status == 0)
		status = publish(st, file, tmp);
	if (status != 0)
		remove_leftovers(st, tmp);
	return status == 404 ? 500 : status;
}

/*
 * Write one record, given as JSON, which is released, under the lock that the
 * caller holds.
 */
static int
write_record(const struct store *st, const char *file, const char *key,
    struct json_object *doc)
{
	const struct change change = { key, json_text(doc) };
	int status = 500;

	if (strlen(change.value) < RECORD_MAX)
		status = rewrite(st, file, &change);
	else
		log_line("%s: record of %s: too large", file, key);
	json_object_put(doc);
	return status;
}

/* ---- records ---- */

static bool
visible(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

int
installation_id_fits(const char *id)
{
	const size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~");

	return len > 0 && len < STORE_ID_MAX && id[len] == '\0';
}

/* Copy a string member without blanks; false where there is none. */
static bool
copy_string(struct json_object *doc, const char *name, char *out, size_t size)
{
	const char *text;

	if (json_string(doc, name, size - 1, &text) != 1 || !visible(text))
		return false;
	strcpy(out, text);
	return true;
}

static const char *
installation_read(struct json_object *doc, struct installation *inst)
{
	memset(inst, 0, sizeof(*inst));
	if (!copy_string(doc, "oauthId", inst->oauth_id,
	    sizeof(inst->oauth_id)) || !installation_id_fits(inst->oauth_id))
		return "oauthId: a string of A-Z a-z 0-9 - . _ ~ is needed";
	if (!copy_string(doc, "oauthSecret", inst->oauth_secret,
	    sizeof(inst->oauth_secret)))
		return "oauthSecret: a string without blanks is needed";
	if (!copy_string(doc, "capabilitiesUrl", inst->capabilities_url,
	    sizeof(inst->capabilities_url)))
		return "capabilitiesUrl: a URL is needed";
	if (json_id(doc, "groupId", &inst->group_id) != 1)
		return "groupId: a positive integer is needed";
	if (json_id(doc, "roomId", &inst->room_id) < 0)
		return "roomId: a positive integer is needed";
	return NULL;
}

const char *
installation_parse(const char *text, size_t len, struct installation *inst)
{
	const char *why;
	struct json_object *doc = json_read(text, len, &why);

	if (doc != NULL)
		why = installation_read(doc, inst);
	json_object_put(doc);
	return why;
}

static struct json_object *
installation_write(const struct installation *i)
{
	struct json_object *doc = json_new();

	json_add_string(doc, "oauthId", i->oauth_id);
	json_add_string(doc, "oauthSecret", i->oauth_secret);
	json_add_string(doc, "capabilitiesUrl", i->capabilities_url);
	json_add_int(doc, "groupId", i->group_id);
	if (i->room_id != 0)
		json_add_int(doc, "roomId", i->room_id);
	json_add_string(doc, "tokenUrl", i->token_url);
	json_add_string(doc, "apiUrl", i->api_url);
	return doc;
}

static struct json_object *
token_write(const struct token *token)
{
	struct json_object *doc = json_new();

	json_add_string(doc, "token", token->text);
	json_add_int(doc, "expires", token->expires);
	return doc;
}

/* ---- the store ---- */

static int
check_library(void)
{
	int major, minor;

	db_version(&major, &minor, NULL);
	if (major == DB_VERSION_MAJOR && minor == DB_VERSION_MINOR)
		return 0;
	log_line("Berkeley DB %d.%d loaded, compiled for %d.%d", major, minor,
	    DB_VERSION_MAJOR, DB_VERSION_MINOR);
	return 500;
}

int
store_open(struct store *st, const char *dir)
{
	struct stat sb;
	int status;

	st->dir = dir;
	st->dirfd = -1;
	umask(077);
	if ((status = check_library()) != 0)
		return status;
	st->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->dirfd < 0 || fstat(st->dirfd, &sb) != 0) {
		status = log_errno(dir, "data directory");
		store_close(st);
		return status;
	}
	if (sb.st_uid == geteuid() && (sb.st_mode & 022) == 0)
		return 0;
	if (sb.st_uid != geteuid())
		log_line("%s: the data directory is user %u's, and this "
		    "program runs as user %u", dir, (unsigned int)sb.st_uid,
		    (unsigned int)geteuid());
	else
		log_line("%s: the data directory must be writable by nobody "
		    "else", dir);
	store_close(st);
	return 500;
}

void
store_close(struct store *st)
{
	if (st->dirfd >= 0)
		close(st->dirfd);
	st->dirfd = -1;
}

int
store_find(const struct store *st, const char *oauth_id,
    struct installation *inst)
{
	struct json_object *doc;
	const char *why;
	int status;

	status = read_record(st, INSTALLATIONS, oauth_id, &doc);
	if (status != 0)
		return status;
	why = installation_read(doc, inst);
	if (why == NULL && (!copy_string(doc, "tokenUrl", inst->token_url,
	    sizeof(inst->token_url)) || !copy_string(doc, "apiUrl",
	    inst->api_url, sizeof(inst->api_url))))
		why = "no tokenUrl or no apiUrl";
	json_object_put(doc);
	if (why == NULL)
		return 0;
	log_line(INSTALLATIONS ": record of %s: %s", oauth_id, why);
	return 500;
}

/* Add every key of the book to the array. */
static int
collect_keys(struct book *book, struct json_object *ids)
{
	DBT key = { 0 }, data = { 0 };
	DBC *cursor;
	int ret;

	if ((ret = book->db->cursor(book->db, NULL, &cursor, 0)) != 0)
		return ret;
	while ((ret = cursor->get(cursor, &key, &data, DB_NEXT)) == 0)
		if (json_object_array_add(ids, json_object_new_string_len(
		    key.data, (int)key.size)) != 0) {
			ret = ENOMEM;
			break;
		}
	cursor->close(cursor);
	return ret == DB_NOTFOUND ? 0 : ret;
}

int
store_ids(const struct store *st, struct json_object **ids)
{
	struct book book;
	int ret;

	*ids = need(json_object_new_array());
	if ((ret = book_open(&book, st, INSTALLATIONS, false)) == 0) {
		ret = collect_keys(&book, *ids);
		book_abandon(&book);
	}
	return ret == ENOENT ? 0 : db_status(INSTALLATIONS, "reading", ret);
}

/* Under the lock: has somebody stored another secret since old was read? */
static int
check_unchanged(const struct store *st, const struct installation *inst,
    const struct installation *old)
{
	struct installation now = { .oauth_secret = "" };
	const int status = store_find(st, inst->oauth_id, &now);

	if (status != 0 && status != 404)
		return status;
	if (status == 404)
		now.oauth_secret[0] = '\0';
	if (strcmp(now.oauth_secret, old->oauth_secret) == 0 ||
	    strcmp(now.oauth_secret, inst->oauth_secret) == 0)
		return 0;
	log_line("%s was installed anew meanwhile", inst->oauth_id);
	return 409;
}

int
store_put(const struct store *st, const struct installation *inst,
    const struct installation *old)
{
	int status, lock;

	if ((status = lock_take(st, &lock)) != 0)
		return status;
	if (old != NULL)
		status = check_unchanged(st, inst, old);
	if (status == 0)
		status = write_record(st, INSTALLATIONS, inst->oauth_id,
		    installation_write(inst));
	close(lock);
	return status;
}

/* Under the lock: is the record still the one that was looked at? */
static int
remove_locked(const struct store *st, const struct installation *inst)
{
	const struct change change = { inst->oauth_id, NULL };
	struct installation now;
	struct token token;
	int status;

	if ((status = store_find(st, inst->oauth_id, &now)) != 0)
		return status == 404 ? 0 : status;
	if (strcmp(now.oauth_secret, inst->oauth_secret) != 0) {
		log_line("%s was installed anew, so it stays",
		    inst->oauth_id);
		return 409;
	}
	/* the token first: killed in between, only a cached item is gone */
	if (store_find_token(st, inst->oauth_id, &token) == 0)
		status = rewrite(st, TOKENS, &change);
	if (status == 0)
		status = rewrite(st, INSTALLATIONS, &change);
	return status;
}

int
store_remove(const struct store *st, const struct installation *inst)
{
	int status, lock;

	if ((status = lock_take(st, &lock)) == 0) {
		status = remove_locked(st, inst);
		close(lock);
	}
	return status;
}

int
store_find_token(const struct store *st, const char *oauth_id,
    struct token *token)
{
	struct json_object *doc;
	int status;

	status = read_record(st, TOKENS, oauth_id, &doc);
	if (status != 0)
		return 404;	/* a cache: damaged is as good as empty */
	if (!copy_string(doc, "token", token->text, sizeof(token->text)) ||
	    json_id(doc, "expires", &token->expires) != 1)
		status = 404;
	json_object_put(doc);
	return status;
}

int
store_put_token(const struct store *st, const char *oauth_id,
    const struct token *token)
{
	int status, lock;

	if ((status = lock_take(st, &lock)) == 0) {
		status = write_record(st, TOKENS, oauth_id,
		    token_write(token));
		close(lock);
	}
	return status;
}
