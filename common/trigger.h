/*
 * trigger: the FIFO that the courier sleeps on, DATA_DIR/outbox/trigger.  What
 * it is for, and why finding and leaving exclude each other, is in wake.h.
 *
 * dirfd is DATA_DIR/outbox.  A lock on it belongs to whoever opened it, so a
 * child that uses it while its parent does has to open it anew.
 */
#ifndef TRIGGER_H
#define TRIGGER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Make it, unless it is there, in the place of whatever has its name.  Returns
 * 0, or, with the reason in the log, 500 or 503.
 */
int trigger_make(int dirfd);

/*
 * Open it for writing, but never while a courier is leaving.  Returns the
 * descriptor, or -1 with errno: ENXIO if no courier listens.
 */
int trigger_open(int dirfd);

/* Write n bytes to it; false, with errno, if no courier listens any more. */
bool trigger_write(int fd, const char *bytes, size_t n);

/* flock(2) the directory; what can wait waits. */
void trigger_lock(int dirfd, int how);

#endif
