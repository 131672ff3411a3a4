/*
 * "/motto TEXT": a setting that is kept for the installation; "/motto" says it.
 */
#include "notify.h"

static int
answer(struct webhook *hook)
{
	const char *text = webhook_argument(hook, "/motto"), *motto;
	int status;

	if (text == NULL)
		return 0;
	if (*text != '\0')
		return webhook_set(hook, "motto", text);
	if ((status = webhook_get(hook, "motto", &motto)) != 0)
		return status;
	return notify_room(hook,
	    &(struct notification){
		.message = *motto != '\0' ? motto : "There is none yet." });
}

int
main(void)
{
	return webhook_main("motto", answer);
}
