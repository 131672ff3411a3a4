/*
 * "/again": a call of HipChat's REST API that returns something, the room's
 * history: what was said before.
 */
#include <json-c/json_pointer.h>

#include "hipchat.h"
#include "notify.h"

static int
answer(struct webhook *hook)
{
	const char *url = webhook_format(hook,
	    "room/%lld/history/latest?max-results=2", (long long)hook->room_id);
	struct notification say = { .message = "Nothing before." };
	struct json_object *history = NULL, *text;
	int status = 0;

	if (webhook_argument(hook, "/again") != NULL)
		status = hipchat_call(hook->cfg, &hook->store, &hook->inst,
		    "GET", url, NULL, &history);
	if (status != 0 || history == NULL)
		return status;
	if (json_pointer_get(history, "/items/0/message", &text) == 0)
		say.message = json_object_get_string(text);
	status = notify_room(hook, &say);
	json_object_put(history);
	return status;
}

int
main(void)
{
	return webhook_main_keeping("history", answer,
	    KEEP_DATA | KEEP_NETWORK | KEEP_COURIER);
}
