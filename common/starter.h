/*
 * starter: a child, forked before its parent is confined, that can start
 * couriers later.
 *
 * A courier is started as "courier --linger", nobody's child, in a session of
 * its own and in /.  It gets the settings of the environment, but nothing of
 * the request: no variable, no descriptor, and of the limits of CPU and memory
 * only the hard ones.
 */
#ifndef STARTER_H
#define STARTER_H

#include <stdbool.h>

/*
 * Fork a starter of the courier at this path (NULL: "courier" beside the
 * running program).  Returns the descriptor to tell it by, or -1, with the
 * reason in the log.  The starter ends when the descriptor is closed.
 */
int starter_fork(const char *courier);

/*
 * Have a courier started; any number of times.  Returns false if there is no
 * starter (-1), or, logged, if it does not listen.
 */
bool starter_tell(int starter);

#endif
