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

ssize_t
io_read(int fd, char *p, size_t size)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, p + len, size - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -1 : (ssize_t)len;
}
