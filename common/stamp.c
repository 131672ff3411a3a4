/*
 * stamp: see stamp.h.
 */
#include <string.h>
#include <time.h>

#include "stamp.h"

/* Longer than a tick of any clock that stamps files. */
#define YOUNG_NS 2000000000

struct stamp
stamp_of(const struct stat *sb)
{
	return (struct stamp){ .device = sb->st_dev,
		.inode = sb->st_ino,
		.mtime = (uint64_t)sb->st_mtim.tv_sec * 1000000000 +
		    (uint64_t)sb->st_mtim.tv_nsec,
		.size = (uint64_t)sb->st_size };
}

struct stamp
stamp_at(const char *path)
{
	struct stat sb;

	if (stat(path, &sb) != 0)
		memset(&sb, 0, sizeof(sb));
	return stamp_of(&sb);
}

bool
stamp_is(const struct stamp *a, const struct stamp *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool
stamp_is_old(const struct stamp *stamp)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return stamp->mtime + YOUNG_NS < (uint64_t)now.tv_sec * 1000000000;
}
