/*
 * GET /capabilities: the descriptor that tells HipChat what this add-on is,
 * what it may do and where its other endpoints are.
 *
 * It is templates/capabilities.json with the names below filled in.  Edit
 * that file to ask for more scopes or to declare more webhooks.
 */
#include "cgi.h"
#include "config.h"
#include "sandbox.h"
#include "template.h"

static int
capabilities(struct cgi *cgi, const struct config *cfg)
{
	const struct template_value values[] = {
		{ "name", cfg->addon_name },
		{ "key", cfg->addon_key },
		{ "base_url", cfg->base_url },
		{ "webhook_auth", cfg->webhook_jwt ? "jwt" : "none" },
		{ NULL, NULL }
	};
	char *json;
	size_t len;
	int status;

	status = template_render(cfg->template_dir, "capabilities.json",
	    values, &json, &len);
	if (status != 0)
		return status;
	return cgi_document(cgi, json, len);
}

int
main(void)
{
	struct cgi cgi;
	struct config cfg;
	int status = cgi_read(&cgi, "capabilities", CGI_GET | CGI_HEAD);

	if (status == 0)
		status = config_read(&cfg);
	if (status == 0)
		status = config_base_url(&cfg);
	if (status == 0) {
		sandbox_enter(&(struct sandbox){
		    .readable = cfg.template_dir, .cpu_seconds = 10,
		    .debug = cfg.debug });
		status = capabilities(&cgi, &cfg);
	}
	return cgi_answer(&cgi, status);
}
