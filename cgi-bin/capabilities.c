/*
 * GET /capabilities: the descriptor that tells HipChat what this add-on is,
 * what it may do and where its other endpoints are.
 *
 * It is templates/capabilities.json with the names below filled in.  Edit
 * that file to ask for more scopes or to declare more webhooks.
 */
#include "endpoint.h"
#include "hosts.h"
#include "template.h"

static int
capabilities(struct cgi *cgi, struct process *process)
{
	const struct config *cfg = &process->cfg;
	char base_url[CGI_URL_MAX], host[CGI_URL_MAX], *json;
	const struct template_value values[] = {
		{ "name", cfg->addon_name },
		{ "key", *cfg->addon_key != '\0' ? cfg->addon_key : host },
		{ "base_url", base_url },
		{ "webhook_auth", cfg->webhook_jwt ? "jwt" : "none" },
		{ NULL, NULL },
	};
	size_t len;
	int status = cgi_base_url(cgi, cfg->base_url, base_url);

	if (status != 0)
		return status;
	hosts_name(base_url, host);
	status = template_render(&process->template, cfg->template_dir,
	    "capabilities.json", values, &json, &len);
	if (status != 0)
		return status;
	return cgi_document(cgi, json, len, *cfg->base_url != '\0');
}

int
main(void)
{
	return endpoint_main(&(struct endpoint){ .name = "capabilities",
	    .methods = CGI_GET | CGI_HEAD,
	    .keeps = KEEP_TEMPLATES,
	    .serve = capabilities });
}
