/*
 * /uninstalled: an installation is gone.
 *
 * GET: HipChat sends the user's browser with redirect_url and installable_url.
 * The installation that the second describes is removed, and the browser is
 * sent back to the first.  If HipChat has yet to revoke it, the courier asks
 * again when the browser is back.
 *
 * POST: the same two, or an oauthId, as JSON, form or query.
 */
#include "endpoint.h"
#include "remove.h"

static int
uninstalled(struct cgi *cgi, struct process *process)
{
	struct removal gone;
	int status = remove_read(&gone, cgi, &process->cfg);

	if (status != 0)
		return status;
	if (*gone.installable_url != '\0')
		status = remove_by_document(process, &gone);
	else
		status = remove_by_id(process, gone.oauth_id);
	if (status == 0 && *gone.redirect_url != '\0')
		status = cgi_redirect(cgi, gone.redirect_url);
	return status;
}

int
main(void)
{
	return endpoint_main(&(struct endpoint){ .name = "uninstalled",
	    .methods = CGI_GET | CGI_POST,
	    .keeps = KEEP_DATA | KEEP_COURIER | KEEP_NETWORK,
	    .serve = uninstalled });
}
