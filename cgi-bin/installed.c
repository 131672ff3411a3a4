/*
 * /installed: HipChat gives the add-on its credentials, or takes them back.
 *
 * POST: who says so must be a HipChat server on the list of allowed hosts,
 * and the credentials must be good for a token there.  Only then, and only
 * when they are safely on disk, is the answer 200.
 *
 * DELETE /installed/ID: HipChat has removed installation ID.  That it has is
 * proved when it refuses a token to the credentials.
 */
#include "cgi.h"
#include "config.h"
#include "install.h"
#include "removal.h"
#include "sandbox.h"
#include "store.h"

static int
installed(struct cgi *cgi, const struct config *cfg)
{
	struct installation inst;
	const char *why;
	int status;

	if (cgi->method == CGI_DELETE)
		return removal_by_id(cfg, cgi->path_info + 1);
	why = installation_parse(cgi->body, cgi->body_len, &inst);
	if (why != NULL)
		return cgi_error(cgi, 400, "JSON body: %s", why);
	status = install(cfg, &inst);
	return status == 0 ? 200 : status;
}

int
main(void)
{
	struct cgi cgi;
	struct config cfg;
	int status = cgi_read(&cgi, "installed", CGI_POST | CGI_DELETE);

	if (status == 0)
		status = config_read(&cfg);
	if (status != 0)
		return cgi_answer(&cgi, status);
	sandbox_enter(&(struct sandbox){ .readable = cfg.ca_file,
	    .writable = cfg.data_dir, .network = true, .cpu_seconds = 10,
	    .debug = cfg.debug });
	status = installed(&cgi, &cfg);
	return cgi_answer(&cgi, status);
}
