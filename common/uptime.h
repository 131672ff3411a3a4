/*
 * uptime: a clock that nobody sets, for pauses and deadlines
 * (CLOCK_MONOTONIC); what it says is the same in all processes.
 */
#ifndef UPTIME_H
#define UPTIME_H

#include <stdint.h>

int64_t uptime_ms(void);
int64_t uptime_s(void);

#endif
