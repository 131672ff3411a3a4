/*
 * "/ticket TEXT": a card, with an HTML message for clients that show no cards.
 */
#include "json.h"
#include "notify.h"

static int
answer(struct webhook *hook)
{
	const char *text = webhook_argument(hook, "/ticket");
	struct json_object *card;
	int status;

	if (text == NULL || *text == '\0')
		return 0;
	card = json_new();
	json_add_string(card, "style", "application");
	json_add_string(card, "id", hook->message_id);
	json_add_string(card, "title", text);
	status = notify_room(hook,
	    &(struct notification){ .format = "html",
		.message = webhook_format(hook, "<b>Ticket:</b> %s",
		    html_escape(hook, text)),
		.card = card });
	json_object_put(card);
	return status;
}

int
main(void)
{
	return webhook_main("card", answer);
}
