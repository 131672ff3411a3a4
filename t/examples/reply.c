/*
 * "/ping": the answer is in the webhook's own response, and needs no courier.
 */
#include "json.h"
#include "webhook.h"

static int
answer(struct webhook *hook)
{
	struct json_object *pong;
	int status;

	if (webhook_argument(hook, "/ping") == NULL)
		return 0;
	pong = json_new();
	json_add_string(pong, "message", "pong");
	json_add_string(pong, "message_format", "text");
	status = webhook_reply(hook, pong);
	json_object_put(pong);
	return status;
}

int
main(void)
{
	return webhook_main_keeping("reply", answer, KEEP_DATA);
}
