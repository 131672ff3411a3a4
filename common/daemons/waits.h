/*
 * waits: what the courier waits for, in DATA_DIR/waits.json, so that the next
 * one waits on, and "courier --status" can tell.
 *
 *	{"waits": [{"until": UNIX TIME, "error": "...",
 *	    "oauthId": "...", "roomId": 1}, ...]}
 *
 * A room waits, an installation (without roomId), or a host ("host" instead of
 * oauthId).  The file is a hint: it is not fsynced, it names at most WAITS_MAX,
 * and whoever can't read it does without.
 */
#ifndef WAITS_H
#define WAITS_H

#include "daemons/lanes.h"

#define WAITS_MAX 1000

/* One of them; oauth_id or host is "". */
struct wait {
	const char *oauth_id, *host, *error;
	int64_t room_id; /* 0: all rooms */
	int64_t until;	 /* Unix time */
};

/* Write the file; now is lanes' time.  A failure is logged. */
void waits_save(struct lanes *all, const struct datadir *dir, int64_t now);

/* Let the lanes, of messages that are queued, wait on. */
void waits_load(struct lanes *all, const struct datadir *dir, int64_t now);

/* Call take() for each that is not over yet. */
void waits_read(const struct datadir *dir,
    void (*take)(const struct wait *wait, void *arg), void *arg);

/* Remove the file: nobody waits. */
void waits_forget(const struct datadir *dir);

#endif
