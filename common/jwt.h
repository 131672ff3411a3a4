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

/* How old a token may be, and how long it may be meant to live, in seconds:
 * whoever has got hold of one can say what he likes with it as long. */
#define JWT_AGE_MAX 900
#define JWT_LIFE_MAX 86400

struct jwt_claims {
	char iss[256];		/* who signed it: an oauthId */
	int64_t room_id;	/* context.room_id; 0 when absent */
	char why[64];		/* see jwt_verify() */
};

/*
 * Is the token signed with the secret, whose bytes are the key, and good at
 * the Unix time now?  It needs iss, iat and exp; nbf and iat must not lie
 * ahead, iat not further back than JWT_AGE_MAX, exp not behind iat by more
 * than JWT_LIFE_MAX.
 * Whether iss and the room are the right ones is the caller's to ask.
 *
 * Returns NULL with *claims filled, or a reason, fit for the log but not for
 * the client; it is static or in claims->why, and the rest of *claims is then
 * unspecified.
 */
const char *jwt_verify(const char *token, const char *secret, int64_t now,
    struct jwt_claims *claims);

#endif
