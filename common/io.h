/*
 * io: read(2) and write(2) until all is done.
 */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Write all of it, with one write(2) if the system takes that much.  Returns
 * false, with errno, if it can't.
 */
bool io_write(int fd, const char *p, size_t len);

/*
 * Read up to the end, or size bytes at most.  Returns how many there were, or
 * -1 with errno.
 */
ssize_t io_read(int fd, char *p, size_t size);

#endif
