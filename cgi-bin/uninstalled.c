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
#include "sandbox.h"

static int
uninstalled(struct cgi *cgi, const struct config *cfg)
{
	struct removal gone;
	int status;

	if ((status = removal_read(&gone, cgi, cfg)) != 0)
		return status;
	if (*gone.installable_url != '\0')
		status = removal_by_document(cfg, gone.installable_url);
	else
		status = removal_by_id(cfg, gone.oauth_id);
	if (status == 0 && *gone.redirect_url != '\0')
		status = cgi_redirect(cgi, gone.redirect_url);
	return status;
}

int
main(void)
{
	struct cgi cgi;
	struct config cfg;
	int status = cgi_read(&cgi, "uninstalled", CGI_GET | CGI_POST);

	if (status == 0)
		status = config_read(&cfg);
	if (status != 0)
		return cgi_answer(&cgi, status);
	sandbox_enter(&(struct sandbox){ .readable = cfg.ca_file,
	    .writable = cfg.data_dir, .network = true, .cpu_seconds = 10,
	    .debug = cfg.debug });
	status = uninstalled(&cgi, &cfg);
	return cgi_answer(&cgi, status);
}
