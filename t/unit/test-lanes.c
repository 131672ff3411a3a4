/*
 * test-lanes: who goes next, who waits for what, and that it costs nothing.
 *
 * Messages are numbered, by the offset of their place.  Times are made up.
 */
#include "daemons/lanes.h"
#include "tap.h"

#define A "installation-a"
#define B "installation-b"
#define LATE 1000000

static const char one[] = "one.example.com", two[] = "two.example.com";

static void
add(struct lanes *all, const char *oauth_id, int64_t room, uint32_t number)
{
	struct outbox_entry entry = { .room_id = room };

	strcpy(entry.oauth_id, oauth_id);
	entry.place.offset = number;
	lanes_add(all, &entry,
	    &(struct item){ .arrived = 1000, .added = 1000, .expires = LATE });
}

/* The number of the next message, which is then busy; 0: none. */
static uint32_t
next(struct lanes *all, struct lane **lane, const char *host)
{
	if ((*lane = lanes_next(all)) == NULL)
		return 0;
	if (lanes_at(all, *lane, host))
		return (*lane)->first->place.offset;
	lanes_again(all, *lane);
	return 0;
}

/* Settle the next message; its number. */
static uint32_t
serve(struct lanes *all)
{
	struct lane *lane;
	const uint32_t number = next(all, &lane, one);

	if (lane != NULL && number != 0)
		lanes_done(all, lane);
	return number;
}

static void
test_order(void)
{
	struct lanes all;
	struct lane *lane, *other;

	lanes_open(&all);
	is_int(serve(&all), 0, "nothing to do");
	is_int(lanes_due(&all), INT64_MAX, "nor to wait for");
	add(&all, A, 1, 1);
	add(&all, A, 1, 2);
	add(&all, A, 2, 3);
	add(&all, B, 1, 4);
	is_int((long long)all.items, 4, "four messages");
	is_int(next(&all, &lane, one), 1, "the first one");
	is_int(next(&all, &other, one), 4, "then another installation's");
	ok(lanes_next(&all) == NULL, "one call for each installation");
	lanes_done(&all, lane);
	is_int(serve(&all), 3, "rooms take turns");
	is_int(serve(&all), 2, "in a room, the order stays");
	lanes_again(&all, other);
	is_int(serve(&all), 4, "one that goes again");
	is_int((long long)all.items, 0, "all is done");
	is_int((long long)all.lanes.count, 0, "no room is kept");
	is_int((long long)all.tenants.count, 0, "nor an installation");
	lanes_close(&all);
}

static void
test_waiting(void)
{
	struct lanes all;
	struct lane *lane;

	lanes_open(&all);
	add(&all, A, 1, 1);
	add(&all, A, 1, 2);
	add(&all, A, 2, 3);
	next(&all, &lane, one);
	lanes_later(&all, lane, 5000, "later");
	is_str(lane->error, "later", "a room that waits says why");
	is_int(lanes_due(&all), 5000, "... and until when");
	is_int(serve(&all), 3, "another room goes on");
	is_int(serve(&all), 0, "its own messages don't");
	lanes_tick(&all, 4999);
	is_int(serve(&all), 0, "not a moment earlier");
	lanes_tick(&all, 5000);
	next(&all, &lane, one);
	is_int(lane->first->place.offset, 1, "then it goes first");
	lanes_behind(&all, lane, 9000, "poisoned");
	is_int(serve(&all), 2, "one that is set behind lets the others go");
	is_int(serve(&all), 0, "... and still waits");
	lanes_retry(&all);
	is_int(serve(&all), 1, "unless the operator says so");
	lanes_close(&all);
}

static void
test_limit(void)
{
	struct lanes all;
	struct lane *lane;

	lanes_open(&all);
	add(&all, A, 1, 1);
	add(&all, A, 2, 2);
	add(&all, B, 1, 3);
	next(&all, &lane, one);
	lanes_limit(&all, lane, 5000, "limit");
	is_int(serve(&all), 3, "a limit holds up no other installation");
	is_int(serve(&all), 0, "... but all rooms of this one");
	add(&all, A, 3, 4);
	is_int(serve(&all), 0, "... new ones, too");
	lanes_tick(&all, 5000);
	is_int(serve(&all), 2, "until it ends");
	is_int(serve(&all), 1, "... the one that met it as well");
	is_int(serve(&all), 4, "in turn");
	lanes_close(&all);
}

static void
test_host(void)
{
	struct lanes all;
	struct lane *lane;
	int i, n = 0;

	lanes_open(&all);
	add(&all, A, 1, 1);
	add(&all, B, 1, 2);
	add(&all, "c", 1, 3);
	next(&all, &lane, one);
	lanes_unreached(&all, lane, 2000, 5000, "refused");
	ok(next(&all, &lane, one) == 0 && lane != NULL,
	    "a host that is down: its other installation is sent back");
	is_int(next(&all, &lane, two), 3, "another host is called");
	lanes_done(&all, lane);
	ok(lanes_next(&all) == NULL, "the one that is down is left alone");
	is_int(lanes_due(&all), 0, "(was anything that is too old tried now?)");
	ok(lanes_expired(&all, 2000) == NULL, "(nothing is too old)");
	is_int(lanes_due(&all), 5000, "until one may see if it is back");
	lanes_tick(&all, 5000);
	is_int(next(&all, &lane, one), 1, "one does");
	ok(lanes_next(&all) == NULL, "and only one");
	lanes_unreached(&all, lane, 5001, 9000, "refused");
	is_int(lane->tenant->host->failures, 2, "twice in a row");
	is_int(lane->first->failures, 0, "nothing is held against the message");
	lanes_tick(&all, 9000);
	next(&all, &lane, one);
	lanes_reached(&all, lane);
	lanes_done(&all, lane);
	is_int(serve(&all), 1, "the first success wakes them all");
	for (i = 0; i < 100; i++) {
		char id[32];

		snprintf(id, sizeof(id), "tenant-%d", i);
		add(&all, id, 1, 100);
	}
	while ((lane = lanes_next(&all)) != NULL)
		if (lanes_at(&all, lane, one))
			n++;
		else
			lanes_again(&all, lane);
	is_int(n, LANES_HOST_CALLS, "a host has so many calls under way");
	lanes_close(&all);
}

/* An installation has moved to another HipChat: was it to probe the old one? */
static void
test_move(void)
{
	struct lanes all;
	struct lane *lane;

	lanes_open(&all);
	add(&all, A, 1, 1);
	add(&all, B, 1, 2);
	next(&all, &lane, one);
	lanes_unreached(&all, lane, 2000, 5000, "refused");
	is_int(next(&all, &lane, one), 0, "one that is down");
	lanes_tick(&all, 5000);
	is_int(next(&all, &lane, two), 1, "the probe is another host's");
	is_int(serve(&all), 2, "... so the next one is a probe");
	lanes_done(&all, lane);
	lanes_close(&all);
}

static void
test_expiry(void)
{
	struct lanes all;
	struct lane *lane;

	lanes_open(&all);
	add(&all, A, 1, 1);
	add(&all, A, 1, 2);
	add(&all, B, 1, 3);
	ok(lanes_expired(&all, LATE) == NULL, "nothing fails untried");
	next(&all, &lane, one);
	lane->first->failures = 1;
	lanes_later(&all, lane, 2 * LATE, "later");
	is_int(lanes_due(&all), LATE, "what was tried has its time");
	ok(lanes_expired(&all, LATE - 1) == NULL, "... not earlier");
	lane = lanes_expired(&all, LATE);
	is_int(lane != NULL ? lane->first->place.offset : 0, 1, "... then");
	lanes_done(&all, lane);
	ok(lanes_expired(&all, LATE) == NULL, "the next one is tried first");
	next(&all, &lane, one);
	lanes_unreached(&all, lane, LATE, LATE + 1000, "refused");
	lane = lanes_expired(&all, LATE);
	ok(lane != NULL, "or its host is");
	lanes_done(&all, lane);
	is_int((long long)all.items, 1, "others are not concerned");
	lanes_close(&all);
}

/* What was behind a host that is back is tried before it is too old. */
static void
test_back_again(void)
{
	struct lanes all;
	struct lane *lane;

	lanes_open(&all);
	add(&all, A, 1, 1);
	add(&all, A, 1, 2);
	next(&all, &lane, one);
	lanes_unreached(&all, lane, 2000, 5000, "refused");
	lanes_tick(&all, 5000);
	next(&all, &lane, one);
	lanes_reached(&all, lane);
	lanes_done(&all, lane);
	ok(lanes_expired(&all, LATE) == NULL,
	    "a host that is back: its messages are tried");
	lanes_close(&all);
}

static size_t
chain_of(const struct lanes *all, const struct lane *lane)
{
	return lane->entry.hash & (all->lanes.size - 1);
}

/* Messages that are too old are given up, while the first room is busy. */
static void
test_expiry_in_turns(void)
{
	struct lane *lanes[LANES_HOST_CALLS], *first, *lane;
	struct lanes all;
	char id[32];
	int i;

	lanes_open(&all);
	for (i = 0; i < LANES_HOST_CALLS; i++) {
		snprintf(id, sizeof(id), "tenant-%d", i);
		add(&all, id, 1, 1);
		next(&all, &lanes[i], one);
		lanes[i]->first->failures = 1;
	}
	for (first = lanes[0], i = 1; i < LANES_HOST_CALLS; i++)
		if (chain_of(&all, lanes[i]) < chain_of(&all, first))
			first = lanes[i];
	for (i = 0; i < LANES_HOST_CALLS; i++)
		if (lanes[i] != first)
			lanes_later(&all, lanes[i], LATE + 2000, "later");
	lane = lanes_expired(&all, LATE);
	ok(lane != NULL, "some are too old");
	first->first->expires = LATE + 1000;
	lanes_later(&all, first, LATE + 2000, "later");
	do
		lanes_done(&all, lane);
	while ((lane = lanes_expired(&all, LATE)) != NULL);
	is_int((long long)all.items, 1, "all but one");
	is_int(lanes_due(&all), LATE + 1000,
	    "... which was busy, and has its time");
	lanes_close(&all);
}

static void
test_memory(void)
{
	struct lanes all;
	struct lane *lane;
	char id[32];
	int i, n;

	lanes_open(&all);
	for (i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "tenant-%d", i);
		add(&all, id, 1, 1);
		lane = lanes_next(&all);
		lanes_know(&all, lane->tenant);
		lanes_at(&all, lane, one);
		lanes_done(&all, lane);
	}
	n = (int)all.tenants.count;
	ok(n > 0 && n < 1000, "of 1000 idle installations, %d are kept", n);
	is_int((long long)all.lanes.count, 0, "and none of their rooms");
	lanes_close(&all);
}

/* Anything, at random: nothing is lost, and rooms keep their order. */
static void
test_random(void)
{
	static uint32_t last[8][8];
	struct lane *busy[300], *lane;
	uint32_t number = 0, served = 0;
	int64_t now = 1000;
	struct lanes all;
	size_t n = 0;
	int i, wrong = 0;
	bool moved;
	char id[16];

	srand(7);
	lanes_open(&all);
	for (i = 0; i < 200000 || all.items > 0; i++) {
		now += rand() % 3;
		lanes_tick(&all, now);
		if (i < 100000 && rand() % 2 == 0) {
			snprintf(id, sizeof(id), "%d", rand() % 8);
			add(&all, id, 1 + rand() % 8, ++number);
		}
		if (rand() % 2 == 0 && (lane = lanes_next(&all)) != NULL) {
			moved = rand() % 16 == 0;
			if (lanes_at(&all, lane,
				(*lane->tenant->oauth_id < '4') != moved ? one :
									   two))
				busy[n++] = lane;
			else
				lanes_again(&all, lane);
		}
		if (n == 0 || rand() % 2 == 0)
			continue;
		lane = busy[(size_t)rand() % n];
		for (size_t k = 0; k < n; k++)
			if (busy[k] == lane)
				busy[k] = busy[--n];
		switch (rand() % 7) {
		case 0:
			lanes_later(&all, lane, now + rand() % 20, "later");
			break;
		case 1:
			lanes_limit(&all, lane, now + rand() % 20, "limit");
			break;
		case 2:
			lanes_unreached(&all, lane, now, now + rand() % 20,
			    "down");
			break;
		case 3:
			lanes_again(&all, lane);
			break;
		default: {
			uint32_t *before = &last[*lane->tenant->oauth_id - '0']
						[lane->room_id - 1];

			wrong += *before >= lane->first->place.offset;
			*before = lane->first->place.offset;
			served++;
			lanes_reached(&all, lane);
			lanes_done(&all, lane);
		}
		}
	}
	is_int(served, number, "at random: every message is served once");
	is_int(wrong, 0, "at random: in the order of its room");
	is_int((long long)all.calls, 0, "at random: no call is left");
	is_int((long long)(all.lanes.count + all.tenants.count), 0,
	    "at random: nothing is kept");
	lanes_close(&all);
}

int
main(void)
{
	test_order();
	test_waiting();
	test_limit();
	test_host();
	test_move();
	test_expiry();
	test_back_again();
	test_expiry_in_turns();
	test_memory();
	test_random();
	return done();
}
