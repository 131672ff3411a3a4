/*
 * /installed: HipChat gives the add-on its credentials, or takes them back.
 *
 * POST: the sender must be a HipChat server on the list of allowed hosts, and
 * the credentials must be good for a token there.  The answer is 200 only then,
 * and only after they are safely on disk.
 *
 * DELETE /installed/ID: HipChat has removed installation ID.  The proof is
 * that it refuses a token to the credentials.
 */
#include "endpoint.h"
#include "install.h"
#include "remove.h"

static int
installed(struct cgi *cgi, struct process *process)
{
	struct installation inst;
	int status;

	if (cgi->method == CGI_DELETE)
		return remove_by_id(process, cgi->path_info + 1);
	status = install_read(&inst, cgi);
	if (status == 0)
		status = install(&process->cfg, &process->dir, &inst);
	return status == 0 ? HTTP_OK : status;
}

int
main(void)
{
	return endpoint_main(&(struct endpoint){ .name = "installed",
	    .methods = CGI_POST | CGI_DELETE,
	    .keeps = KEEP_DATA | KEEP_NETWORK,
	    .serve = installed });
}
