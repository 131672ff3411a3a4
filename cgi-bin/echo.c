/*
 * POST /echo: the webhook that HipChat calls when somebody says
 * "/echo something" in a room; the add-on says "something".
 */
#include "notify.h"

static int
echo(struct webhook *hook)
{
	const char *text = webhook_argument(hook, "/echo");

	if (text == NULL)
		return 0;
	return notify_room(hook,
	    &(struct notification){ .color = "green",
		.message = *text != '\0' ? text : "Usage: /echo message" });
}

int
main(void)
{
	return webhook_main("echo", echo);
}
