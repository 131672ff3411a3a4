/*
 * seen: the keys of what was delivered in the last ten minutes, and when that
 * had arrived.
 */
#ifndef SEEN_H
#define SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen_key {
	uint8_t hash[16]; /* all zero: free */
	int64_t when;
};

struct seen_set {
	struct seen_key *keys;
	size_t size; /* a power of two, or 0 */
	size_t used;
};

/* All zero: nothing was seen. */
struct seen {
	struct seen_set now, before;
	uint8_t salt[16]; /* nobody outside can make keys collide */
	int64_t since;	  /* when now began, on the monotonic clock, in s */
};

void seen_init(struct seen *seen);
void seen_free(struct seen *seen);

/* For so long, at least, the same message is not delivered twice. */
#define SEEN_SECONDS 600

/*
 * A key is a text of any length; "" is never seen.  It was seen if that was at
 * most SEEN_SECONDS before or after.
 */
void seen_add(struct seen *seen, const char *key, int64_t when);
bool seen_has(const struct seen *seen, const char *key, int64_t when);

/*
 * Forget keys that were added more than this many seconds ago and, unless there
 * are too many, more than this many before the oldest message came that is
 * still queued (seconds ago; 0: none is).
 */
void seen_age(struct seen *seen, int64_t seconds, int64_t oldest);

#endif
