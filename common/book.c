/*
 * book: see book.h, which states the locking protocol.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "book.h"
#include "dbfile.h"
#include "lock.h"
#include "log.h"
#include "shelf.h"
#include "status.h"

/* ---- reading ---- */

/* What an older version had. */
static void
name_old(const struct book *book, char name[SHELF_NAME_LEN])
{
	snprintf(name, SHELF_NAME_LEN, "%s.db", book->name);
}

static int
get_from(const struct book *book, const char *name, const char *key,
    char value[BOOK_VALUE_MAX])
{
	struct dbfile file;
	int ret = dbfile_open(&file, book->dir, name);

	if (ret == 0) {
		ret = dbfile_get(&file, key, value, BOOK_VALUE_MAX);
		dbfile_abandon(&file);
	}
	return ret == ENOENT ? HTTP_NOT_FOUND :
			       dbfile_status(name, "reading", ret);
}

static int
read_record(const struct book *book, const char *key,
    char value[BOOK_VALUE_MAX])
{
	char name[SHELF_NAME_LEN];
	int status = HTTP_NOT_FOUND;

	if (!book->cache) {
		name_old(book, name);
		status = get_from(book, name, key, value);
	}
	if (status != HTTP_NOT_FOUND)
		return status;
	shelf_name(book, shelf_file_of(key, strlen(key)), name);
	return get_from(book, name, key, value);
}

static int
stamp_file(const struct book *book, const char *name, struct stamp *stamp)
{
	struct stat sb;

	if (fstatat(book->dir->fd, name, &sb, 0) != 0)
		return errno == ENOENT ? HTTP_NOT_FOUND :
					 log_errno(name, "looking at it");
	*stamp = stamp_of(&sb);
	return 0;
}

int
book_stamp(const struct book *book, const char *key, struct stamp *stamp)
{
	char name[SHELF_NAME_LEN];
	int status = HTTP_NOT_FOUND;

	if (!book->cache) {
		name_old(book, name);
		status = stamp_file(book, name, stamp);
	}
	if (status == HTTP_NOT_FOUND) {
		shelf_name(book, shelf_file_of(key, strlen(key)), name);
		status = stamp_file(book, name, stamp);
	}
	if (status == HTTP_NOT_FOUND) {
		status = stamp_file(book, book->name, stamp);
		memset(stamp, 0, sizeof(*stamp));
	}
	return status;
}

/*
 * The stamp comes first: if the file is replaced before it is read, the record
 * is read again, as the next stamp is another.
 */
static int
get_remembered(const struct book *book, const char *key,
    char value[BOOK_VALUE_MAX])
{
	const char *last;
	struct stamp stamp;
	int status = book_stamp(book, key, &stamp);

	if (status != 0)
		return status;
	if (memory_recall(book->memory, book->name, key, &stamp, &last)) {
		if (last == NULL)
			return HTTP_NOT_FOUND;
		strcpy(value, last);
		return 0;
	}
	status = read_record(book, key, value);
	if (status == 0 || status == HTTP_NOT_FOUND)
		memory_keep(book->memory, book->name, key, &stamp,
		    status == 0 ? value : NULL);
	return status;
}

int
book_get(const struct book *book, const char *key, char value[BOOK_VALUE_MAX])
{
	return book->memory != NULL ? get_remembered(book, key, value) :
				      read_record(book, key, value);
}

/* ---- all keys ---- */

/* Write those that are in this file, if it is there. */
static int
write_keys(const struct book *book, const char *name, FILE *out)
{
	struct dbfile_record record;
	struct dbfile file;
	int ret = dbfile_open(&file, book->dir, name);

	if (ret == 0) {
		while ((ret = dbfile_next(&file, &record)) == 0) {
			fwrite(record.key, 1, record.key_len, out);
			putc('\0', out);
		}
		dbfile_abandon(&file);
	}
	return ret == ENOENT ? 0 : dbfile_status(name, "reading", ret);
}

/*
 * The files are asked for by name: to read a directory may miss one that is
 * being replaced.
 */
static int
write_all_keys(const struct book *book, FILE *out)
{
	char name[SHELF_NAME_LEN];
	unsigned int file;
	int status;

	name_old(book, name);
	status = write_keys(book, name, out);
	for (file = 0; status == 0 && file < SHELF_FILES; file++) {
		shelf_name(book, file, name);
		status = write_keys(book, name, out);
	}
	return status;
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In order, and each once. */
static void
sort_keys(const char *keys, size_t n, FILE *out)
{
	const char **sorted = need(calloc(n + 1, sizeof(*sorted)));
	size_t i;

	for (i = 0; i < n; i++, keys += strlen(keys) + 1)
		sorted[i] = keys;
	qsort(sorted, n, sizeof(*sorted), compare_keys);
	for (i = 0; i < n; i++)
		if (i == 0 || strcmp(sorted[i - 1], sorted[i]) != 0)
			fwrite(sorted[i], 1, strlen(sorted[i]) + 1, out);
	free(sorted);
}

static size_t
count_keys(const char *keys, size_t len)
{
	size_t n = 0;

	while (len-- > 0)
		n += *keys++ == '\0';
	return n;
}

int
book_keys(const struct book *book, char **keys)
{
	char *found;
	size_t len;
	FILE *out = need(open_memstream(&found, &len));
	int status = write_all_keys(book, out);

	*keys = NULL;
	if (fclose(out) != 0)
		need(NULL);
	if (status == 0) {
		size_t all;

		out = need(open_memstream(keys, &all));
		sort_keys(found, count_keys(found, len), out);
		if (fclose(out) != 0) /* this adds the last NUL */
			need(NULL);
	}
	free(found);
	return status;
}

/* ---- taking over ---- */

/* All records of an older version's file, in memory: key and value of each. */
struct text {
	struct text *next;
	char bytes[];
};
struct spread {
	const struct book *book;
	struct text *texts;
	struct shelf_put *puts;
	size_t n, room;
};

static int
compare_files(const void *a, const void *b)
{
	const struct shelf_put *p = a, *q = b;

	return (p->file > q->file) - (p->file < q->file);
}

static void
add_put(struct spread *s, const struct dbfile_record *record)
{
	struct text *text =
	    need(malloc(sizeof(*text) + record->key_len + record->value_len));
	char *key = text->bytes, *value = key + record->key_len;

	if (s->n == s->room) {
		s->room = s->room * 2 + 64;
		s->puts =
		    need(reallocarray(s->puts, s->room, sizeof(*s->puts)));
	}
	memcpy(key, record->key, record->key_len);
	memcpy(value, record->value, record->value_len);
	s->puts[s->n++] =
	    (struct shelf_put){ shelf_file_of(key, record->key_len),
		    { key, record->key_len, value, record->value_len } };
	text->next = s->texts;
	s->texts = text;
}

static void
free_spread(struct spread *s)
{
	struct text *text;

	while ((text = s->texts) != NULL) {
		s->texts = text->next;
		free(text);
	}
	free(s->puts);
}

/* Sorted by the files that they belong to. */
static int
list_puts(struct spread *s, struct dbfile *old)
{
	struct dbfile_record record;
	int ret;

	while ((ret = dbfile_next(old, &record)) == 0)
		add_put(s, &record);
	if (s->n > 0)
		qsort(s->puts, s->n, sizeof(*s->puts), compare_files);
	return ret == ENOENT ? 0 : ret;
}

static int
each_file(const struct spread *sp, int (*step)(struct shelf_rewrite *rw))
{
	struct shelf_rewrite rw = { .book = sp->book };
	const struct shelf_put *put = sp->puts, *end = sp->puts + sp->n;
	int status = 0;

	for (; status == 0 && put < end; put += rw.n) {
		rw.puts = put;
		rw.n = 1;
		while (put + rw.n < end && put[rw.n].file == put->file)
			rw.n++;
		status = step(&rw);
	}
	return status;
}

/*
 * A power cut in between may damage only files that have not got their names:
 * the others are copied when the old file is taken over again.
 */
static int
spread(const struct spread *sp)
{
	const struct datadir *dir = sp->book->dir;
	int status = each_file(sp, shelf_stage);

	if (status == 0 && syncfs(dir->fd) != 0)
		status = log_errno(sp->book->name, "syncfs");
	if (status != 0) {
		each_file(sp, shelf_discard);
		return status;
	}
	status = each_file(sp, shelf_unstage);
	return status != 0 ? status : shelf_sync(sp->book);
}

static int
spread_all(const struct book *book, const char *name, struct dbfile *old)
{
	struct spread s = { .book = book };
	int status = dbfile_status(name, "reading", list_puts(&s, old));

	if (status == 0)
		status = spread(&s);
	if (status == 0)
		log_line("%s: %zu records, now in %s/", name, s.n, book->name);
	free_spread(&s);
	return status;
}

/* From now on, the records of the folder count alone. */
static int
remove_old(const struct book *book, const char *name)
{
	char tmp[SHELF_NAME_LEN + 4];

	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	shelf_clean(book->dir, tmp);
	if (unlinkat(book->dir->fd, name, 0) != 0 && errno != ENOENT)
		return log_errno(name, "removing");
	return book->cache ? 0 : shelf_make(book);
}

/* Step 2. */
static int
take_over(const struct book *book)
{
	char name[SHELF_NAME_LEN];
	struct dbfile old;
	int ret, status;

	name_old(book, name);
	if (book->cache)
		return remove_old(book, name);
	if ((ret = dbfile_open(&old, book->dir, name)) != 0)
		return ret == ENOENT ? 0 : dbfile_status(name, "reading", ret);
	if (mkdirat(book->dir->fd, book->name, 0700) != 0 && errno != EEXIST)
		status = log_errno(book->name, "making it");
	else if (fchmodat(book->dir->fd, book->name, 0700 | SHELF_UNSYNCED,
		     0) != 0)
		status = log_errno(book->name, "chmod");
	else
		status = spread_all(book, name, &old);
	dbfile_abandon(&old);
	return status != 0 ? status : remove_old(book, name);
}

/* ---- swapping ---- */

/* Steps 3 to 5 for one record. */
static int
change_one(const struct book_change *change)
{
	const size_t len = strlen(change->key);
	struct shelf_put put = { shelf_file_of(change->key, len),
		{ .key = change->key, .key_len = len } };
	struct shelf_rewrite rw = { .book = change->book,
		.puts = &put,
		.n = 1,
		.durable = !change->book->cache };
	const int status = shelf_make(change->book);

	if (change->value != NULL) {
		put.record.value = change->value;
		put.record.value_len = strlen(change->value);
	}
	return status != 0 ? status : shelf_rewrite(&rw);
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
	const int status = read_record(change->book, change->key, value);

	if (status == HTTP_NOT_FOUND ||
	    (status == HTTP_INTERNAL_SERVER_ERROR && change->book->cache))
		now = NULL;
	else if (status != 0)
		return status;
	*write = !change->keep && (change->value != NULL || now != NULL);
	return change->any || same(now, change->expected) ? 0 : HTTP_CONFLICT;
}

/* Steps 2 to 5 for all records, under the lock. */
static int
change_all(const struct book_change *changes, int n)
{
	bool write[BOOK_CHANGES_MAX] = { false };
	int i, status = 0;

	for (i = 0; i < n && status == 0; i++)
		status = take_over(changes[i].book);
	for (i = 0; i < n && status == 0; i++)
		status = look(&changes[i], &write[i]);
	for (i = 0; i < n && status == 0; i++)
		if (write[i])
			status = change_one(&changes[i]);
	return status;
}

static bool
is_too_large(const struct book_change *change)
{
	return strlen(change->key) >= BOOK_KEY_MAX ||
	    (change->value != NULL && strlen(change->value) >= BOOK_VALUE_MAX);
}

int
book_swap(const struct book_change *changes, int n, bool hurried)
{
	int i, status, lock;

	for (i = 0; i < n; i++)
		if (is_too_large(&changes[i])) {
			log_line("%s: record of %s: too large",
			    changes[i].book->name, changes[i].key);
			return HTTP_INTERNAL_SERVER_ERROR;
		}
	status = lock_take(changes[0].book->dir, hurried, &lock);
	if (status != 0)
		return status;
	status = change_all(changes, n);
	close(lock);
	return status;
}
