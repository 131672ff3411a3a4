/*
 * lanes: see lanes.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemons/lanes.h"
#include "log.h"

/* How many tenants' records are kept in memory. */
#define KNOWN_MAX 256

/* ---- rings ---- */

static void
ring(struct link *link, void *owner)
{
	link->prev = link->next = link;
	link->owner = owner;
}

static bool
is_alone(const struct link *link)
{
	return link->next == link;
}

/* Append the link to the ring; the ring's own link is the end of it. */
static void
append(struct link *end, struct link *link)
{
	link->next = end;
	link->prev = end->prev;
	end->prev->next = link;
	end->prev = link;
}

static void
take_out(struct link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = link;
}

/* ---- hosts ---- */

static struct host *
new_host(struct lanes *all, const char *name)
{
	struct host *host = need(calloc(1, sizeof(*host)));

	strcpy(host->name, name);
	ring(&host->all, host);
	ring(&host->turn, host);
	ring(&host->ready, NULL);
	host->timer.owner = host;
	append(&all->hosts, &host->all);
	return host;
}

static struct host *
get_host(struct lanes *all, const char *name)
{
	struct link *link;
	struct host *host;

	for (link = all->hosts.next; link != &all->hosts; link = link->next) {
		host = link->owner;
		if (strcmp(host->name, name) == 0)
			return host;
	}
	return new_host(all, name);
}

static bool
can_be_called(const struct host *host)
{
	return host->state == HOST_DUE ||
	    (host->state == HOST_UP && host->calls < LANES_HOST_CALLS);
}

/* Give the host a turn if it can have one, or take it away. */
static void
host_turn(struct lanes *all, struct host *host)
{
	if (is_alone(&host->ready) || !can_be_called(host))
		take_out(&host->turn);
	else if (is_alone(&host->turn))
		append(&all->turns, &host->turn);
}

static void
host_goes_down(struct lanes *all, struct host *host, int64_t until,
    const char *error)
{
	snprintf(host->error, sizeof(host->error), "%s", error);
	host->state = HOST_DOWN;
	heap_set(&all->down, &host->timer, until);
	host_turn(all, host);
	all->changed = true;
}

/* ---- tenants ---- */

static struct tenant *
find_tenant(const struct lanes *all, const char *oauth_id)
{
	const uint64_t hash = table_hash(oauth_id, 0);
	struct entry *entry = NULL;
	struct tenant *tenant;

	while ((entry = table_find(&all->tenants, hash, entry)) != NULL) {
		tenant = entry->owner;
		if (strcmp(tenant->oauth_id, oauth_id) == 0)
			return tenant;
	}
	return NULL;
}

static struct tenant *
get_tenant(struct lanes *all, const char *oauth_id)
{
	struct tenant *tenant = find_tenant(all, oauth_id);
	const size_t len = strlen(oauth_id) + 1;

	if (tenant != NULL)
		return tenant;
	tenant = need(calloc(1, sizeof(*tenant) + len));
	memcpy(tenant->oauth_id, oauth_id, len);
	tenant->entry.owner = tenant->timer.owner = tenant;
	tenant->entry.hash = table_hash(oauth_id, 0);
	ring(&tenant->turn, tenant);
	ring(&tenant->recent, tenant);
	ring(&tenant->ready, NULL);
	tenant->host = all->nowhere;
	table_add(&all->tenants, &tenant->entry);
	return tenant;
}

/* An idle tenant that has a ready lane is ready. */
static void
tenant_turn(struct lanes *all, struct tenant *tenant)
{
	if (tenant->state == TENANT_IDLE && !is_alone(&tenant->ready)) {
		tenant->state = TENANT_READY;
		append(&tenant->host->ready, &tenant->turn);
	}
	host_turn(all, tenant->host);
}

static void
forget_known(struct lanes *all, struct tenant *tenant)
{
	if (tenant->known == NULL)
		return;
	take_out(&tenant->recent);
	free(tenant->known);
	tenant->known = NULL;
	all->known--;
}

/* Release the tenant if nothing would be lost by it. */
static void
let_go(struct lanes *all, struct tenant *tenant)
{
	if (tenant->lanes > 0 || tenant->known != NULL ||
	    tenant->state == TENANT_LIMITED)
		return;
	table_remove(&all->tenants, &tenant->entry);
	free(tenant);
}

struct known *
lanes_know(struct lanes *all, struct tenant *tenant)
{
	struct link *link = all->recent.next;
	struct tenant *old;

	if (tenant->known == NULL) {
		tenant->known = need(calloc(1, sizeof(*tenant->known)));
		all->known++;
	}
	take_out(&tenant->recent);
	append(&all->recent, &tenant->recent);
	while (all->known > KNOWN_MAX && link != &tenant->recent) {
		old = link->owner;
		link = link->next;
		if (old->state == TENANT_BUSY)
			continue;
		forget_known(all, old);
		let_go(all, old);
	}
	return tenant->known;
}

/* ---- lanes ---- */

static struct lane *
find_lane(const struct lanes *all, const char *oauth_id, int64_t room_id)
{
	const uint64_t hash = table_hash(oauth_id, room_id);
	struct entry *entry = NULL;
	struct lane *lane;

	while ((entry = table_find(&all->lanes, hash, entry)) != NULL) {
		lane = entry->owner;
		if (lane->room_id == room_id &&
		    strcmp(lane->tenant->oauth_id, oauth_id) == 0)
			return lane;
	}
	return NULL;
}

static struct lane *
new_lane(struct lanes *all, const char *oauth_id, int64_t room_id)
{
	struct lane *lane = need(calloc(1, sizeof(*lane)));

	lane->tenant = get_tenant(all, oauth_id);
	lane->tenant->lanes++;
	lane->room_id = room_id;
	lane->entry.owner = lane->timer.owner = lane;
	lane->entry.hash = table_hash(oauth_id, room_id);
	ring(&lane->turn, lane);
	table_add(&all->lanes, &lane->entry);
	return lane;
}

static void
set_error(struct lanes *all, struct lane *lane, const char *error)
{
	free(lane->error);
	lane->error = error != NULL ? need(strdup(error)) : NULL;
	all->changed = true;
}

static void
free_lane(struct lanes *all, struct lane *lane)
{
	struct tenant *tenant = lane->tenant;

	table_remove(&all->lanes, &lane->entry);
	free(lane->error);
	free(lane);
	tenant->lanes--;
	let_go(all, tenant);
}

/* Was the first message of the lane tried, or could its host not be reached? */
static bool
was_tried(const struct lane *lane)
{
	return lane->first->failures > 0 ||
	    lane->tenant->host->failed >= lane->first->added;
}

/* lanes_expired() may have passed the lane already: it looks again. */
static void
note_expiry(struct lanes *all, int64_t expires)
{
	if (expires < all->expiry)
		all->expiry = expires;
	if (expires < all->next_expiry)
		all->next_expiry = expires;
}

/* Let a lane that is in no list be ready, or wait; its first message tells. */
static void
queue_up(struct lanes *all, struct lane *lane)
{
	const int64_t due = lane->first->not_before > lane->until ?
	    lane->first->not_before :
	    lane->until;

	if (was_tried(lane))
		note_expiry(all, lane->first->expires);
	if (due > 0) {
		lane->state = LANE_WAITING;
		heap_set(&all->waiting, &lane->timer, due);
		return;
	}
	lane->state = LANE_READY;
	append(&lane->tenant->ready, &lane->turn);
	tenant_turn(all, lane->tenant);
}

/* Take it out of the list or heap that it is in. */
static void
make_busy(struct lanes *all, struct lane *lane)
{
	struct tenant *tenant = lane->tenant;

	heap_remove(&all->waiting, &lane->timer);
	take_out(&lane->turn);
	lane->state = LANE_BUSY;
	if (tenant->state == TENANT_READY && is_alone(&tenant->ready)) {
		tenant->state = TENANT_IDLE;
		take_out(&tenant->turn);
		host_turn(all, tenant->host);
	}
}

/* A call is over, or turns out to be another host's. */
static void
end_host_call(struct host *host)
{
	host->calls--;
	if (host->state == HOST_PROBING && host->calls == 0)
		host->state = HOST_DUE; /* it says nothing of the host */
}

/* Its call is over, if there was one. */
static void
end_call(struct lanes *all, struct lane *lane)
{
	if (!lane->calling)
		return;
	lane->calling = false;
	all->calls--;
	end_host_call(lane->tenant->host);
	lane->tenant->state = TENANT_IDLE;
}

static void
append_item(struct lane *lane, struct item *item)
{
	item->next = NULL;
	if (lane->first == NULL)
		lane->first = item;
	else
		lane->last->next = item;
	lane->last = item;
}

static struct item *
pop_item(struct lane *lane)
{
	struct item *item = lane->first;

	lane->first = item->next;
	return item;
}

void
lanes_add(struct lanes *all, const struct outbox_entry *entry,
    const struct item *like)
{
	struct lane *lane = find_lane(all, entry->oauth_id, entry->room_id);
	struct item *item = need(calloc(1, sizeof(*item)));
	const bool is_new = lane == NULL;

	if (is_new)
		lane = new_lane(all, entry->oauth_id, entry->room_id);
	*item = *like;
	item->place = entry->place;
	append_item(lane, item);
	all->items++;
	if (is_new)
		queue_up(all, lane);
}

/* ---- turns ---- */

struct lane *
lanes_next(struct lanes *all)
{
	struct host *host;
	struct tenant *tenant;
	struct lane *lane;

	if (is_alone(&all->turns) || all->calls >= LANES_CALLS)
		return NULL;
	host = all->turns.next->owner;
	tenant = host->ready.next->owner;
	lane = tenant->ready.next->owner;
	take_out(&host->turn);
	take_out(&tenant->turn);
	take_out(&lane->turn);
	lane->state = LANE_BUSY;
	lane->calling = true;
	tenant->state = TENANT_BUSY;
	if (host->state == HOST_DUE)
		host->state = HOST_PROBING;
	host->calls++;
	all->calls++;
	host_turn(all, host); /* the others first */
	return lane;
}

bool
lanes_at(struct lanes *all, struct lane *lane, const char *name)
{
	struct host *old = lane->tenant->host;
	struct host *host;

	if (strcmp(old->name, name) == 0)
		return true;
	host = get_host(all, name);
	end_host_call(old);
	host_turn(all, old);
	lane->tenant->host = host;
	if (!can_be_called(host)) {
		host->calls++; /* until lanes_again() */
		return false;
	}
	if (host->state == HOST_DUE)
		host->state = HOST_PROBING;
	host->calls++;
	host_turn(all, host);
	return true;
}

/* Is it time to give up the lane's first message?  Or when will it be? */
static bool
is_expired(struct lanes *all, const struct lane *lane, int64_t now)
{
	if (lane->state == LANE_BUSY || !was_tried(lane))
		return false;
	if (lane->first->expires <= now)
		return true;
	note_expiry(all, lane->first->expires);
	return false;
}

struct lane *
lanes_expired(struct lanes *all, int64_t now)
{
	struct entry *entry;

	if (all->expiry > now)
		return NULL;
	if (all->swept == 0)
		all->next_expiry = INT64_MAX;
	for (; all->swept < all->lanes.size; all->swept++)
		for (entry = all->lanes.chains[all->swept]; entry != NULL;
		     entry = entry->next)
			if (is_expired(all, entry->owner, now)) {
				make_busy(all, entry->owner);
				return entry->owner;
			}
	all->swept = 0;
	all->expiry = all->next_expiry;
	return NULL;
}

/* ---- the ways out of busy ---- */

/* The lane is not busy any more. */
static void
rest(struct lanes *all, struct lane *lane)
{
	struct tenant *tenant = lane->tenant;

	end_call(all, lane);
	if (lane->first != NULL)
		queue_up(all, lane);
	tenant_turn(all, tenant);
	if (lane->first == NULL)
		free_lane(all, lane);
}

void
lanes_done(struct lanes *all, struct lane *lane)
{
	free(pop_item(lane));
	all->items--;
	if (lane->error != NULL && lane->until == 0)
		set_error(all, lane, NULL);
	rest(all, lane);
}

void
lanes_again(struct lanes *all, struct lane *lane)
{
	rest(all, lane);
}

void
lanes_later(struct lanes *all, struct lane *lane, int64_t until,
    const char *error)
{
	lane->first->not_before = until;
	set_error(all, lane, error);
	rest(all, lane);
}

void
lanes_hold(struct lanes *all, struct lane *lane, int64_t until,
    const char *error)
{
	lane->until = until;
	set_error(all, lane, error);
	rest(all, lane);
}

void
lanes_behind(struct lanes *all, struct lane *lane, int64_t until,
    const char *error)
{
	struct item *item = pop_item(lane);

	item->not_before = until;
	append_item(lane, item);
	set_error(all, lane, error);
	rest(all, lane);
}

void
lanes_limit(struct lanes *all, struct lane *lane, int64_t until,
    const char *error)
{
	struct tenant *tenant = lane->tenant;

	end_call(all, lane);
	tenant->state = TENANT_LIMITED;
	heap_set(&all->limited, &tenant->timer, until);
	set_error(all, lane, error);
	rest(all, lane);
}

void
lanes_unreached(struct lanes *all, struct lane *lane, int64_t now,
    int64_t until, const char *error)
{
	struct host *host = lane->tenant->host;

	if (host->state != HOST_DOWN) {
		host->failures++;
		host->failed = now;
		all->expiry = 0; /* now its messages were tried, all of them */
		host_goes_down(all, host, until, error);
	}
	rest(all, lane);
}

void
lanes_reached(struct lanes *all, struct lane *lane)
{
	struct host *host = lane->tenant->host;

	host->failures = 0;
	host->failed = 0; /* its messages are to be tried themselves */
	if (host->state == HOST_UP)
		return;
	heap_remove(&all->down, &host->timer);
	host->state = HOST_UP;
	all->changed = true;
	host_turn(all, host);
}

void
lanes_wait(struct lanes *all, const char *oauth_id, int64_t room_id,
    const char *host, int64_t until, const char *error)
{
	struct tenant *tenant = find_tenant(all, oauth_id);
	struct lane *lane =
	    room_id != 0 ? find_lane(all, oauth_id, room_id) : NULL;

	if (*host != '\0' && strlen(host) < HIPCHAT_HOST_MAX) {
		host_goes_down(all, get_host(all, host), until, error);
	} else if (lane != NULL && lane->state == LANE_READY) {
		make_busy(all, lane);
		lanes_hold(all, lane, until, error);
	} else if (room_id == 0 && tenant != NULL) {
		take_out(&tenant->turn);
		host_turn(all, tenant->host);
		tenant->state = TENANT_LIMITED;
		heap_set(&all->limited, &tenant->timer, until);
	}
}

/* ---- time ---- */

static struct timer *
first_due(const struct heap *heap, int64_t now)
{
	struct timer *timer = heap_first(heap);

	return timer != NULL && timer->due <= now ? timer : NULL;
}

void
lanes_tick(struct lanes *all, int64_t now)
{
	struct timer *timer;
	struct tenant *tenant;
	struct host *host;
	struct lane *lane;

	while ((timer = first_due(&all->waiting, now)) != NULL) {
		lane = timer->owner;
		heap_remove(&all->waiting, timer);
		lane->first->not_before = lane->until = 0;
		queue_up(all, lane);
	}
	while ((timer = first_due(&all->limited, now)) != NULL) {
		tenant = timer->owner;
		heap_remove(&all->limited, timer);
		tenant->state = TENANT_IDLE;
		tenant_turn(all, tenant);
		let_go(all, tenant);
	}
	while ((timer = first_due(&all->down, now)) != NULL) {
		host = timer->owner;
		heap_remove(&all->down, timer);
		host->state = HOST_DUE;
		host_turn(all, host);
	}
}

int64_t
lanes_due(const struct lanes *all)
{
	const struct heap *heaps[] = { &all->waiting, &all->limited,
		&all->down };
	int64_t due = all->expiry;
	const struct timer *timer;
	size_t i;

	for (i = 0; i < sizeof(heaps) / sizeof(heaps[0]); i++) {
		timer = heap_first(heaps[i]);
		if (timer != NULL && timer->due < due)
			due = timer->due;
	}
	return due;
}

void
lanes_retry(struct lanes *all)
{
	lanes_tick(all, INT64_MAX);
	all->changed = true;
}

/* ---- opening and closing ---- */

void
lanes_open(struct lanes *all)
{
	memset(all, 0, sizeof(*all));
	ring(&all->hosts, NULL);
	ring(&all->turns, NULL);
	ring(&all->recent, NULL);
	all->nowhere = new_host(all, "");
	all->expiry = all->next_expiry = INT64_MAX;
}

static void
free_lanes(struct lanes *all)
{
	struct entry *entry;
	struct lane *lane;
	size_t i;

	for (i = 0; i < all->lanes.size; i++)
		while ((entry = all->lanes.chains[i]) != NULL) {
			lane = entry->owner;
			while (lane->first != NULL)
				free(pop_item(lane));
			free_lane(all, lane);
		}
}

void
lanes_close(struct lanes *all)
{
	struct entry *entry;
	struct tenant *tenant;
	size_t i;

	free_lanes(all);
	for (i = 0; i < all->tenants.size; i++)
		while ((entry = all->tenants.chains[i]) != NULL) {
			tenant = entry->owner;
			forget_known(all, tenant);
			tenant->state = TENANT_IDLE;
			let_go(all, tenant);
		}
	while (!is_alone(&all->hosts)) {
		struct host *host = all->hosts.next->owner;

		take_out(&host->all);
		free(host);
	}
	table_free(&all->lanes);
	table_free(&all->tenants);
	heap_free(&all->waiting);
	heap_free(&all->limited);
	heap_free(&all->down);
}
