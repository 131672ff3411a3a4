/*
 * "/topic TEXT": a call of HipChat's REST API, which sets the room's topic.
 * The descriptor must ask for the scope admin_room.
 */
#include "hipchat.h"
#include "json.h"
#include "webhook.h"

static int
answer(struct webhook *hook)
{
	const char *text = webhook_argument(hook, "/topic");
	struct json_object *topic;
	int status;

	if (text == NULL)
		return 0;
	topic = json_new();
	json_add_string(topic, "topic", text);
	status = hipchat_call(hook->cfg, &hook->store, &hook->inst, "PUT",
	    webhook_format(hook, "room/%lld/topic", (long long)hook->room_id),
	    topic, NULL);
	json_object_put(topic);
	return status;
}

int
main(void)
{
	return webhook_main_keeping("topic", answer, KEEP_DATA | KEEP_NETWORK);
}
