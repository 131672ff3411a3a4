/*
 * jwt: JSON Web Tokens (RFC 7519) as HipChat signs them: compact
 * serialization, HMAC with SHA-256 (RFC 7515, "HS256"), nothing else.
 */
#ifndef JWT_H
#define JWT_H

#include <stdint.h>

/* Longest token in bytes; a web server's header line is no longer. */
#define JWT_MAX 8192

/* How far HipChat's clock and ours may differ, in seconds. */
#define JWT_LEEWAY 60

/* How old a token may be, and how long it may be made for, in seconds: for so
 * long, whoever gets hold of one can say anything with it. */
#define JWT_AGE_MAX 900
#define JWT_LIFE_MAX 86400

struct jwt_claims {
	char iss[256];	 /* who signed it: an oauthId */
	int64_t room_id; /* context.room_id; 0 when absent */
	char why[64];	 /* see jwt_verify() */
};

/*
 * Is the token signed with the secret, whose bytes are the key, and valid at
 * the Unix time now?  It needs iss, iat and exp.  nbf and iat must not be in
 * the future, iat at most JWT_AGE_MAX ago, and exp at most JWT_LIFE_MAX after
 * iat.  The caller checks whether iss and the room are the right ones.
 *
 * Returns NULL with *claims filled, or a reason, which is for the log, not for
 * the client.  It is static or in claims->why; the rest of *claims is then
 * unspecified.
 */
const char *jwt_verify(const char *token, const char *secret, int64_t now,
    struct jwt_claims *claims);

#endif
