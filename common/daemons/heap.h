/*
 * heap: timers in the order in which they are due; adding and taking one out
 * costs the logarithm of how many there are.
 */
#ifndef HEAP_H
#define HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Part of whatever waits; all zero while it does not. */
struct timer {
	int64_t due; /* ms, of a clock that nobody sets */
	size_t slot; /* its place in the heap, from 1; 0: it is in none */
	void *owner; /* whoever waits */
};

/* All zero is an empty heap. */
struct heap {
	struct timer **timers; /* from 1 */
	size_t count, size;
};

/* Add the timer, or give it another time. */
void heap_set(struct heap *heap, struct timer *timer, int64_t due);

/* Take it out; nothing happens if it is in none. */
void heap_remove(struct heap *heap, struct timer *timer);

/* The timer that is due first, which stays; or NULL. */
struct timer *heap_first(const struct heap *heap);

/* Release the heap; the timers are their owners'. */
void heap_free(struct heap *heap);

#endif
