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
#include "json.h"
#include "removal.h"
#include "store.h"

/* Read the body: the credentials of one installation. */
static int
read_installation(struct cgi *cgi, struct installation *inst)
{
	const char *why;
	struct json_object *doc = json_read(cgi->body, cgi->body_len, &why);

	if (doc != NULL)
		why = installation_read(doc, inst);
	json_object_put(doc);
	return why == NULL ? 0 : cgi_error(cgi, 400, "JSON body: %s", why);
}

static int
install(struct cgi *cgi, const struct config *cfg)
{
	struct installation inst;
	struct token token;
	struct store st;
	int status;

	if ((status = read_installation(cgi, &inst)) != 0)
		return status;
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

static int
installed(struct cgi *cgi, const struct config *cfg)
{
	int status;

	if (cgi->method == CGI_POST)
		return *cgi->path_info == '\0' ? install(cgi, cfg) : 404;
	if (*cgi->path_info == '\0')
		return cgi_error(cgi, 400, "DELETE needs /installed/ID");
	status = removal_by_id(cfg, cgi->path_info + 1);
	return status == 0 ? 204 : status;
}

int
main(void)
{
	struct cgi cgi;
	struct config cfg;
	int status;

	status = cgi_read(&cgi, "installed",
	    CGI_POST | CGI_DELETE | CGI_PATH);
	if (status == 0)
		status = config_read(&cfg);
	if (status == 0)
		status = installed(&cgi, &cfg);
	return cgi_answer(&cgi, status);
}
