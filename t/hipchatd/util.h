/*
 * Small things that every other file needs: memory that does not run out,
 * growing buffers, clocks, random identifiers, UTF-8.
 */
#ifndef HIPCHATD_UTIL_H
#define HIPCHATD_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_SIZE 37		/* lower-case UUID and its NUL */
#define SECRET_SIZE 41		/* 40 alphanumerics and their NUL */
#define DATE_SIZE 40		/* 2016-05-26T15:32:43.700609+00:00, NUL */

/* Zeroed or copied memory that the caller frees; abort when there is none. */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t count, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A growing run of bytes, always followed by a NUL that len leaves out. */
struct buf {
	char *data;
	size_t len;
	size_t size;
};

void buf_add(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_free(struct buf *b);

/* The buffer's text, "" for one that never held anything. */
const char *buf_text(const struct buf *b);

/* Fill out with len random characters of A-Z a-z 0-9 and a NUL. */
void random_text(char *out, size_t len);

/* Fill out with a random (version 4) UUID in lower case. */
void random_uuid(char out[UUID_SIZE]);

/* Microseconds since 1970, and milliseconds of a clock that never jumps. */
int64_t now_us(void);
int64_t mono_ms(void);

/* Write a moment (microseconds since 1970) the way HipChat writes dates. */
void format_date(int64_t us, char out[DATE_SIZE]);

/* Number of characters (not bytes) of valid UTF-8. */
size_t utf8_chars(const char *s);

/*
 * About the first most bytes of s, with U+FFFD for whatever is not UTF-8:
 * strangers' bytes, made fit for JSON.  The caller frees.
 */
char *utf8_clean(const char *s, size_t most);

/* Parse all of s as a decimal number in min..max; false for anything else. */
bool parse_number(const char *s, int64_t min, int64_t max, int64_t *out);

#endif
