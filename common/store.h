/*
 * store: who installed the add-on, and the tokens that HipChat gave us, in
 * Berkeley DB files that survive a kill -9 at any instruction.
 *
 *	DIR/installations.db	the truth: key oauthId, value a JSON object
 *	DIR/tokens.db		a cache, in the same form
 *	DIR/lock		never renamed, never removed
 *
 * The locking protocol
 *
 * A database file is never changed in place.  Readers open it read-only and
 * take no lock: the name always leads to a whole file, the old or the new.
 * A writer
 *	1. takes flock(LOCK_EX) on "lock" (10 s at most, then 503); the kernel
 *	   gives it back when the process dies, however it dies;
 *	2. unlinks X.db.tmp and __db.X.db.tmp, which a killed writer may have
 *	   left (Berkeley DB creates under the second name, and a creator that
 *	   finds it would wait for its owner for ever);
 *	3. copies every record, and the change, into a new X.db.tmp;
 *	4. closes it, fsyncs it, renames it to X.db, fsyncs the directory;
 *	5. and only then lets go of the lock and reports success.
 * Nobody touches the network, or waits for anybody else, under the lock.
 *
 * Each operation opens its own private environment (DB_PRIVATE: its mutexes
 * die with the process) with the directory as explicit home.
 *
 * All functions return 0 or an HTTP status, with the reason in the log:
 *	404	no such record (store_find, store_find_token; not logged)
 *	409	the record is not the expected one (store_put, store_remove)
 *	500	a directory or file that is missing, not ours or damaged
 *	503	the lock was not free in time, or the disk is full
 */
#ifndef STORE_H
#define STORE_H

#include <stdint.h>

#include <json-c/json.h>

/* Field sizes, terminating NUL included. */
#define STORE_ID_MAX 256
#define STORE_SECRET_MAX 256
#define STORE_TOKEN_MAX 2048
#define STORE_URL_MAX 2048

/* One installation, as HipChat posts it, and what discovery adds. */
struct installation {
	char oauth_id[STORE_ID_MAX];		/* A-Z a-z 0-9 - . _ ~ */
	char oauth_secret[STORE_SECRET_MAX];
	char capabilities_url[STORE_URL_MAX];
	int64_t group_id;
	int64_t room_id;			/* 0: the whole group */
	char token_url[STORE_URL_MAX];
	char api_url[STORE_URL_MAX];
};

struct token {
	char text[STORE_TOKEN_MAX];
	int64_t expires;		/* Unix time; from then on unfit */
};

struct store {
	const char *dir;	/* the caller's; outlives the store */
	int dirfd;
};

/*
 * Read oauthId, oauthSecret, capabilitiesUrl, groupId and roomId from the JSON
 * that HipChat sent (Connect, server-side installation); text[len] must be
 * NUL.  Unknown members are ignored.  Returns NULL, or a static reason that
 * names the member; *inst is then unspecified.
 */
const char *installation_parse(const char *text, size_t len,
    struct installation *inst);

/* Is the text an id that an installation may have? */
int installation_id_fits(const char *id);

/*
 * Open the directory, which must be ours and not writable by others.  Sets
 * the umask to 077.  500 also when the Berkeley DB library is not the one
 * that the program was compiled for.
 */
int store_open(struct store *st, const char *dir);
void store_close(struct store *st);

int store_find(const struct store *st, const char *oauth_id,
    struct installation *inst);

/* The oauth_ids of all installations, an array that the caller releases. */
int store_ids(const struct store *st, struct json_object **ids);

/*
 * Add the installation, or replace the one of the same oauth_id.  old is what
 * was stored when the proof began (all zero: nothing), or NULL for whatever
 * there is: where another secret is stored by now, it is a 409, for somebody
 * was faster.
 */
int store_put(const struct store *st, const struct installation *inst,
    const struct installation *old);

/*
 * Remove the installation if it is still the one with this secret, and its
 * token.  An unknown id is success; another secret is a 409: since it was
 * looked at, somebody installed anew.
 */
int store_remove(const struct store *st, const struct installation *inst);

int store_find_token(const struct store *st, const char *oauth_id,
    struct token *token);
int store_put_token(const struct store *st, const char *oauth_id,
    const struct token *token);

#endif
