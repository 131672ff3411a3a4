/*
 * "/ticket TEXT": a card, with an HTML message for clients that show no cards.
 */
#include "json.h"
#include "notify.h"

static int
answer(struct webhook *hook)
{
	const char *text = webhook_argument(hook, "/ticket");
	struct notification say = { .format = "html" };
	int status;

	if (text == NULL || *text == '\0')
		return 0;
	say.message =
	    webhook_format(hook, "<b>Ticket:</b> %s", html_escape(hook, text));
	say.card = json_new();
	json_add_string(say.card, "style", "application");
	json_add_string(say.card, "id", hook->message_id);
	json_add_string(say.card, "title", text);
	status = notify_room(hook, &say);
	json_object_put(say.card);
	return status;
}

int
main(void)
{
	return webhook_main("card", answer);
}
