/*
 * test-book: get, keys, swap and set.  Damage, a full disk and killed writers
 * are the matter of test-store-damage and kill-store.
 */
#include <fcntl.h>

#include "book.h"
#include "capture.h"
#include "scratch.h"
#include "tap.h"

/* What is stored under the key, or "(none)". */
static const char *
stored(const struct book *book, const char *key, char value[BOOK_VALUE_MAX])
{
	const int status = book_get(book, key, value);

	return status == 0 ? value : status == 404 ? "(none)" : "(error)";
}

/* Each starts from what the one before it has left. */
static void
test_swap(const struct book *book)
{
	static const struct {
		const char *expected;
		const char *value;
		int status;
		const char *then;
	} table[] = {
		{ "one", "two", 409, "(none)" },
		{ "one", NULL, 409, "(none)" },
		{ "", "two", 409, "(none)" },
		{ NULL, "one", 0, "one" },
		{ NULL, "two", 409, "one" },
		{ NULL, NULL, 409, "one" },
		{ "on", "two", 409, "one" },
		{ "one ", NULL, 409, "one" },
		{ "one", "one", 0, "one" },
		{ "one", "", 0, "" },
		{ NULL, "two", 409, "" },
		{ "", "two", 0, "two" },
		{ "two", NULL, 0, "(none)" },
		{ "two", NULL, 409, "(none)" },
		{ NULL, NULL, 0, "(none)" },
	};
	char value[BOOK_VALUE_MAX];
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *from = table[i].expected, *to = table[i].value;

		is_int(book_swap(book, "key", from, to), table[i].status,
		    "from %s to %s", from != NULL ? from : "(none)",
		    to != NULL ? to : "(none)");
		is_str(stored(book, "key", value), table[i].then, "... %s",
		    table[i].then);
	}
	is_int(book_set(book, "key", "three"), 0, "set where there is none");
	is_int(book_set(book, "key", "four"), 0, "... and where there is one");
	is_str(stored(book, "key", value), "four", "... four");
	is_int(book_set(book, "key", NULL), 0, "... and removed");
	is_int(book_set(book, "key", NULL), 0, "... twice");
}

/* Keys that begin alike are not the same. */
static void
test_keys(const struct book *book)
{
	char value[BOOK_VALUE_MAX], *keys;

	is_int(book_keys(book, &keys), 0, "the keys of no file");
	is_str(keys, "", "... are none");
	free(keys);
	book_set(book, "key", "1");
	book_set(book, "ke", "2");
	book_set(book, "key2", "3");
	is_int(book_keys(book, &keys), 0, "three keys");
	ok(memcmp(keys, "ke\0key\0key2\0", 13) == 0, "... in order");
	free(keys);
	book_set(book, "key", NULL);
	is_str(stored(book, "ke", value), "2", "a shorter one is another");
	is_str(stored(book, "key2", value), "3", "... and so is a longer");
}

static void
test_largest(const struct book *book)
{
	char value[BOOK_VALUE_MAX], large[BOOK_VALUE_MAX + 1];
	struct capture log;

	memset(large, 'x', sizeof(large));
	large[BOOK_VALUE_MAX] = '\0';
	capture_start(&log);
	is_int(book_set(book, "key", large), 500, "a value that is too large");
	is_line(capture_stop(&log), "book.db: record of key: too large",
	    "... is logged");
	large[BOOK_VALUE_MAX - 1] = '\0';
	is_int(book_set(book, "key", large), 0, "the largest is put");
	is_str(stored(book, "key", value), large, "... and found");
}

/* A writer throws a damaged cache away, and nothing else. */
static void
test_cache(const struct book *book)
{
	struct book cache = *book;
	char path[4096], value[BOOK_VALUE_MAX];
	struct capture log;

	snprintf(path, sizeof(path), "%s/%s", book->dir->path, book->file);
	image_write(path, "damaged", 7);
	cache.cache = true;
	capture_start(&log);
	is_int(book_get(book, "key", value), 500,
	    "a damaged book can't be "
	    "read");
	is_int(book_swap(book, "key", NULL, "1"), 500, "... nor written");
	is_int(book_swap(&cache, "key", "1", "2"), 409,
	    "a damaged cache is "
	    "an empty one");
	is_int(book_swap(&cache, "key", NULL, "1"), 0, "... to be filled");
	capture_stop(&log);
	is_str(stored(book, "key", value), "1", "... again");
}

int
main(void)
{
	struct scratch s;
	struct book book;

	scratch_open(&s);
	book = (struct book){ &s.data, "book.db", false };
	test_keys(&book);
	test_swap(&book);
	test_largest(&book);
	test_cache(&book);
	scratch_close(&s);
	return done();
}
