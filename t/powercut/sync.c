/*
 * sync: see sync.h.  A library's calls end up here, too, because a program's
 * own fsync() comes before that of the C library.
 */
#define POWERCUT_NAMES
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "sync.h"

static bool
is_out(const char *place)
{
	const char *list = getenv("POWERCUT_SKIP");
	const size_t len = strlen(place += strlen("powercut:"));

	for (; list != NULL && *list != '\0'; list += strcspn(list, ",")) {
		list += strspn(list, ",");
		if (strcspn(list, ",") == len && strncmp(list, place, len) == 0)
			return true;
	}
	return false;
}

int
powercut_fsync(const char *place, int fd)
{
	return is_out(place) ? 0 : (int)syscall(SYS_fsync, fd);
}

int
powercut_fdatasync(const char *place, int fd)
{
	return is_out(place) ? 0 : (int)syscall(SYS_fdatasync, fd);
}

int
powercut_syncfs(const char *place, int fd)
{
	return is_out(place) ? 0 : (int)syscall(SYS_syncfs, fd);
}

int
fsync(int fd)
{
	return powercut_fsync("powercut:library", fd);
}

int
fdatasync(int fd)
{
	return powercut_fdatasync("powercut:library", fd);
}
