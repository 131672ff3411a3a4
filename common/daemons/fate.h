/*
 * fate: what becomes of a message after a call, the courier's whole policy.
 */
#ifndef FATE_H
#define FATE_H

#include <stdbool.h>

#include "http.h"

/* What a call was for. */
enum stage {
	STAGE_TOKEN, /* to get a token, so that a message can be posted */
	STAGE_POST,  /* to post a message */
	STAGE_PROVE, /* to see whether HipChat has removed the installation */
};

enum fate {
	FATE_DONE,	/* HipChat has it */
	FATE_GRANTED,	/* a token: post the message; or, to prove a removal:
			 * not removed as yet */
	FATE_RENEW,	/* get a fresh token, and post it again */
	FATE_LIMITED,	/* wait as long as HipChat says */
	FATE_LATER,	/* HipChat is not well: back off */
	FATE_PERHAPS,	/* no answer in time: HipChat may have it */
	FATE_UNREACHED, /* nobody there: let one message probe the host */
	FATE_AGAIN,	/* the installation has changed: look again */
	FATE_FAILED,	/* HipChat does not want it */
	FATE_REMOVED,	/* HipChat has removed the installation */
};

/*
 * The fate after a call of this stage with this outcome and, if it was
 * answered, HTTP status.  renewed says that the token is a fresh one.
 */
enum fate
fate_of(enum stage stage, enum http_outcome outcome, long status, bool renewed);

#endif
