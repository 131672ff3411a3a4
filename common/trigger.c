/*
 * trigger: see trigger.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "trigger.h"

void
trigger_lock(int dirfd, int how)
{
	while (flock(dirfd, how) != 0 && errno == EINTR)
		;
}

static bool
is_fifo(int dirfd)
{
	struct stat sb;

	return fstatat(dirfd, "trigger", &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISFIFO(sb.st_mode);
}

int
trigger_make(int dirfd)
{
	int status = 0;

	if (is_fifo(dirfd))
		return 0;
	trigger_lock(dirfd, LOCK_EX); /* one at a time */
	if (!is_fifo(dirfd)) {
		if (unlinkat(dirfd, "trigger", 0) == 0)
			log_line("outbox/trigger: no FIFO: removed");
		if (mkfifoat(dirfd, "trigger", 0600) != 0)
			status = log_errno("outbox/trigger", "making it");
	}
	trigger_lock(dirfd, LOCK_UN);
	return status;
}

int
trigger_open(int dirfd)
{
	int fd, err;

	trigger_lock(dirfd, LOCK_SH);
	fd = openat(dirfd, "trigger", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	err = errno;
	trigger_lock(dirfd, LOCK_UN);
	errno = err;
	return fd;
}

bool
trigger_write(int fd, const char *bytes, size_t n)
{
	/* EAGAIN: it has more than enough to wake it */
	return write(fd, bytes, n) >= 0 || errno == EAGAIN;
}
