/*
 * outbox: notifications that are on disk and not yet at HipChat.  The courier
 * delivers them; wake.h says how it is woken.
 *
 *	DATA_DIR/outbox/tmp/	being written
 *	DATA_DIR/outbox/new/	TIME-PID-N: one JSON file a notification; the
 *				names sort in the order of arrival
 *	DATA_DIR/outbox/failed/	given up, each with a "reason"
 *	DATA_DIR/outbox/seen/	KEY: what was delivered in the last ten minutes
 *	DATA_DIR/outbox/trigger	a FIFO
 *	DATA_DIR/outbox/lock	held by the one courier
 *	DATA_DIR/outbox/lanes.json	what the courier waits for, and why
 *
 * A file is written in tmp/, fsynced and renamed, and then the directory is
 * fsynced.  So new/ holds only complete files, and what outbox_put() has
 * acknowledged survives a crash of the machine.
 *
 * Functions that return int return 0 or an HTTP status, with the reason in the
 * log:
 *	404	the message is not there, or no longer (not logged)
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
	const struct datadir *dir; /* the caller's; outlives the outbox */
	int dirfd;		   /* DATA_DIR/outbox */
	int trigger; /* open for writing, or -1; also in the courier, so that
			 * its read end does not report every hang-up */
	int starter; /* to the child that can start a courier, or -1 */
};

struct outbox_message {
	char name[OUTBOX_NAME_MAX]; /* its file's; the log uses it, too */
	char oauth_id[STORE_ID_MAX];
	int64_t room_id;
	char key[OUTBOX_KEY_MAX];	  /* same key, same message; or "" */
	char webhook[OUTBOX_WEBHOOK_MAX]; /* HipChat's message id; or "" */
	char reason[OUTBOX_REASON_MAX];	  /* why it failed; or "" */
	struct json_object *doc;
	struct json_object *notification; /* part of doc */
};

/* Open the outbox in the data directory; make what is missing of it. */
int outbox_open(struct outbox *box, const struct datadir *dir);
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
 * Put a notification (which stays the caller's) into new/, durably.  Takes
 * oauth_id, room_id, key and webhook from the message, and fills in its name.
 */
int outbox_put(const struct outbox *box, struct outbox_message *msg,
    struct json_object *notification);

/* Remove the messages of an installation, failed and delivered ones, too. */
int outbox_forget(const struct outbox *box, const char *oauth_id);

/* ---- for the courier ---- */

/* Try to become the courier: the lock's descriptor, or -1 if one runs. */
int outbox_lock(const struct outbox *box);

/*
 * What is in one of the directories ("new", "failed"), sorted by d_name; free
 * it with outbox_list_free().  Returns how many, or -1.
 */
int
outbox_list(const struct outbox *box, const char *dir, struct dirent ***list);
void outbox_list_free(struct dirent **list, int n);

/* Unix time at which the message of that name was put. */
int64_t outbox_arrival(const char *name);

/*
 * Read a message.  After a 0, call outbox_release().  Otherwise 404, 500 for a
 * file that is not a message, or 503 if there are no descriptors left.
 */
int outbox_load(const struct outbox *box, const char *dir, const char *name,
    struct outbox_message *msg);
void outbox_release(struct outbox_message *msg);

/* Was a message of this key, put within ten minutes of it, delivered? */
bool outbox_seen(const struct outbox *box, const char *name, const char *key);

/* HipChat has it: move it to seen/, or remove it if it has no key. */
void
outbox_delivered(const struct outbox *box, const char *name, const char *key);

/* Remove a message; false, logged, if it is still there. */
bool outbox_remove(const struct outbox *box, const char *dir, const char *name);

/* Move a message to failed/, and add the reason; 404 if it is not there. */
int outbox_fail(const struct outbox *box, const char *name,
    struct outbox_message *msg, const char *reason);

/* Move a file that is not a message to failed/ as it is. */
void outbox_set_aside(const struct outbox *box, const char *name);

/*
 * The courier's lanes.json: read it (NULL if there is none; the caller
 * releases it), and replace it.
 */
struct json_object *outbox_read_lanes(const struct outbox *box);
void outbox_write_lanes(const struct outbox *box, struct json_object *doc);

/* Put a failed message into new/ again, as if it had arrived now. */
int outbox_retry(const struct outbox *box, const char *name,
    struct outbox_message *msg);

/*
 * Remove what killed programs left in tmp/, and keys that were ten minutes old
 * when the oldest message in the queue arrived (Unix time).
 */
void outbox_sweep(const struct outbox *box, int64_t oldest);

#endif
