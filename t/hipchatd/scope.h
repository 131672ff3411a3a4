/*
 * The scopes of HipChat API v2, as in its capabilities document.  A set of
 * them is a mask with bit i for scopes[i].
 */
#ifndef HIPCHATD_SCOPE_H
#define HIPCHATD_SCOPE_H

#include <stdbool.h>

#include "json.h"

enum scope {
	SCOPE_ADMIN_GROUP = 1 << 0,		/* group administration */
	SCOPE_ADMIN_ROOM = 1 << 1,		/* room administration */
	SCOPE_IMPORT_DATA = 1 << 2,		/* users, rooms, history in */
	SCOPE_MANAGE_ROOMS = 1 << 3,		/* create, update, remove */
	SCOPE_SEND_MESSAGE = 1 << 4,		/* private messages */
	SCOPE_SEND_NOTIFICATION = 1 << 5,	/* room notifications */
	SCOPE_VIEW_GROUP = 1 << 6,		/* users, rooms, group */
	SCOPE_VIEW_MESSAGES = 1 << 7,		/* room history */
	SCOPE_VIEW_ROOM = 1 << 8		/* room, but no history */
};

/* The identifiers, ended by NULL. */
extern const char *const scope_names[];

/* Add the scopes named in blank-separated text; false: an unknown one. */
bool scope_parse(const char *text, unsigned *mask);

/* The names in mask with sep between; the caller frees. */
char *scope_list(unsigned mask, const char *sep);

/* hipchatApiProvider.availableScopes, owned by the caller. */
struct json_object *scope_descriptions(void);

#endif
