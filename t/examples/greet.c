/*
 * Another event, "room_enter": whoever comes is greeted by name.
 */
#include "notify.h"

static int
answer(struct webhook *hook)
{
	return notify_room(hook,
	    &(struct notification){
		.message = webhook_format(hook, "Hello, %s!",
		    webhook_text(hook, "item.sender.name")) });
}

int
main(void)
{
	return webhook_main("greet", answer);
}
