/*
 * uptime: see uptime.h.
 */
#include <time.h>

#include "uptime.h"

int64_t
uptime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
uptime_s(void)
{
	return uptime_ms() / 1000;
}
