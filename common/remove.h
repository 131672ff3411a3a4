/*
 * remove: HipChat says in three forms that an installation is gone, each with
 * a proof; or an operator says so.
 *
 * All functions return 0 or an HTTP status, with the reason in the log; each
 * removal has a line there, too.  Removing an unknown id is success.
 */
#ifndef REMOVE_H
#define REMOVE_H

#include <stdbool.h>

#include "cgi.h"
#include "config.h"
#include "datadir.h"

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
int remove_by_id(const struct config *cfg, const struct datadir *dir,
    const char *oauth_id);

/*
 * Form B: a browser came.  GET the document at installable_url, on an allowed
 * host, and remove the installation that it names, if it holds the stored
 * secret.  If it holds none, go on as in forms A and C, but return 0 instead of
 * 409, so that the browser is sent on; the installation stays.  Returns 403 if
 * the document holds another secret than the stored one, HOST_NOT_ALLOWED, or
 * 502 if there is no such document.
 */
int remove_by_document(const struct config *cfg, const struct datadir *dir,
    const struct removal *removal);

/*
 * The operator says so: nobody is asked, and a running courier goes on without
 * it.  Here, an unknown id is a 404 (not logged).
 */
int remove_by_operator(const struct datadir *dir, const char *oauth_id);

#endif
