/*
 * starter: a child, forked before its parent is confined, that can start
 * couriers later.
 *
 * A courier is started as "courier --linger", nobody's child, in a session of
 * its own and in /.  It gets the settings of the environment, but nothing of
 * the request: no variable, no descriptor, and of the limits of CPU and memory
 * only the hard ones.
 *
 * It takes some time until a courier listens.  Whoever has one started
 * meanwhile, in this process or another, has it told instead, then.
 */
#ifndef STARTER_H
#define STARTER_H

#include <stdbool.h>

/*
 * Fork a starter of the courier at this path (NULL: "courier" beside the
 * running program), for this DATA_DIR/outbox.  Returns the descriptor to tell
 * it by, or -1, with the reason in the log.  The starter ends when the
 * descriptor is closed.
 */
int starter_fork(const char *courier, int outbox);

/* In the place of a word: even if another courier listens. */
#define STARTER_ANYWAY '\0'

/*
 * Have a courier started or, if one listens by then, have the byte written to
 * the trigger; any number of times.  Never waits.  Returns false if there is no
 * starter (-1), or, logged, if it does not listen.
 */
bool starter_tell(int starter, char word);

#endif
