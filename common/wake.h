/*
 * wake: the one courier of a data directory, and how whoever puts a message
 * into the outbox wakes it, or starts it.
 *
 *	DATA_DIR/outbox/trigger	a FIFO, which the courier reads
 *	DATA_DIR/outbox/lock	locked by the one courier, and says who it is:
 *				PID ROLE DIGEST PREVIOUS SINCE
 *
 * Waking.  The courier sleeps on the trigger.  A sender that can open it for
 * writing has found a courier; ENXIO says that none is there, and one has to be
 * started.  A sender gives up the right to start programs before it looks at
 * what a client sent, so it asks first, and if there is no courier it forks a
 * starter: wake_prepare().  Later, with its message on disk, it writes a byte,
 * or tells the starter: wake_courier().
 *
 * Starting.  A courier takes some milliseconds until it listens, and many
 * senders may find none meanwhile.  Their starters take turns: whoever has the
 * turn (a lock on byte 3 of the lock file) looks again.  If a courier listens
 * by then, it writes the sender's byte; otherwise it starts one, and keeps the
 * turn until that one listens or has ended.  Nobody relies on the turn of
 * another: for each message that is put, a byte is written or a courier is
 * started.
 *
 * Leaving.  A sender that has found a courier counts on it, so a courier stays
 * as long as anybody has the trigger open for writing.  Finding and leaving
 * exclude each other by an flock on the directory, which a sender shares while
 * it opens the trigger, and no longer.  A courier that gets it exclusively, and
 * sees neither writers nor a byte, (1) closes the trigger, (2) unlocks
 * everything, (3) looks for messages once more, and goes on if it finds one and
 * can lock again.  What was put before (1) is found by (3).  A sender that
 * comes after (1) starts a courier; if that one finds the lock held, the holder
 * has yet to take its first look, or (3).
 *
 * Handing over.  A courier that has a successor need not wait until nobody
 * counts on it: it stops its calls, closes and unlocks all, and goes.  The
 * trigger stays the same FIFO.  A message put before the successor's first look
 * is found by that look; after it, the sender's byte reaches the successor, for
 * it opens the trigger first.  A successor is certain in two cases: another
 * courier waits for the lock, or the supervisor is about to start one.
 *
 * Who hands over to whom.  DIGEST is that of the settings (config_digest()).  A
 * courier that a sender started follows the latest sender: one whose digest
 * differs starts a courier of its own, which locks byte 0 of the lock file (so
 * there is one waiter), says so through the trigger, and waits.  A resident
 * courier takes over from any other kind, and waits on byte 1.  A resident one,
 * and one started by hand, hand over to no sender.
 *
 * Senders that disagree among themselves must not fight.  PREVIOUS lists the
 * digests before this one, and is forgotten when ten minutes passed without a
 * change (SINCE).  Once both the sender's digest and the courier's are on that
 * list, the courier is only told that there is disagreement.
 *
 * Functions that return int return 0 or an HTTP status, with the reason in the
 * log unless said otherwise.
 */
#ifndef WAKE_H
#define WAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "datadir.h"

/* Size of the list of earlier digests, terminating NUL included. */
#define WAKE_PREVIOUS_MAX (8 * CONFIG_DIGEST_MAX)

/* What a courier is told; wake_words() returns several of them. */
enum wake_word {
	WAKE_NEW = 1,	   /* there is a new message */
	WAKE_RETRY = 2,	   /* an operator: wait for nothing, try now */
	WAKE_LEAVE = 4,	   /* a successor waits: see wake_awaited() */
	WAKE_DISAGREE = 8, /* senders have different settings */
};

/* How a courier was started; as a number, the byte that it locks while it
 * waits. */
enum wake_role {
	WAKE_SENDER,   /* by a sender, with its settings */
	WAKE_RESIDENT, /* by the system; stays without work */
	WAKE_HAND,     /* by an operator, or cron */
};

struct wake {
	const struct datadir *dir; /* the caller's; outlives this */
	int dirfd;		   /* DATA_DIR/outbox */
	int trigger;	/* open for writing, or -1; also in the courier, so that
			its read end does not report every hang-up */
	int starter;	/* see starter.h; or -1 */
	bool due;	/* the courier that runs has to hand over */
	bool differ;	/* ... or would, if senders did not disagree */
	int64_t judged; /* when this was looked up, by uptime_s() */

	/* the courier's */
	enum wake_role role;
	bool left;  /* by wake_leave() */
	int lock;   /* or -1 */
	int listen; /* the trigger, open for reading, or -1 */
};

/* Who is, or was last, the courier. */
struct wake_holder {
	pid_t pid; /* 0: not known */
	enum wake_role role;
	char digest[CONFIG_DIGEST_MAX];
	char previous[WAKE_PREVIOUS_MAX]; /* separated by commas; or "-" */
	int64_t since;			  /* Unix time in s */
};

/*
 * Open DATA_DIR/outbox, and make what is missing of it, trigger included.  What
 * has the trigger's name and is no FIFO is removed.  Returns 0, 500 or 503.
 */
int wake_open(struct wake *w, const struct datadir *dir);

/* You may call it twice, and after wake_open() has failed. */
void wake_close(struct wake *w);

/* Is a courier listening?  Fills in holder if so. */
bool wake_holder(const struct wake *w, struct wake_holder *holder);

/* ---- for senders ---- */

/*
 * Prepare to wake the courier or to start the one at this path (NULL: "courier"
 * beside the running program).  A courier of another digest will have to hand
 * over; with NULL (an operator's command) whichever runs will do.  A failure is
 * logged, but is no error: messages are safe, and the next sender tries again.
 */
void wake_prepare(struct wake *w, const char *courier, const char *digest);

/*
 * The same in steps, for a process that has many messages.  First, be able to
 * start that courier at any time.
 */
void wake_starter(struct wake *w, const char *courier);

/*
 * Then, for each message, count on the courier that runs, if one does, until
 * wake_release() lets it leave.  Whether its digest is another one is looked up
 * once a second.
 */
void wake_hold(struct wake *w, const char *digest);
void wake_release(struct wake *w);

/*
 * Tell the courier, or have it started.  May be called any number of times, and
 * after confinement.  Never waits.  Returns false if there is nobody to tell or
 * to start it: without wake_prepare(), no courier is ever started.
 */
bool wake_courier(struct wake *w, enum wake_word word);

/* ---- for the courier ---- */

/*
 * Become the courier: lock, say who it is, listen.  The trigger fires at once.
 * Returns
 *	0
 *	409	another one is at work, and stays, or a successor waits already
 *		(not logged): holder says who
 *	500, 503
 * If the one at work is to hand over to this one, tells it, and waits until it
 * has gone, which takes as long as its calls.  No limit: a waiter that gave up
 * would not be the certain successor that the other one relies on.  After
 * wake_leave(), it never waits: whoever came since has later settings.
 */
int wake_take(struct wake *w, enum wake_role role, const char *digest,
    struct wake_holder *holder);

/* The descriptor that becomes readable when there are words. */
int wake_fd(const struct wake *w);

/* Read all words: bits of enum wake_word, 0 if there are none.  Never waits. */
unsigned int wake_words(struct wake *w);

/*
 * Does a courier wait to which this one has to hand over?  Ask again when the
 * last call is over: the successor may have been killed.
 */
bool wake_awaited(const struct wake *w);

/*
 * Has somebody removed the trigger, the lock or the directory?  Then nobody
 * finds this courier any more: hand over to a new process.  Four calls of
 * stat(2).
 */
bool wake_is_lost(const struct wake *w);

/*
 * Leave for want of work, steps 1 and 2.  True: trigger and lock are closed;
 * look for messages once more, and wake_take() again if there is one.  False:
 * a sender counts on this courier; poll wake_fd() for POLLIN: a byte or, if the
 * last such sender leaves without one, a hang-up wakes it.
 */
bool wake_leave(struct wake *w);

/*
 * Hand over: close trigger and lock.  Only if wake_awaited(), or if the
 * supervisor starts this program again.
 */
void wake_hand_over(struct wake *w);

#endif
