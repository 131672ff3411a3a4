/*
 * /uninstalled: an installation is gone.
 *
 * GET: HipChat sends the user's browser with redirect_url and
 * installable_url; it goes back to the first when the installation that the
 * second describes is forgotten.
 *
 * POST: the same two, or an oauthId, as JSON, form or query.
 */
#include "cgi.h"
#include "config.h"
#include "removal.h"

static int
uninstalled(struct cgi *cgi, const struct config *cfg)
{
	struct removal removal;
	int status;

	status = removal_read(&removal, cgi, cfg);
	if (status != 0)
		return status;
	if (cgi->method == CGI_GET && (*removal.redirect_url == '\0' ||
	    *removal.installable_url == '\0'))
		return cgi_error(cgi, 400,
		    "redirect_url and installable_url are needed");

	if (*removal.installable_url != '\0')
		status = removal_by_document(cfg, removal.installable_url);
	else if (*removal.oauth_id != '\0')
		status = removal_by_id(cfg, removal.oauth_id);
	else
		return cgi_error(cgi, 400,
		    "oauthId or installable_url is needed");
	if (status != 0)
		return status;
	if (*removal.redirect_url != '\0')
		return cgi_redirect(cgi, removal.redirect_url);
	return 204;
}

int
main(void)
{
	struct cgi cgi;
	struct config cfg;
	int status;

	status = cgi_read(&cgi, "uninstalled", CGI_GET | CGI_POST);
	if (status == 0)
		status = config_read(&cfg);
	if (status == 0)
		status = uninstalled(&cgi, &cfg);
	return cgi_answer(&cgi, status);
}
