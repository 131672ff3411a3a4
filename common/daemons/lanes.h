/*
 * lanes: what the courier has to deliver, in memory, and who waits for what.
 *
 * An installation is a tenant of a host, its HipChat.  Each of its rooms is a
 * lane, in which messages keep their order.  A tenant has at most one call
 * under way, so the states and the legal ways between them are:
 *
 *	a lane is
 *	    ready	in its tenant's list: its first message can go
 *	    waiting	its first message must not go yet
 *	    busy	its first message is being called for, or settled
 *	(new) -> ready | waiting	lanes_add()
 *	waiting -> ready		its time has come; lanes_retry()
 *	ready -> waiting		lanes_wait()
 *	ready -> busy			lanes_next()
 *	ready | waiting -> busy		lanes_expired()
 *	busy -> ready | waiting		lanes_later(), lanes_behind(), ...
 *	busy -> (gone)			lanes_done(), if that was its last
 *
 *	a tenant is
 *	    idle	no lane of it is ready
 *	    ready	in its host's list
 *	    busy	a call is under way
 *	    limited	HipChat's limit for the add-on is used up
 *	idle -> ready -> busy -> idle | ready
 *	busy -> limited -> idle | ready		lanes_limit()
 *	idle | ready -> limited			lanes_wait()
 *
 *	a host is
 *	    up		as far as we know
 *	    down	could not be reached; nobody calls it
 *	    due		one call may see whether it is back
 *	    probing	that call is under way
 *	up -> down			lanes_unreached(), lanes_wait()
 *	down -> due			its time has come; lanes_retry()
 *	due -> probing			lanes_next(), lanes_at()
 *	probing -> down			lanes_unreached()
 *	probing -> due			the call says nothing of the host
 *	down | due | probing -> up	lanes_reached()
 *
 * So a limit holds up one installation, a HipChat that is down all of its
 * rooms, for the price of one call now and then, and any other trouble a room.
 * Tenants, and their rooms, take turns.  Nothing here takes longer if more is
 * queued, but for a logarithm.
 *
 * All times are ms of CLOCK_MONOTONIC, unless they are called Unix time.
 */
#ifndef LANES_H
#define LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "daemons/heap.h"
#include "daemons/table.h"
#include "hipchat.h"
#include "outbox.h"
#include "store.h"

/* Most calls under way at the same time: of all hosts, and of one, so that one
 * that is slow leaves room for the others. */
#define LANES_CALLS 256
#define LANES_HOST_CALLS 32

/* Nothing waits longer than this, in seconds, whatever HipChat says. */
#define LANES_WAIT_MAX 3600

/* A doubly linked ring; a member is part of whatever is in it. */
struct link {
	struct link *prev, *next;
	void *owner;
};

/* A message that is not settled. */
struct item {
	struct item *next;
	struct journal_place place;
	int64_t arrived;      /* in the outbox; perhaps before 0 */
	int64_t added;	      /* to the lane */
	int64_t expires;      /* too old from then on */
	int64_t not_before;   /* must not be tried earlier */
	uint16_t failures;    /* calls that came to nothing */
	uint16_t bad_answers; /* of them, as 5xx */
	uint16_t timeouts;    /* of them, without an answer in time */
	bool claimed;	      /* before, when its installation was there */
	bool refused;	      /* a token for it, once */
};

enum host_state { HOST_UP, HOST_DOWN, HOST_DUE, HOST_PROBING };

struct host {
	struct link all;    /* in the ring of all hosts */
	struct link turn;   /* if it has ready tenants, and can be called */
	struct link ready;  /* the ring of its ready tenants */
	struct timer timer; /* while it is down */
	enum host_state state;
	unsigned int calls;    /* under way */
	unsigned int failures; /* in a row */
	int64_t failed;	       /* when it could last not be reached; or 0 */
	char error[OUTBOX_REASON_MAX];
	char name[HIPCHAT_HOST_MAX];
};

/* What the store knows of an installation. */
struct known {
	struct installation inst;
	struct token token; /* "" before */
	struct stamp stamp; /* of the file when it was read */
};

enum tenant_state { TENANT_IDLE, TENANT_READY, TENANT_BUSY, TENANT_LIMITED };

struct tenant {
	struct entry entry;
	struct link turn;   /* while it is ready */
	struct link recent; /* while it is known */
	struct link ready;  /* the ring of its ready lanes */
	struct timer timer; /* while it is limited */
	struct host *host;
	struct known *known; /* or NULL; see lanes_know() */
	enum tenant_state state;
	size_t lanes;
	char oauth_id[]; /* NUL-terminated */
};

enum lane_state { LANE_READY, LANE_WAITING, LANE_BUSY };

struct lane {
	struct entry entry;
	struct link turn;   /* while it is ready */
	struct timer timer; /* while it waits */
	struct tenant *tenant;
	int64_t room_id;	   /* 0: removals that HipChat has to prove */
	int64_t until;		   /* it waits, whatever its first message */
	struct item *first, *last; /* the oldest and the newest */
	enum lane_state state;
	bool calling; /* busy with a call, not just being settled */
	char *error;  /* why it waits; or NULL */
};

struct lanes {
	struct table tenants, lanes;
	struct heap waiting, limited, down;
	struct link hosts, turns; /* all; those with a turn */
	struct host *nowhere;	  /* of a tenant that is not known yet */
	struct link recent;	  /* known tenants, the last used one last */
	size_t known;		  /* how many these are */
	size_t items;		  /* in all lanes */
	size_t calls;		  /* under way */
	int64_t expiry;		  /* lanes_expired() has nothing before */
	int64_t next_expiry;	  /* the same, as far as it has looked */
	size_t swept;		  /* chains of the table that it has seen */
	bool changed;		  /* somebody waits, or does no more */
};

void lanes_open(struct lanes *all);
void lanes_close(struct lanes *all);

/* Add a message to its lane; like says when, and if it was claimed. */
void lanes_add(struct lanes *all, const struct outbox_entry *entry,
    const struct item *like);

/* Whatever has waited long enough goes on. */
void lanes_tick(struct lanes *all, int64_t now);

/* The time of the next thing that lanes_tick() would do; or INT64_MAX. */
int64_t lanes_due(const struct lanes *all);

/* Forget all waiting: the operator says so. */
void lanes_retry(struct lanes *all);

/* A lane whose first message can go, now busy; or NULL. */
struct lane *lanes_next(struct lanes *all);

/*
 * A lane whose first message is too old, and was tried or was behind a host
 * that could not be reached; now busy.  Or NULL: none (for now).
 */
struct lane *lanes_expired(struct lanes *all, int64_t now);

/*
 * Room for what the store knows of the tenant, all zero at first.  The least
 * recently used one, of those without a call under way, is given up for it.
 */
struct known *lanes_know(struct lanes *all, struct tenant *tenant);

/* A busy lane's tenant has a host: may it be called now?  If not, call
 * lanes_again(). */
bool lanes_at(struct lanes *all, struct lane *lane, const char *host);

/* ---- the ways out of busy ---- */

/* The first message is settled for good. */
void lanes_done(struct lanes *all, struct lane *lane);

/* It goes again, as soon as it is its turn. */
void lanes_again(struct lanes *all, struct lane *lane);

/* It waits until then, and those behind it. */
void lanes_later(struct lanes *all, struct lane *lane, int64_t until,
    const char *error);

/* The lane waits, whatever becomes of the message. */
void lanes_hold(struct lanes *all, struct lane *lane, int64_t until,
    const char *error);

/* It waits, and the others of its lane go first. */
void lanes_behind(struct lanes *all, struct lane *lane, int64_t until,
    const char *error);

/* The whole tenant waits. */
void lanes_limit(struct lanes *all, struct lane *lane, int64_t until,
    const char *error);

/* The whole host waits; nothing is held against the message. */
void lanes_unreached(struct lanes *all, struct lane *lane, int64_t now,
    int64_t until, const char *error);

/*
 * As a courier before us had it: from the start, the lane, the tenant (room_id
 * 0), or the host ("" for the other two) waits, if it has messages.
 */
void lanes_wait(struct lanes *all, const char *oauth_id, int64_t room_id,
    const char *host, int64_t until, const char *error);

/* The host answers.  (The lane stays busy.) */
void lanes_reached(struct lanes *all, struct lane *lane);

#endif
