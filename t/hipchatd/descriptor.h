/*
 * An add-on's descriptor (its capabilities document): checked as HipChat
 * checked it, before any callback, and reduced to what matters here.
 */
#ifndef HIPCHATD_DESCRIPTOR_H
#define HIPCHATD_DESCRIPTOR_H

#include "state.h"

/*
 * True: a is filled out, for addon_free(); its hooks are not numbered yet.
 * False: reason, which the caller frees, names the field and what is wrong.
 */
bool descriptor_read(struct json_object *o, struct addon *a, char **reason);

#endif
