/*
 * outboxctl: what an operator does by hand to the outbox and to installations,
 * whether a courier runs or not.
 *
 * All functions return the exit status of the program: 0, or 1 with the
 * reason on standard error.
 */
#ifndef OUTBOXCTL_H
#define OUTBOXCTL_H

#include <stdbool.h>

#include "config.h"

/*
 * Print, for each installation, how many messages are queued and failed, until
 * when they are deferred, and the last error; as JSON if json is set.
 */
int outboxctl_status(const struct config *cfg, bool json);

/*
 * Put failed messages into the queue again, as if they had arrived now: "all",
 * those of an installation, or the one with that id.  Then no message waits any
 * longer, nor with "all" if none has failed.
 */
int outboxctl_retry(const struct config *cfg, const char *id);

/*
 * Print one line for each installation: id, host of its HipChat, room or
 * "group", since when.
 */
int outboxctl_list(const struct config *cfg);

/* Remove the installation, its token and its messages; nobody is asked. */
int outboxctl_forget(const struct config *cfg, const char *id);

/* Drop messages, queued and failed: an installation's, or the one with that id.
 */
int outboxctl_drop(const struct config *cfg, const char *id);

#endif
