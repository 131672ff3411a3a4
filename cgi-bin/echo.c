/*
 * POST /echo: the webhook that HipChat calls when somebody says
 * "/echo something" in a room; the add-on says "something".
 *
 * A webhook of your own starts as a copy of this file.
 */
#include <string.h>

#include "cgi.h"
#include "config.h"
#include "notify.h"
#include "sandbox.h"
#include "webhook.h"

static int
answer(struct webhook *hook)
{
	struct notification say = { .color = "green" };

	if (strcmp(hook->event, "room_message") != 0)
		return 0;
	say.message = webhook_argument(hook, "/echo");
	if (say.message == NULL)
		return 0;
	if (*say.message == '\0')
		say.message = "Usage: /echo message";
	return hipchat_notify(hook, &say);
}

static int
echo(struct cgi *cgi, const struct config *cfg)
{
	struct webhook hook;
	int status = webhook_open(&hook, cgi, cfg);

	if (status != 0)
		return status;
	sandbox_enter(&(struct sandbox){ .writable = cfg->data_dir,
	    .cpu_seconds = 10, .debug = cfg->debug });
	status = webhook_read(&hook, cgi);
	if (status == 0)
		status = answer(&hook);
	webhook_close(&hook);
	return status;
}

int
main(void)
{
	struct cgi cgi;
	struct config cfg;
	int status = cgi_read(&cgi, "echo", CGI_POST);

	if (status == 0)
		status = config_read(&cfg);
	if (status == 0)
		status = echo(&cgi, &cfg);
	return cgi_answer(&cgi, status);
}
