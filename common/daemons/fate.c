/*
 * fate: see fate.h.
 */
#include "daemons/fate.h"
#include "status.h"

/* What all calls have in common. */
static enum fate
other(long status)
{
	if (status == HTTP_TOO_MANY_REQUESTS)
		return FATE_LIMITED;
	return status == HTTP_REQUEST_TIMEOUT || status >= 500 ? FATE_LATER :
								 FATE_FAILED;
}

static enum fate
fate_of_post(long status, bool renewed)
{
	if (status >= 200 && status <= 299)
		return FATE_DONE;
	if (status == HTTP_UNAUTHORIZED && !renewed)
		return FATE_RENEW;
	return other(status);
}

/*
 * HipChat refuses a token to a client that it has removed.  Whatever else it
 * answers says nothing about the message, which waits.
 */
static enum fate
fate_of_token(long status)
{
	if (status == HTTP_OK)
		return FATE_GRANTED;
	if (status == HTTP_UNAUTHORIZED || status == HTTP_FORBIDDEN)
		return FATE_REMOVED;
	return other(status) == FATE_LIMITED ? FATE_LIMITED : FATE_LATER;
}

enum fate
fate_of(enum stage stage, enum http_outcome outcome, long status, bool renewed)
{
	switch (outcome) {
	case CALL_UNREACHED:
		return FATE_UNREACHED;
	case CALL_STOPPED:
		return FATE_AGAIN;
	case CALL_TIMED_OUT: /* to get two tokens does no harm */
		return stage == STAGE_POST ? FATE_PERHAPS : FATE_LATER;
	case CALL_BROKEN:
		return FATE_LATER;
	case CALL_ANSWERED:
		break;
	}
	return stage == STAGE_POST ? fate_of_post(status, renewed) :
				     fate_of_token(status);
}
