/*
 * io: what read(2) and write(2) leave to do.
 */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Write all of it: with one write(2), if the system takes it whole.  False
 * with errno when it can't be.
 */
bool io_write(int fd, const char *p, size_t len);

/*
 * Read up to the end, or to size bytes.  Returns how many there were, or -1
 * with errno.
 */
ssize_t io_read(int fd, char *p, size_t size);

#endif
