/*
 * Add-ons come: installation and re-installation.
 */
#ifndef HIPCHATD_ADDON_H
#define HIPCHATD_ADDON_H

#include "hipchatd.h"

/*
 * POST /control/install; control.c says what it does.  It calls the add-on, so
 * the lock must not be held.
 */
void addon_install(struct hipchatd *h, struct request *rq, struct reply *re);

/* Under the lock, for the caller to own: */

/* The five members that the callback and the installable document carry. */
char *addon_credentials(const struct hipchatd *h,
			const struct installation *i);

/* The installation as the control routes show it, secret included. */
struct json_object *addon_view(const struct installation *i);

#endif
