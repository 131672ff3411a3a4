/*
 * heap: see heap.h.  The usual binary heap: the parent of slot n is n / 2, and
 * none is due before its parent.
 */
#include <stdlib.h>

#include "daemons/heap.h"
#include "log.h"

static void
place(struct heap *heap, struct timer *timer, size_t slot)
{
	heap->timers[slot] = timer;
	timer->slot = slot;
}

/* Move it towards the first, past all that are due later. */
static void
rise(struct heap *heap, struct timer *timer)
{
	size_t slot = timer->slot;

	while (slot > 1 && heap->timers[slot / 2]->due > timer->due) {
		place(heap, heap->timers[slot / 2], slot);
		slot /= 2;
	}
	place(heap, timer, slot);
}

/* Move it towards the last, past all that are due earlier. */
static void
sink(struct heap *heap, struct timer *timer)
{
	size_t slot = timer->slot, child;

	while ((child = 2 * slot) <= heap->count) {
		if (child < heap->count &&
		    heap->timers[child + 1]->due < heap->timers[child]->due)
			child++;
		if (heap->timers[child]->due >= timer->due)
			break;
		place(heap, heap->timers[child], slot);
		slot = child;
	}
	place(heap, timer, slot);
}

void
heap_set(struct heap *heap, struct timer *timer, int64_t due)
{
	timer->due = due;
	if (timer->slot == 0) {
		if (heap->count + 1 >= heap->size) {
			heap->size = heap->size == 0 ? 64 : 2 * heap->size;
			heap->timers = need(reallocarray(heap->timers,
			    heap->size, sizeof(*heap->timers)));
		}
		place(heap, timer, ++heap->count);
	}
	rise(heap, timer);
	sink(heap, timer);
}

void
heap_remove(struct heap *heap, struct timer *timer)
{
	const size_t slot = timer->slot;
	struct timer *last;

	if (slot == 0)
		return;
	timer->slot = 0;
	last = heap->timers[heap->count--];
	if (last == timer)
		return;
	place(heap, last, slot);
	rise(heap, last);
	sink(heap, last);
}

struct timer *
heap_first(const struct heap *heap)
{
	return heap->count > 0 ? heap->timers[1] : NULL;
}

void
heap_free(struct heap *heap)
{
	free(heap->timers);
	*heap = (struct heap){ NULL, 0, 0 };
}
