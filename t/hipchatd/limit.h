/*
 * Rate limits: so many requests in a window of so many seconds, reported in
 * X-Ratelimit-* and X-FloodControl-* headers.
 */
#ifndef HIPCHATD_LIMIT_H
#define HIPCHATD_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* What HipChat Cloud enforced: per add-on, and per room or person. */
#define RATE_LIMIT 500
#define RATE_WINDOW 300
#define FLOOD_LIMIT 30
#define FLOOD_WINDOW 60

struct window {
	int64_t ends;		/* mono_ms(); 0 before the first request */
	int64_t used;
};

/* What the headers say. */
struct quota {
	bool shown;
	int64_t limit;
	int64_t remaining;
	int64_t reset;		/* Unix time at which the window ends */
};

/*
 * Count one request in w and fill out q.  limit 0 counts nothing: q then
 * shows usual as a quota of which one request was used.  False: over the
 * limit.
 */
bool window_take(struct window *w, int64_t limit, int64_t usual,
		 int64_t seconds, struct quota *q);

#endif
