/*
 * Fixed windows: one opens with the first request after the last has ended.
 */
#include "limit.h"

#include "util.h"

bool
window_take(struct window *w, int64_t limit, int64_t usual, int64_t seconds,
	    struct quota *q)
{
	int64_t now = mono_ms();

	if (now >= w->ends) {
		w->ends = now + seconds * 1000;
		w->used = 0;
	}
	q->shown = true;
	/* rounded up: whoever waits until then must find it open */
	q->reset = (now_us() / 1000 + w->ends - now) / 1000 + 1;
	if (!limit) {
		q->limit = usual;
		q->remaining = usual - 1;
		return true;
	}
	q->limit = limit;
	q->remaining = 0;
	if (w->used >= limit)
		return false;
	w->used++;
	q->remaining = limit - w->used;
	return true;
}
