/*
 * stamp: which file is at a path, and has it changed?  As long as the stamp
 * stays the same, whatever was read from the file is still good, and nothing
 * has to be opened to find that out.
 */
#ifndef STAMP_H
#define STAMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Without gaps, so that memcmp(3) compares two. */
struct stamp {
	uint64_t device; /* all zeros: there is no file */
	uint64_t inode;
	uint64_t mtime; /* in ns */
	uint64_t size;
};

/* The stamp of a file, and of the one at the path. */
struct stamp stamp_of(const struct stat *sb);
struct stamp stamp_at(const char *path);

bool stamp_is(const struct stamp *a, const struct stamp *b);

/*
 * May what is read now be kept?  Not if the file changed within the last two
 * seconds: within one tick of the clock, another one may get the same stamp.
 */
bool stamp_is_old(const struct stamp *stamp);

#endif
