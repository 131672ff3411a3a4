/*
 * install: HipChat gives the add-on the credentials of an installation.
 */
#ifndef INSTALL_H
#define INSTALL_H

#include "cgi.h"
#include "config.h"
#include "datadir.h"
#include "installation.h"

/*
 * Read the installation that HipChat posts (Connect, server-side installation)
 * from the request's body.  Returns 0, or 400, and names the member.
 */
int install_read(struct installation *inst, struct cgi *cgi);

/*
 * Store an installation that was posted, with a first token, if there is proof:
 * its HipChat is an allowed one, names itself by capabilities_url, and grants a
 * token to these credentials.  A stored one is replaced only with the same
 * proof from the same HipChat.  Fills token_url, api_url and installed.
 *
 * Returns 0 when all is on disk, which is logged, or a status, with the reason
 * in the log:
 *	403	the host, the secret, or another HipChat than the stored one's
 *	409	in the meantime, it was installed with another secret
 *	502	HipChat does not answer as it should
 *	500, 503 the store
 */
int install(const struct config *cfg, const struct datadir *dir,
    struct installation *inst);

#endif
