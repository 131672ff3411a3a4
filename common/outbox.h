/*
 * outbox: notifications that are on disk and not yet at HipChat.
 *
 * Senders put messages; the one courier claims and settles them; operators and
 * removals throw them away.  The legal states of a message, and who changes
 * them:
 *
 *	queued -> claimed	the courier, before it posts
 *	queued -> dropped	a removal, an operator
 *	claimed -> queued	the courier: later; or the next courier, which
 *				finds it claimed, and posts it again
 *	claimed -> done		the courier: HipChat has it
 *	claimed -> failed	the courier: it is in the list of the failed
 *				ones, with the reason
 *	claimed -> dropped	the courier: nobody wants it any more
 *	failed -> queued	an operator, as a new message
 *	failed -> dropped	a removal, an operator
 *
 * The text of whatever is done, failed (there is the copy in the list) or
 * dropped is blanked.  A courier that is killed leaves what it had claimed, and
 * the next one repeats it: a message is delivered at least once, and all of one
 * writer's in their order.
 *
 * On disk these are two journals (journal.h), outbox/queue and outbox/failed,
 * of lines
 *
 *	MARK KIND ID OAUTH_ID ROOM KEY {"webhook":...,"notification":...}
 *
 * with the mark q (in its list), c (claimed), d (done), f (failed) or
 * x (dropped), the kind m (a message) or r (a removal), and the key "-" if
 * there is none.  Older versions kept one file a message; the first courier
 * takes them over.
 *
 * Functions that return int return 0 or an HTTP status, with the reason in the
 * log, and these besides:
 *	500	a file that is missing, not ours or damaged
 *	503	the disk is full, or somebody else holds the message for now
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "datadir.h"
#include "installation.h"
#include "journal.h"
#include "seen.h"

/* Sizes, terminating NUL included. */
#define OUTBOX_ID_MAX 64
#define OUTBOX_KEY_MAX 33
#define OUTBOX_REASON_MAX 160
#define OUTBOX_WEBHOOK_MAX 256

enum outbox_kind {
	OUTBOX_MESSAGE, /* a notification for a room */
	OUTBOX_REMOVAL, /* HipChat is to be asked if it has removed this one */
};

enum outbox_list { OUTBOX_QUEUE, OUTBOX_FAILED };

/* How a claimed message ends. */
enum outbox_end {
	OUTBOX_DONE,	 /* HipChat has it, and its key is remembered */
	OUTBOX_GIVEN_UP, /* it goes to the failed ones, with the reason */
	OUTBOX_DROPPED,	 /* nobody wants it any more */
	OUTBOX_LATER,	 /* it is queued as before */
};

/* What belongs to a process.  Memory is taken only by the courier. */
struct outbox {
	const struct datadir *dir; /* the caller's; outlives the outbox */
	struct journal queue;
	struct journal failed;
	struct journal_reader reader; /* the courier's, of the queue */
	struct seen seen;	      /* the courier's */
};

/* One that was never opened, and may be closed. */
#define OUTBOX_CLOSED \
	{ \
		.queue = { .fd = -1 }, .failed = {.fd = -1 } \
	}

/* What is known of a message without its text. */
struct outbox_entry {
	enum outbox_kind kind;
	struct journal_place place; /* small: keep this, not the entry */
	char id[OUTBOX_ID_MAX];	    /* TIME-PID-N; it is in the log */
	char oauth_id[STORE_ID_MAX];
	int64_t room_id; /* 0: a removal */
	char key[OUTBOX_KEY_MAX];
	int64_t arrived; /* Unix time in s, from the id */
	bool claimed;	 /* when it was read, by a courier that may be dead */
};

struct outbox_message {
	enum outbox_kind kind;
	char id[OUTBOX_ID_MAX];
	char oauth_id[STORE_ID_MAX];
	int64_t room_id;
	char key[OUTBOX_KEY_MAX]; /* hexadecimal: same key, same message; or
				   * "" */
	char webhook[OUTBOX_WEBHOOK_MAX]; /* HipChat's message id; or "" */
	char reason[OUTBOX_REASON_MAX];	  /* why it failed; or "" */
	struct json_object *notification; /* NULL: a removal */
};

/* An outbox that opens, or makes, what it needs when it needs it. */
void outbox_init(struct outbox *box, const struct datadir *dir);

/*
 * Open the outbox in the data directory; make what is missing of it, durably.
 * It may stay open for as long as you like, and makes again whatever somebody
 * removes meanwhile.
 */
int outbox_open(struct outbox *box, const struct datadir *dir);

/* You may call it twice, after outbox_init(), and after outbox_open() has
 * failed. */
void outbox_close(struct outbox *box);

/* ---- for senders ---- */

/*
 * The key of the n-th notification (from 0) that a program sends because of
 * one message of an installation: if a webhook is delivered twice, the keys are
 * the same.
 */
void outbox_key(char key[OUTBOX_KEY_MAX], const char *oauth_id,
    const char *program, const char *message_id, unsigned int n);

/*
 * Queue a notification (which stays the caller's), durably.  Takes oauth_id,
 * room_id, key and webhook from the message, and fills in its id.
 */
int outbox_put(struct outbox *box, struct outbox_message *msg,
    struct json_object *notification);

/* Queue, durably: the courier shall ask HipChat if it has removed this one. */
int outbox_put_removal(struct outbox *box, const char *oauth_id);

/*
 * Drop all messages of an installation that are queued or failed, durably.
 * What the courier has claimed stays its business.  Costs one reading of what
 * is on disk, without parsing it.
 */
int outbox_forget(struct outbox *box, const char *oauth_id);

/* ---- for the courier, of which there is one at a time (wake.h) ---- */

/* Take over what older versions left, and be ready to read from the start. */
int outbox_begin(struct outbox *box);

/*
 * The next one that is not settled, each once, in the order in which they were
 * put.  Returns 404 if there are no more for now (not logged), which costs one
 * system call.  The place stays good until the entry is settled: by
 * outbox_settle(), but for OUTBOX_LATER, or by a 400, 404 or 409 from
 * outbox_claim().
 */
int outbox_next(struct outbox *box, struct outbox_entry *entry);

/*
 * Claim it, and read it.  After a 0 or 409, call outbox_release().  Returns
 *	400	it is no message, and now among the failed ones as it is
 *	404	somebody has dropped it (not logged)
 *	409	its key has been delivered within ten minutes, so it is
 *		dropped (not logged; the message is filled in)
 *	500, 503	it can't be read or marked; it stays queued
 */
int outbox_claim(struct outbox *box, const struct journal_place *place,
    struct outbox_message *msg);

/*
 * Settle what was claimed; the reason is that of OUTBOX_GIVEN_UP.  Returns 0,
 * or 500 or 503 if the list of failed ones can't be written: then the message
 * is queued as before.  If a mark can't be written, which is logged, the next
 * courier repeats the message, but this one has done with it.
 */
int outbox_settle(struct outbox *box, const struct journal_place *place,
    const struct outbox_message *msg, enum outbox_end end, const char *reason);

void outbox_release(struct outbox_message *msg);

/*
 * Once a minute, and before leaving: throw away what is settled and older than
 * ten minutes.  Never waits for a lock.
 */
void outbox_tidy(struct outbox *box);

/* ---- for operators, whether a courier runs or not ---- */

struct outbox_reader {
	struct journal_reader journal;
};

/* Read one of the lists from its start; what is put meanwhile may be missed. */
int outbox_read_begin(struct outbox_reader *r, const struct outbox *box,
    enum outbox_list list);

/* The next one that is not settled; 404: that was all (not logged). */
int outbox_read_next(struct outbox_reader *r, struct outbox_entry *entry);

/*
 * After a 0, call outbox_release().  Returns 404 (not logged) if it has been
 * settled meanwhile, or 400 if it is no message.
 */
int outbox_read_message(const struct outbox_entry *entry,
    struct outbox_message *msg);

/* Drop it; 404: it is claimed or settled by now (not logged). */
int outbox_drop(const struct outbox_entry *entry);

/*
 * Queue a failed one, durably, as if it came now; its new id goes to id.  If it
 * returns 0, the failed one is dropped.
 */
int outbox_retry(struct outbox *box, const struct outbox_entry *entry,
    char id[OUTBOX_ID_MAX]);

/* Make durable what was dropped. */
int outbox_read_end(struct outbox_reader *r);

#endif
