/*
 * lanes: what the courier has to deliver, in memory.
 *
 * An installation is a tenant of HipChat; each of its rooms is a lane, in which
 * messages keep their order.  A lane that is told to wait delays no other one.
 * A tenant has at most one request in flight, however many lanes it has.
 *
 * What lanes wait for, and their last errors, are also in outbox/lanes.json,
 * so that the next courier waits on and "courier --status" can tell.
 */
#ifndef LANES_H
#define LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "outbox.h"
#include "store.h"

/* A lane waits no longer than this, in seconds, whatever a 429 says. */
#define LANES_WAIT_MAX 3600

/* A message that is in outbox/new/. */
struct item {
	struct item *next;
	char name[OUTBOX_NAME_MAX];
};

struct tenant {
	struct tenant *next;
	struct lane *lanes; /* linked by sibling */
	char oauth_id[STORE_ID_MAX];
	struct installation inst; /* read when a token is needed */
	struct token token;	  /* "" before */
	bool busy;		  /* a lane has a call under way */
};

enum lane_stage {
	LANE_IDLE,  /* no call under way */
	LANE_TOKEN, /* asking for a token */
	LANE_POST,  /* posting its first message */
};

struct lane {
	struct lane *next; /* all lanes */
	struct lane *sibling;
	struct tenant *tenant;
	int64_t room_id;
	struct item *first, *last; /* oldest and newest message */
	enum lane_stage stage;
	struct http_call call;	       /* unless idle */
	struct outbox_message msg;     /* the first, unless idle */
	bool renewed;		       /* a token was got for this message */
	int64_t until;		       /* not before; Unix time in ms */
	int64_t stuck_until;	       /* nor before: the disk failed */
	unsigned int failures;	       /* in a row */
	char error[OUTBOX_REASON_MAX]; /* the last one; or "" */
};

struct lanes {
	struct tenant *tenants;
	struct lane *lanes;
	struct dirent **seen; /* at the last scan, sorted */
	int n_seen;
	size_t items; /* in all lanes */
};

/*
 * Add to the lanes what is new in outbox/new/.  A file that is not a message is
 * set aside in failed/.  Returns false and logs why if there are no descriptors
 * left or the directory can't be read.  Then the queue must not be used, and
 * the messages wait on disk for the next courier.
 */
bool lanes_scan(struct lanes *all, const struct outbox *box);

/* Drop the lane's first item; the file is the caller's business. */
void lanes_pop(struct lanes *all, struct lane *lane);

/*
 * Read and write outbox/lanes.json, as far as it is about installations that
 * exist.  A failure is logged and does no harm.
 */
void
lanes_load(struct lanes *all, const struct outbox *box, const struct store *st);
void lanes_save(const struct lanes *all, const struct outbox *box);

void lanes_free(struct lanes *all);

#endif
