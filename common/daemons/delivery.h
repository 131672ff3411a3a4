/*
 * delivery: a message is claimed, HipChat is called, the message is settled.
 *
 *	claim	so that nobody else settles it; what can't be claimed is not
 *		posted
 *	call	post it, with a token that is asked for first if need be; right
 *		before it is sent, look if the installation is still what it was
 *	settle	done, failed with a reason, or later: as fate.h says
 *
 * No function waits for anybody.
 */
#ifndef DELIVERY_H
#define DELIVERY_H

#include "config.h"
#include "daemons/lanes.h"
#include "http.h"
#include "outbox.h"
#include "store.h"

/* What deliveries have in common. */
struct desk {
	const struct config *cfg;
	struct store store; /* hurried */
	struct outbox box;
	struct lanes lanes;
	struct http_pool pool;
	int64_t last_work; /* when a delivery ended last */
};

/* Deliver the first message of a lane of lanes_next(). */
void delivery_start(struct desk *desk, struct lane *lane);

/* Go on with, or settle, those whose calls are over. */
void delivery_finish(struct desk *desk);

/* Give up the first message of a lane of lanes_expired(). */
void delivery_give_up(struct desk *desk, struct lane *lane);

/*
 * Form B of a removal that HipChat has not confirmed yet: in how many seconds
 * to ask again, so many seconds after the request.
 */
int64_t delivery_first_proof(int64_t age);

#endif
