/*
 * test-book: get, keys and swap.  Damage, a full disk and killed writers
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

static int
swap(const struct book *book, const char *key, const char *expected,
    const char *value)
{
	return book_swap(&(struct book_change){ book, key, .expected = expected,
			     .value = value },
	    1, false);
}

/* Whatever is there. */
static int
set(const struct book *book, const char *key, const char *value)
{
	return book_swap(
	    &(struct book_change){ book, key, .any = true, .value = value }, 1,
	    false);
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

		is_int(swap(book, "key", from, to), table[i].status,
		    "from %s to %s", from != NULL ? from : "(none)",
		    to != NULL ? to : "(none)");
		is_str(stored(book, "key", value), table[i].then, "... %s",
		    table[i].then);
	}
	is_int(set(book, "key", "three"), 0, "set where there is none");
	is_int(set(book, "key", "four"), 0, "... and where there is one");
	is_str(stored(book, "key", value), "four", "... four");
	is_int(set(book, "key", NULL), 0, "... and removed");
	is_int(set(book, "key", NULL), 0, "... twice");
}

/* Several records, in two books: all of them are changed, or none is. */
static void
test_together(const struct book *book)
{
	const struct book other = { .dir = book->dir, .name = "other" };
	struct book_change changes[] = {
		{ book, "one", .expected = "1", .keep = true },
		{ &other, "one", .any = true, .value = "new" },
		{ book, "two", .expected = "2" },
	};
	char path[SCRATCH_PATH], value[BOOK_VALUE_MAX];
	struct image image;

	set(book, "one", "1");
	is_int(book_swap(changes, 3, false), 409, "two of three as expected");
	is_str(stored(&other, "one", value), "(none)", "... changes nothing");
	set(book, "two", "2");
	is_int(book_swap(changes, 3, false), 0, "three of three");
	is_str(stored(&other, "one", value), "new", "... changes one");
	is_str(stored(book, "two", value), "(none)", "... and another");
	is_str(stored(book, "one", value), "1", "... and not the third");

	scratch_record(book->dir->path, "book", "one", path);
	image = image_read(path);
	is_int(book_swap(changes, 2, true), 0, "one that is looked at");
	ok(image_same(path, &image), "... is not written");
	free(image.data);
	set(book, "one", NULL);
}

/* Keys that begin alike are not the same. */
static void
test_keys(const struct book *book)
{
	char value[BOOK_VALUE_MAX], *keys;

	is_int(book_keys(book, &keys), 0, "the keys of no folder");
	is_str(keys, "", "... are none");
	free(keys);
	set(book, "key", "1");
	set(book, "ke", "2");
	set(book, "key2", "3");
	is_int(book_keys(book, &keys), 0, "three keys");
	ok(memcmp(keys, "ke\0key\0key2\0", 13) == 0, "... in order");
	free(keys);
	set(book, "key", NULL);
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
	is_int(set(book, "key", large), 500, "a value that is too large");
	is_line(capture_stop(&log), "book: record of key: too large",
	    "... is logged");
	large[BOOK_VALUE_MAX - 1] = '\0';
	is_int(set(book, "key", large), 0, "the largest is put");
	is_str(stored(book, "key", value), large, "... and found");
}

/* A writer throws a damaged cache away, and nothing else. */
static void
test_cache(const struct book *book)
{
	struct book cache = *book;
	char path[SCRATCH_PATH], value[BOOK_VALUE_MAX];
	struct capture log;

	scratch_record(book->dir->path, "book", "key", path);
	image_write(path, "damaged", 7);
	cache.cache = true;
	capture_start(&log);
	is_int(book_get(book, "key", value), 500,
	    "a damaged book can't be "
	    "read");
	is_int(swap(book, "key", NULL, "1"), 500, "... nor written");
	is_int(swap(&cache, "key", "1", "2"), 409,
	    "a damaged cache is "
	    "an empty one");
	is_int(swap(&cache, "key", NULL, "1"), 0, "... to be filled");
	capture_stop(&log);
	is_str(stored(book, "key", value), "1", "... again");
}

int
main(void)
{
	struct scratch s;
	struct book book;

	scratch_open(&s);
	book = (struct book){ .dir = &s.data, .name = "book" };
	test_keys(&book);
	test_swap(&book);
	test_together(&book);
	test_largest(&book);
	test_cache(&book);
	scratch_close(&s);
	return done();
}
