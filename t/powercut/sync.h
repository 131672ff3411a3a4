/*
 * sync.h: included ahead of every source file of the programs under test, so
 * that a call of fsync(2), fdatasync(2) or syncfs(2) can be taken out by its
 * place.
 *
 * POWERCUT_SKIP is a list of places, FILE:LINE.N, separated by commas.
 * "library" are the calls of libraries.
 */
#ifndef POWERCUT_SYNC_H
#define POWERCUT_SYNC_H

#include <unistd.h>

/* The place is found in the programs by this prefix. */
#define POWERCUT_TEXT(n) #n
#define POWERCUT_LINE(n) POWERCUT_TEXT(n)
#define POWERCUT_PLACE \
	"powercut:" __FILE__ \
	":" POWERCUT_LINE(__LINE__) "." POWERCUT_LINE(__COUNTER__)

int powercut_fsync(const char *place, int fd);
int powercut_fdatasync(const char *place, int fd);
int powercut_syncfs(const char *place, int fd);

#ifndef POWERCUT_NAMES
#define fsync(fd) powercut_fsync(POWERCUT_PLACE, fd)
#define fdatasync(fd) powercut_fdatasync(POWERCUT_PLACE, fd)
#define syncfs(fd) powercut_syncfs(POWERCUT_PLACE, fd)
#endif

#endif
