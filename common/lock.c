/*
 * lock: see lock.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "lock.h"
#include "log.h"
#include "status.h"

/* Longest wait for the lock. */
#define LOCK_SECONDS 10

/* All it does is end a flock(2) with EINTR. */
static void
interrupt(int signo)
{
	(void)signo;
}

/*
 * Wait for the lock in the kernel's queue, where nobody is overtaken; with
 * polling, the busiest would win.  If the first alarm comes just before
 * flock(2) begins, the next one ends it.
 */
static bool
wait_for(int fd)
{
	const struct itimerval limit = { { 0, 100000 }, { LOCK_SECONDS, 0 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	const struct sigaction act = { .sa_handler = interrupt };
	struct sigaction old;
	struct timespec now;
	time_t deadline;
	int ret, err;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + LOCK_SECONDS;
	sigaction(SIGALRM, &act, &old);
	setitimer(ITIMER_REAL, &limit, NULL);
	do {
		ret = flock(fd, LOCK_EX);
		err = errno;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (ret != 0 && err == EINTR && now.tv_sec < deadline);
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);
	errno = err;
	return ret == 0;
}

int
lock_take(const struct datadir *dir, bool hurried, int *fd)
{
	int status;

	*fd = openat(dir->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return log_errno("lock", "opening");
	if (hurried ? flock(*fd, LOCK_EX | LOCK_NB) == 0 : wait_for(*fd))
		return 0;
	status = HTTP_SERVICE_UNAVAILABLE;
	if (errno == EINTR)
		log_line("lock: not free for %d s", LOCK_SECONDS);
	else if (errno != EWOULDBLOCK)
		status = log_errno("lock", "locking");
	close(*fd);
	return status;
}
