/*
 * io: what write(2) leaves to do.
 */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Write all of it: with one write(2), if the system takes it whole.  False
 * with errno when it can't be.
 */
bool io_write(int fd, const char *p, size_t len);

#endif
