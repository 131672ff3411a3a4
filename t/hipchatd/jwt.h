/*
 * JSON Web Tokens as HipChat signed them: HS256 with the installation's
 * secret.
 */
#ifndef HIPCHATD_JWT_H
#define HIPCHATD_JWT_H

#include "json.h"

/* header.claims.signature; the caller frees. */
char *jwt_sign(struct json_object *claims, const char *secret);

#endif
