/*
 * outbox: notifications that are on disk and not yet at HipChat, and the
 * trigger that wakes the courier, who delivers them.
 *
 *	DATA_DIR/outbox/tmp/	being written
 *	DATA_DIR/outbox/new/	TIME-PID-N: one JSON file a notification; the
 *				names sort in the order of arrival
 *	DATA_DIR/outbox/failed/	given up, each with its "reason"
 *	DATA_DIR/outbox/seen/	KEY: what was delivered in the last ten minutes
 *	DATA_DIR/outbox/trigger	a FIFO
 *	DATA_DIR/outbox/lock	held by the one courier
 *	DATA_DIR/outbox/status.json	what the courier waits for, and why
 *
 * A file is written below tmp/, fsynced and renamed, and then the directory
 * is fsynced: so new/ holds whole files only, and what outbox_put() has
 * acknowledged survives the machine's death.
 *
 * Waking.  The courier holds the trigger open for reading and sleeps in
 * poll(2).  A sender opens the trigger for writing; a byte wakes the courier,
 * and ENXIO says that none runs, so that one is to be started.  As a sender
 * gives up the right to start programs before it looks at what a client sent
 * (sandbox.h), it asks first: outbox_reserve() opens the trigger, and where no
 * courier runs, forks a child that can start one.  After the message is put,
 * outbox_wake() writes the byte, or tells the child to go on.
 *
 * A sender that has found a courier counts on it, and has no child.  So a
 * courier stays, asleep, as long as anybody has the trigger open for writing,
 * however slowly a client sends its webhook: a FIFO tells its reader.  Opening
 * and leaving exclude each other by an flock on the outbox directory, which a
 * sender shares while it opens, and no longer.  A courier that gets it alone,
 * and finds neither writers nor a byte, (1) closes the trigger, (2) unlocks
 * "lock" and directory, (3) looks into new/ once more, and goes on if it finds
 * a message and can lock again.
 *
 * So a message put before (1) is found by (3).  A sender that opens after (1)
 * starts a new courier.  If that one finds "lock" held, the holder has yet to
 * take its first look, or (3), and will find the message.
 *
 * Functions that return int return 0 or an HTTP status, the reason in the log:
 *	404	the message is not there (any more; not logged)
 *	500	a directory or file that is missing, not ours or damaged
 *	503	the disk is full
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "datadir.h"
#include "installation.h"

/* Seconds in which the same message is not delivered twice. */
#define OUTBOX_SEEN_SECONDS 600

/* Sizes, terminating NUL included. */
#define OUTBOX_NAME_MAX 64
#define OUTBOX_KEY_MAX 33
#define OUTBOX_REASON_MAX 160
#define OUTBOX_WEBHOOK_MAX 256

struct outbox {
	const struct datadir *dir;	/* the caller's; outlives the outbox */
	int dirfd;	/* DATA_DIR/outbox */
	int trigger;	/* open for writing; of a courier, so that its read end
			 * does not report every sender's hang-up; or -1 */
	int starter;	/* to the child that can start a courier, or -1 */
};

struct outbox_message {
	char name[OUTBOX_NAME_MAX];	/* by which the log knows it */
	char oauth_id[STORE_ID_MAX];
	int64_t room_id;
	char key[OUTBOX_KEY_MAX];	/* same key, same message; or "" */
	char webhook[OUTBOX_WEBHOOK_MAX]; /* HipChat's message id; or "" */
	char reason[OUTBOX_REASON_MAX];	/* why it failed; or "" */
	struct json_object *doc;
	struct json_object *notification;	/* part of doc */
};

/* Open the outbox in the data directory, making what is missing of it. */
int outbox_open(struct outbox *box, const struct datadir *dir);
void outbox_close(struct outbox *box);

/* ---- for who sends ---- */

/*
 * The key of the n-th notification (from 0) that a program sends because of
 * one message of an installation: the same webhook delivered twice gives the
 * same keys.
 */
void outbox_key(char key[OUTBOX_KEY_MAX], const char *oauth_id,
    const char *program, const char *message_id, unsigned int n);

/*
 * Put a notification (kept by the caller) into new/, durably.  Of the message,
 * oauth_id, room_id, key and webhook are taken; its name is filled in.
 */
int outbox_put(const struct outbox *box, struct outbox_message *msg,
    struct json_object *notification);

/*
 * Prepare to wake the courier, or to start the one at this path (NULL:
 * "courier" beside the running program).  Failing is logged and no error: the
 * message will be safe, and the next one tries again.
 */
void outbox_reserve(struct outbox *box, const char *courier);

/* Wake the courier, or let the one that was reserved start. */
void outbox_wake(const struct outbox *box);

/* Remove the messages of an installation, failed and delivered ones too. */
int outbox_forget(const struct outbox *box, const char *oauth_id);

/* ---- for the courier ---- */

/* Open the trigger for reading, or return -1. */
int outbox_trigger(struct outbox *box);

/* After the trigger has fired: empty it, and be ready for more. */
void outbox_woken(struct outbox *box, int trigger);

/* Try to become the courier: the lock's descriptor, or -1 if one runs. */
int outbox_lock(const struct outbox *box);

/*
 * Steps 1 and 2 of leaving: false where a sender counts on this courier, whose
 * trigger then wakes it by a byte or, when the last such sender has gone
 * without one, by its hang-up; else both descriptors are closed.
 */
bool outbox_leave(struct outbox *box, int trigger, int lock);

/*
 * What is in one of the directories ("new", "failed"), sorted by d_name, for
 * outbox_list_free().  Returns how many, or -1.
 */
int outbox_list(const struct outbox *box, const char *dir,
    struct dirent ***list);
void outbox_list_free(struct dirent **list, int n);

/* Unix time at which the message of that name was put. */
int64_t outbox_arrival(const char *name);

/*
 * Read a message; the caller calls outbox_release() after a 0.  Else 404, 500
 * for a file that is no message, 503 when descriptors are out.
 */
int outbox_load(const struct outbox *box, const char *dir, const char *name,
    struct outbox_message *msg);
void outbox_release(struct outbox_message *msg);

/* Was a message of this key, put within ten minutes of it, delivered? */
bool outbox_seen(const struct outbox *box, const char *name, const char *key);

/* HipChat has it: move it to seen/, or away if it has no key or that fails. */
void outbox_delivered(const struct outbox *box, const char *name,
    const char *key);

/* Remove a message; false, logged, if it is still there. */
bool outbox_remove(const struct outbox *box, const char *dir,
    const char *name);

/* Move a message to failed/, and add the reason; 404 if it is not there. */
int outbox_fail(const struct outbox *box, const char *name,
    struct outbox_message *msg, const char *reason);

/* Move a file that is no message to failed/ as it is. */
void outbox_set_aside(const struct outbox *box, const char *name);

/*
 * The courier's status.json: read it (NULL where there is none; the caller
 * releases it), and replace it.
 */
struct json_object *outbox_read_status(const struct outbox *box);
void outbox_write_status(const struct outbox *box, struct json_object *doc);

/* Put a failed message into new/ again, as if it had arrived now. */
int outbox_retry(const struct outbox *box, const char *name,
    struct outbox_message *msg);

/*
 * Remove what killed programs left below tmp/, and keys that were ten minutes
 * old when the oldest message in the queue arrived (Unix time).
 */
void outbox_sweep(const struct outbox *box, int64_t oldest);

#endif
