/*
 * seen: see seen.h.  A set that is at most half full, with linear probing.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <nettle/sha2.h>

#include "log.h"
#include "seen.h"
#include "uptime.h"

#define FIRST_SIZE 1024

/* 24 MB a set. */
#define MANY 500000

static const uint8_t nothing[16];

void
seen_init(struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	if (getrandom(seen->salt, sizeof(seen->salt), 0) < 0)
		log_line("getrandom: keys are not salted");
	seen->since = uptime_s();
}

void
seen_free(struct seen *seen)
{
	free(seen->now.keys);
	free(seen->before.keys);
	memset(seen, 0, sizeof(*seen));
}

static void
digest(const struct seen *seen, const char *key, uint8_t out[16])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(seen->salt), seen->salt);
	sha256_update(&ctx, strlen(key), (const uint8_t *)key);
	sha256_digest(&ctx, 16, out);
}

/* Where the key is or, if it is not there, belongs. */
static struct seen_key *
slot(const struct seen_set *set, const uint8_t hash[16])
{
	size_t i;

	memcpy(&i, hash, sizeof(i));
	for (;; i++) {
		struct seen_key *found = &set->keys[i & (set->size - 1)];

		if (memcmp(found->hash, hash, 16) == 0 ||
		    memcmp(found->hash, nothing, 16) == 0)
			return found;
	}
}

static bool
holds(const struct seen_set *set, const uint8_t hash[16], int64_t when)
{
	const struct seen_key *key;

	if (set->size == 0)
		return false;
	key = slot(set, hash);
	return memcmp(key->hash, hash, 16) == 0 &&
	    llabs((long long)(key->when - when)) <= SEEN_SECONDS;
}

static void
grow(struct seen_set *set)
{
	struct seen_set larger = { .used = set->used,
		.size = set->size > 0 ? 2 * set->size : FIRST_SIZE };
	size_t i;

	larger.keys = need(calloc(larger.size, sizeof(*larger.keys)));
	for (i = 0; i < set->size; i++)
		if (memcmp(set->keys[i].hash, nothing, 16) != 0)
			*slot(&larger, set->keys[i].hash) = set->keys[i];
	free(set->keys);
	*set = larger;
}

void
seen_add(struct seen *seen, const char *key, int64_t when)
{
	struct seen_key *found;
	uint8_t hash[16];

	if (*key == '\0')
		return;
	digest(seen, key, hash);
	if (2 * seen->now.used >= seen->now.size)
		grow(&seen->now);
	found = slot(&seen->now, hash);
	if (memcmp(found->hash, nothing, 16) == 0)
		seen->now.used++;
	memcpy(found->hash, hash, 16);
	found->when = when;
}

bool
seen_has(const struct seen *seen, const char *key, int64_t when)
{
	uint8_t hash[16];

	if (*key == '\0')
		return false;
	digest(seen, key, hash);
	return holds(&seen->now, hash, when) ||
	    holds(&seen->before, hash, when);
}

void
seen_age(struct seen *seen, int64_t seconds, int64_t oldest)
{
	const int64_t age = uptime_s() - seen->since;

	/* what is in before was added before now began */
	if (age < seconds || (oldest > age - seconds && seen->now.used < MANY))
		return;
	free(seen->before.keys);
	seen->before = seen->now;
	memset(&seen->now, 0, sizeof(seen->now));
	seen->since += age;
}
