/*
 * wake: the courier is woken, or started, by whoever puts a message into the
 * outbox.
 *
 * The courier holds the trigger open for reading and sleeps in
 * poll(2).  A sender opens the trigger for writing; a byte wakes the courier,
 * and ENXIO means that none runs, so one has to be started.  A sender gives up
 * the right to start programs before it looks at what a client sent
 * (sandbox.h).  So it asks first: outbox_reserve() opens the trigger and, if no
 * courier runs, forks a child that can start one.  After the message is put,
 * outbox_wake() writes the byte, or tells the child to go on.
 *
 * A sender that has found a courier counts on it, and has no child.  So a
 * courier stays, asleep, as long as anybody has the trigger open for writing,
 * however slowly a client sends its webhook: a FIFO tells its reader.  Opening
 * and leaving exclude each other by an flock on the outbox directory, which a
 * sender shares while it opens, and no longer.  A courier that gets this lock
 * exclusively, and finds neither writers nor a byte, (1) closes the trigger,
 * (2) unlocks "lock" and directory, (3) looks into new/ once more, and goes on
 * if it finds a message and can lock again.
 *
 * So a message put before (1) is found by (3).  A sender that opens after (1)
 * starts a new courier.  If that one finds "lock" held, the holder has yet to
 * take its first look, or (3), and will find the message.
 */
#ifndef WAKE_H
#define WAKE_H

#include "outbox.h"

/* ---- for senders ---- */

/*
 * Prepare to wake the courier, or to start the one at this path (NULL:
 * "courier" beside the running program).  A failure is logged, but is no error:
 * the message will be safe, and the next one tries again.
 */
void outbox_reserve(struct outbox *box, const char *courier);

/* Wake the courier, or start the one that was reserved. */
void outbox_wake(const struct outbox *box);

/* ---- for the courier ---- */

/* Open the trigger for reading, or return -1. */
int outbox_trigger(struct outbox *box);

/* After the trigger has fired: empty it, and be ready for more. */
void outbox_woken(struct outbox *box, int trigger);

/*
 * Steps 1 and 2 of leaving.  Returns true with both descriptors closed, or
 * false if a sender counts on this courier; then its trigger wakes it, by a
 * byte or, if the last such sender leaves without one, by a hang-up.
 */
bool outbox_leave(struct outbox *box, int trigger, int lock);

#endif
