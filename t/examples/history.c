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
	struct json_object *history, *text;
	int status;

	if (webhook_argument(hook, "/again") == NULL)
		return 0;
	status = hipchat_call(hook->cfg, &hook->store, &hook->inst, "GET",
	    webhook_format(hook, "room/%lld/history/latest?max-results=2",
		(long long)hook->room_id),
	    NULL, &history);
	if (status != 0)
		return status;
	if (json_pointer_get(history, "/items/0/message", &text) == 0)
		status = notify_room(hook,
		    &(struct notification){
			.message = webhook_format(hook, "Before: %s",
			    json_object_get_string(text)) });
	json_object_put(history);
	return status;
}

int
main(void)
{
	return webhook_main_keeping("history", answer,
	    KEEP_DATA | KEEP_NETWORK | KEEP_COURIER);
}
