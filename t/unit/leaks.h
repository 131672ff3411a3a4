/*
 * leaks: Berkeley DB does not release what it holds when it finds damage.  The
 * programs end soon after; here the sanitizer, which looks these functions up
 * by name, is not to count it.
 */
#ifndef LEAKS_H
#define LEAKS_H

const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb";
}

const char *
__lsan_default_options(void)
{
	return "print_suppressions=0";
}

#endif
