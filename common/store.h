/*
 * store: who installed the add-on, the tokens that HipChat gave us, and what
 * endpoints remember.  This is the policy: who may replace and remove what.
 * How records survive a kill -9 at any instruction is in book.h.
 *
 *	DATA_DIR/installations/	the truth: key oauthId, value JSON
 *	DATA_DIR/tokens/	a cache, in the same form
 *	DATA_DIR/settings/	what endpoints keep, in the same form
 *
 * All functions return 0 or an HTTP status, with the reason in the log:
 *	HTTP_NOT_FOUND	no such record or file (store_find, store_find_token,
 *			store_stamp; not logged)
 *	HTTP_CONFLICT	the record is not the expected one (store_put,
 *			store_remove, store_put_token, store_set)
 *	HTTP_INTERNAL_SERVER_ERROR, HTTP_SERVICE_UNAVAILABLE	see book.h
 */
#ifndef STORE_H
#define STORE_H

#include "book.h"
#include "installation.h"

struct store {
	struct book installations;
	struct book tokens;
	struct book settings;
	bool hurried; /* never wait for the lock: if it is busy, a change is
		       * HTTP_SERVICE_UNAVAILABLE, not logged */
};

/*
 * The directory must stay open as long as the store is used.  The store is not
 * hurried; whoever has others waiting sets that afterwards.
 */
int store_open(struct store *st, const struct datadir *dir);

/*
 * From now on, what is found is kept there, and an unchanged file is not read
 * again.  The memory outlives the store.
 */
void store_remember(struct store *st, struct memory *memory);

/*
 * The stamp of the installation's record, as book_stamp().  HTTP_NOT_FOUND says
 * that the folder is missing, not the installation.
 */
int
store_stamp(const struct store *st, const char *oauth_id, struct stamp *stamp);

int store_find(const struct store *st, const char *oauth_id,
    struct installation *inst);

/*
 * The oauth_ids of all installations, each terminated by a NUL and the last one
 * by two.  The caller frees them; on failure there are none, *ids is NULL.
 */
int store_ids(const struct store *st, char **ids);

/*
 * Add the installation, or replace the one with the same oauth_id.  old is what
 * was stored when the proof began (all zero: nothing).  If the secret that is
 * stored now is neither of these two, somebody was faster: a conflict.
 */
int store_put(const struct store *st, const struct installation *inst,
    const struct installation *old);

/*
 * Remove the installation, its token and its settings, if its secret is still
 * this one.
 * An unknown id is success; another secret is a conflict: somebody has
 * installed again since the caller looked.
 */
int store_remove(const struct store *st, const struct installation *inst);

int store_find_token(const struct store *st, const char *oauth_id,
    struct token *token);

/*
 * Store the token beside its installation, if that is there, with this secret:
 * otherwise it was removed or installed again in the meantime, a conflict.
 */
int store_put_token(const struct store *st, const struct installation *inst,
    const struct token *token);

/*
 * The settings of an installation, strings by name, in an object that the
 * caller releases; an empty one if there are none, NULL on failure.
 */
int store_settings(const struct store *st, const char *oauth_id,
    struct json_object **settings);

/*
 * Give one of them a value, or remove it ("").  As JSON, all settings of an
 * installation must be less than BOOK_VALUE_MAX bytes, or it returns
 * HTTP_CONTENT_TOO_LARGE.  If the installation is not there, a conflict.
 */
int store_set(const struct store *st, const char *oauth_id, const char *name,
    const char *value);

#endif
