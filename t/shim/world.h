/*
 * world: what a test changes about the world of programs that run already; a
 * file of this size, in memory of all of them.  See world.c.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdatomic.h>
#include <stdint.h>

#define WORLD_PORTS 4

struct world {
	_Atomic int64_t offset;		   /* of the clock, in s */
	_Atomic int64_t ahead;		   /* of the monotonic one, in ms */
	_Atomic int refused[WORLD_PORTS];  /* ports where nobody listens */
	_Atomic int refusals[WORLD_PORTS]; /* how often that was noticed */
};

#endif
