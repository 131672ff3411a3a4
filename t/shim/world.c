/*
 * world: clocks and connections as a test wants them, to be put before a
 * program's own with LD_PRELOAD.
 *
 *	WORLD		the file with a struct world
 *	WORLD_SPEED	how many times faster the monotonic clock runs; if it
 *			is not set, that clock is as ever
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

static struct world none, *world = &none;
static int64_t speed;

/* Before main(), for then the program may give up to open files. */
__attribute__((constructor)) static void
open_world(void)
{
	const char *path = getenv("WORLD"), *fast = getenv("WORLD_SPEED");
	const int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	close(fd);
	if (map == MAP_FAILED)
		abort();
	world = map;
	speed = fast != NULL ? strtol(fast, NULL, 10) : 0;
}

/* ---- clocks ---- */

static void
faster(struct timespec *now)
{
	int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec;

	ns = ns * speed + atomic_load(&world->ahead) * 1000000;
	now->tv_sec = (time_t)(ns / 1000000000);
	now->tv_nsec = (long)(ns % 1000000000);
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*really)(clockid_t, struct timespec *);
	int rc;

	if (really == NULL)
		*(void **)&really = dlsym(RTLD_NEXT, "clock_gettime");
	if ((rc = really(clock, now)) != 0)
		return rc;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		now->tv_sec += (time_t)atomic_load(&world->offset);
	else if (speed > 0 &&
	    (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
		clock == CLOCK_MONOTONIC_COARSE))
		faster(now);
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	tv->tv_sec = now.tv_sec;
	tv->tv_usec = now.tv_nsec / 1000;
	return 0;
}

/* Whoever sleeps sleeps for as long as the clock says. */
int
poll(struct pollfd *fds, nfds_t n, int ms)
{
	struct timespec left = { 0, 0 };

	if (speed > 0 && ms > 0)
		ms = (int)((ms + speed - 1) / speed);
	left.tv_sec = ms / 1000;
	left.tv_nsec = ms % 1000 * 1000000L;
	return ppoll(fds, n, ms >= 0 ? &left : NULL, NULL);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size);
int
__poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size)
{
	(void)size; /* as a fortified program calls it */
	return poll(fds, n, ms);
}

/* ---- connections ---- */

int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
	struct sockaddr_in in;
	int i;

	memset(&in, 0, sizeof(in));
	if (address->sa_family == AF_INET && len >= sizeof(in))
		memcpy(&in, address, sizeof(in));
	for (i = 0; i < WORLD_PORTS && in.sin_port != 0; i++)
		if (atomic_load(&world->refused[i]) == ntohs(in.sin_port)) {
			atomic_fetch_add(&world->refusals[i], 1);
			errno = ECONNREFUSED;
			return -1;
		}
	return (int)syscall(SYS_connect, fd, address, len);
}
