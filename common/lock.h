/*
 * lock: whoever writes records holds "lock", a file in the data directory that
 * is never renamed or removed.  The kernel releases it when the process dies,
 * however it dies.
 */
#ifndef LOCK_H
#define LOCK_H

#include <stdbool.h>

#include "datadir.h"

/*
 * Wait for the lock for at most 10 s or, if hurried, not at all; *fd holds it
 * until it is closed.  Returns 0, HTTP_SERVICE_UNAVAILABLE if it was not free
 * (logged unless hurried) or there are no descriptors left, or
 * HTTP_INTERNAL_SERVER_ERROR.
 */
int lock_take(const struct datadir *dir, bool hurried, int *fd);

#endif
