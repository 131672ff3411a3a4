/*
 * takeover: what older versions left in the outbox.  They kept a file a
 * message:
 *
 *	outbox/new/ID		queued
 *	outbox/failed/ID	given up
 *	outbox/seen/KEY		delivered not long ago
 *	outbox/tmp/, outbox/lanes.json	of no use any more
 */
#ifndef TAKEOVER_H
#define TAKEOVER_H

#include "journal.h"
#include "seen.h"

/*
 * Append the messages to the journals, those that were queued before all that
 * is there, and remember the keys.  Each file is removed after it is on disk
 * elsewhere; whatever is no message stays in outbox/odd.  What can't be
 * done, because the disk is full, say, is logged and left to the next courier.
 */
void takeover(const struct journal *queue, struct journal *failed,
    struct seen *seen);

#endif
