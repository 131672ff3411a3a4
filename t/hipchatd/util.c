/*
 * Small things that every other file needs.  A stand-in that runs out of
 * memory has no sensible answer left, so allocation failure aborts.
 */
#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static void *
need(void *p)
{
	if (!p) {
		fputs("hipchatd: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *
xcalloc(size_t count, size_t size)
{
	return need(calloc(count ? count : 1, size));
}

void *
xrealloc(void *old, size_t count, size_t size)
{
	return need(reallocarray(old, count ? count : 1, size));
}

char *
xstrdup(const char *s)
{
	return need(strdup(s));
}

char *
xstrndup(const char *s, size_t len)
{
	return need(strndup(s, len));
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return need(n < 0 ? NULL : s);
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
	if (b->size - b->len <= len) {
		b->size = (b->len + len + 1) * 2;
		b->data = xrealloc(b->data, b->size, 1);
	}
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_free(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

const char *
buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}

static void
random_bytes(unsigned char *out, size_t len)
{
	while (len) {
		ssize_t n = getrandom(out, len, 0);

		if (n < 0 && errno != EINTR) {
			perror("hipchatd: getrandom");
			abort();
		}
		if (n > 0) {
			out += n;
			len -= (size_t)n;
		}
	}
}

void
random_text(char *out, size_t len)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789";
	const unsigned n = sizeof(set) - 1;
	unsigned char byte;
	size_t i = 0;

	while (i < len) {
		random_bytes(&byte, 1);
		/* the last, incomplete round of 256 would favour the A's */
		if (byte < 256 / n * n)
			out[i++] = set[byte % n];
	}
	out[len] = '\0';
}

void
random_uuid(char out[UUID_SIZE])
{
	unsigned char b[16];
	char *p = out;

	random_bytes(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += sprintf(p, "%02x", b[i]);
	}
}

int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
format_date(int64_t us, char out[DATE_SIZE])
{
	time_t sec = (time_t)(us / 1000000);
	struct tm tm;
	size_t n;

	gmtime_r(&sec, &tm);
	n = strftime(out, DATE_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, DATE_SIZE - n, ".%06d+00:00", (int)(us % 1000000));
}

size_t
utf8_chars(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Length of the valid UTF-8 character at s, 0 if there is none. */
static size_t
character(const unsigned char *s)
{
	size_t n = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 :
		*s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* overlong, surrogate, beyond U+10FFFF */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

char *
utf8_clean(const char *s, size_t most)
{
	struct buf b = { 0 };

	buf_puts(&b, "");
	while (*s && b.len < most) {
		size_t n = character((const unsigned char *)s);

		buf_add(&b, n ? s : "\xef\xbf\xbd", n ? n : 3);
		s += n ? n : 1;
	}
	return b.data;
}

bool
parse_number(const char *s, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long n;

	if (!*s || s[strspn(s, "-0123456789")])
		return false;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (errno || *end || end == s || n < min || n > max)
		return false;
	*out = n;
	return true;
}
