/*
 * remove: HipChat says in three forms that an installation is gone, each with
 * a proof; or an operator says so.
 *
 * First the installation is removed, with its token and settings, then its
 * messages, from the outbox in the same data directory.  What is put in between
 * is not delivered: the courier finds it to be of no installation.
 *
 * All functions return 0 or an HTTP status, with the reason in the log; each
 * removal has a line there, too.  Removing an unknown id is success.
 */
#ifndef REMOVE_H
#define REMOVE_H

#include <stdbool.h>

#include "cgi.h"
#include "config.h"
#include "endpoint.h"
#include "outbox.h"
#include "store.h"

/* What a request to /uninstalled may contain; "" if it does not. */
struct removal {
	bool browser; /* GET: a user's, to be sent back */
	char oauth_id[CGI_URL_MAX];
	char redirect_url[CGI_URL_MAX];
	char installable_url[CGI_URL_MAX];
};

/*
 * Read the parameters from the query and, for a POST, from the body, as JSON
 * or as a form.  A GET needs both URLs, a POST oauthId or installable_url, and
 * a redirect_url must be on an allowed host.  Returns 0 or 400.
 */
int
remove_read(struct removal *removal, struct cgi *cgi, const struct config *cfg);

/*
 * Forms A and C: only an id came.  Ask HipChat for a token with the stored
 * credentials; if it refuses, remove the installation.  Returns 404 for an
 * invalid id, 409 if HipChat still grants a token, or 503 if it does not
 * answer.
 */
int remove_by_id(struct process *process, const char *oauth_id);

/*
 * Form B: a browser came.  GET the document at installable_url, on an allowed
 * host, and remove the installation that it names, if it holds the stored
 * secret.  If it holds none, go on as in forms A and C, but where HipChat still
 * grants a token, return 0, so that the browser is sent on, and leave it to the
 * courier, which is woken, to ask again.  Returns 403 if the document holds
 * another secret than the stored one, HOST_NOT_ALLOWED, or 502 if there is no
 * such document.
 */
int remove_by_document(struct process *process, const struct removal *removal);

/*
 * The courier says so: HipChat has refused a token to these credentials.  The
 * installation stays if it has another secret by now (409).  If the store is
 * hurried, 503 may just mean that it is busy (not logged): try again later.
 * What the courier has claimed is the courier's to drop.
 */
int remove_refused(const struct store *st, struct outbox *box,
    const struct installation *inst);

/*
 * The operator says so: nobody is asked, and a running courier goes on without
 * it.  Here, an unknown id is a 404 (not logged).
 */
int remove_by_operator(const struct datadir *dir, struct outbox *box,
    const char *oauth_id);

#endif
