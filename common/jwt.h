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

struct jwt_claims {
	char iss[256];		/* who signed it: an oauthId */
	int64_t room_id;	/* context.room_id; 0 when absent */
};

/*
 * Is the token signed with the secret, whose bytes are the key, and good at
 * the Unix time now?  It needs iss and exp; nbf and iat must not lie ahead.
 * Whether iss and the room are the right ones is the caller's to ask.
 *
 * Returns NULL with *claims filled, or a static reason, fit for the log but
 * not for the client; *claims is then unspecified.
 */
const char *jwt_verify(const char *token, const char *secret, int64_t now,
    struct jwt_claims *claims);

#endif
