/*
 * tap: a test program's results in the Test Anything Protocol, for prove.
 *
 *	ok(found, "the record of %s is there", id);
 *	return done();
 *
 * Every check prints one line, named by a format and its arguments, and
 * returns whether it passed.  The plan comes last, so a program that dies early
 * has failed.
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_FORMAT(fmt, first) __attribute__((format(printf, fmt, first)))

static struct {
	int run;
	int failed;
} tap;

/* One or more lines of comment. */
static inline void TAP_FORMAT(1, 2) diag(const char *fmt, ...)
{
	char text[8192];
	char *line, *rest = text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	while ((line = strsep(&rest, "\n")) != NULL)
		printf("# %s\n", line);
	fflush(stdout);
}

static inline bool
    TAP_FORMAT(2, 0) tap_result(bool passed, const char *fmt, va_list ap)
{
	tap.run++;
	tap.failed += !passed;
	printf("%sok %d - ", passed ? "" : "not ", tap.run);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout); /* a fork must not inherit unwritten text */
	return passed;
}

static inline bool TAP_FORMAT(2, 3) ok(bool passed, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_result(passed, fmt, ap);
	va_end(ap);
	return passed;
}

static inline bool TAP_FORMAT(3, 4)
    is_int(long long got, long long expected, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_result(got == expected, fmt, ap);
	va_end(ap);
	if (got != expected)
		diag("got:      %lld\nexpected: %lld", got, expected);
	return got == expected;
}

/* Either may be NULL. */
static inline bool TAP_FORMAT(3, 4)
    is_str(const char *got, const char *expected, const char *fmt, ...)
{
	const bool same = got != NULL && expected != NULL ?
	    strcmp(got, expected) == 0 :
	    got == expected;
	va_list ap;

	va_start(ap, fmt);
	tap_result(same, fmt, ap);
	va_end(ap);
	if (!same)
		diag("got:      %s\nexpected: %s", got != NULL ? got : "(NULL)",
		    expected != NULL ? expected : "(NULL)");
	return same;
}

/* For a check that can't be made here; the reason is shown by prove -v. */
static inline void
skip(const char *name, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++tap.run, name, reason);
	fflush(stdout);
}

/* If a test does not get what it needs: there will be no plan. */
static inline void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

/* Print the plan; returns main()'s exit status. */
static inline int
done(void)
{
	printf("1..%d\n", tap.run);
	return tap.failed == 0 && fflush(stdout) == 0 ? 0 : 1;
}

#endif
