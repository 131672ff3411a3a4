/*
 * Removal of add-ons.
 */
#ifndef HIPCHATD_REMOVAL_H
#define HIPCHATD_REMOVAL_H

#include "hipchatd.h"

/*
 * POST /control/remove; control.c says what it does.  It calls the add-on, so
 * the lock must not be held.
 */
void removal_run(struct hipchatd *h, struct request *rq, struct reply *re);

#endif
