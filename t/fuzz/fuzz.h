/*
 * fuzz: what the harnesses share.
 *
 * Each t/fuzz/NAME.c is one libFuzzer program.  It hands the input to one part
 * of the add-on and checks, by fuzz_check(), what that part promises in its
 * header; that nothing is read or written outside its place, leaked, or
 * undefined in C, the sanitizers check.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sanitizer/common_interface_defs.h>

/* libFuzzer's two entries; the first is optional. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* End the run with a report, and the input kept, unless the promise holds. */
static inline void
fuzz_check(bool holds, const char *promise)
{
	if (holds)
		return;
	__sanitizer_report_error_summary(promise);
	abort();
}

/*
 * A copy of the input, ended by a NUL and just as long as that needs, so that
 * a step beyond it is noticed.  The caller frees it.
 */
static inline char *
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	fuzz_check(text != NULL, "out of memory");
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/*
 * Take the first line off *text, whose end becomes a NUL.  Inputs that are
 * several texts have one a line, so that seeds can be written and read.
 */
static inline char *
fuzz_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	*text = line + strlen(line);
	if (end != NULL) {
		*end = '\0';
		*text = end + 1;
	}
	return line;
}

#endif
