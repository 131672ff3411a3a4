/*
 * /installed: HipChat gives the add-on its credentials, or takes them back.
 *
 * POST: who says so must be a HipChat server on the list of allowed hosts,
 * and the credentials must be good for a token there.  Only then, and only
 * when they are safely on disk, is the answer 200.
 *
 * DELETE /installed/ID: HipChat has removed installation ID.
 */
#include "cgi.h"
#include "config.h"
#include "hipchat.h"
#include "removal.h"
#include "sandbox.h"
#include "store.h"

static int
install(struct cgi *cgi, const struct config *cfg)
{
	struct installation inst;
	struct token token;
	struct store st;
	const char *why;
	int status;

	why = installation_parse(cgi->body, cgi->body_len, &inst);
	if (why != NULL)
		return cgi_error(cgi, 400, "JSON body: %s", why);
	if ((status = store_open(&st, cfg->data_dir)) != 0)
		return status;
	status = hipchat_discover(cfg, &inst);
	if (status == 0)
		status = hipchat_token(cfg, &inst, &token);
	if (status == 0)
		status = store_put(&st, &inst);
	if (status == 0)
		status = store_put_token(&st, inst.oauth_id, &token);
	store_close(&st);
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
	    .writable = cfg.data_dir, .network = true, .cpu_seconds = 10 });
	if (cgi.method == CGI_POST)
		status = install(&cgi, &cfg);
	else
		status = removal_by_id(&cfg, cgi.path_info + 1);
	return cgi_answer(&cgi, status);
}
