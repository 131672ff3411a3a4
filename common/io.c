/*
 * io: see io.h.
 */
#include <errno.h>
#include <unistd.h>

#include "io.h"

bool
io_write(int fd, const char *p, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return true;
}
