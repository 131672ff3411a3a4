/*
 * jwt: see jwt.h.
 *
 * The signature comes first: nothing is parsed until it shows that the sender
 * has the secret.  There is only one algorithm, so the token's own header is
 * not asked which one to use.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>

#include "json.h"
#include "jwt.h"

/* HEADER.CLAIMS.SIGNATURE; only the last is NUL-terminated. */
struct parts {
	const char *header, *claims, *signature;
	size_t header_len, claims_len, signature_len;
};

static const char base64url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789-_";

static bool
split(const char *token, struct parts *parts)
{
	const char *dot = strchr(token, '.');
	const char *last = strrchr(token, '.');

	if (dot == NULL || dot == last ||
	    memchr(dot + 1, '.', (size_t)(last - dot - 1)) != NULL)
		return false;
	parts->header = token;
	parts->header_len = (size_t)(dot - token);
	parts->claims = dot + 1;
	parts->claims_len = (size_t)(last - dot - 1);
	parts->signature = last + 1;
	parts->signature_len = strlen(last + 1);
	return true;
}

/*
 * Is this the one way to write some bytes in base64url (RFC 7515 2)?  nettle
 * skips white space, accepts padding, and drops the bits of the last
 * character that belong to no byte, so several texts would mean the same.
 */
static bool
is_canonical(const char *text, size_t len)
{
	/* by the length modulo 4: what the last character may be */
	static const char *const last[] = { base64url, "", "AQgw",
		"AEIMQUYcgkosw048" };

	return len > 0 && strspn(text, base64url) >= len &&
	    strchr(last[len % 4], text[len - 1]) != NULL;
}

/* Decode to out, which has BASE64_DECODE_LENGTH(len) bytes. */
static bool
decode(const char *text, size_t len, uint8_t *out, size_t *out_len)
{
	struct base64_decode_ctx ctx;

	base64url_decode_init(&ctx);
	return is_canonical(text, len) &&
	    base64_decode_update(&ctx, out_len, out, len, text) == 1;
}

/* RFC 7515 5.2: the signature is over the text, as it was sent. */
static bool
is_signed(const struct parts *parts, const uint8_t *key, size_t key_len)
{
	const size_t len = (size_t)(parts->signature - 1 - parts->header);
	uint8_t theirs[BASE64_DECODE_LENGTH(43)], ours[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx ctx;
	size_t theirs_len;

	if (parts->signature_len != 43 ||
	    !decode(parts->signature, 43, theirs, &theirs_len) ||
	    theirs_len != sizeof(ours))
		return false;
	hmac_sha256_set_key(&ctx, key_len, key);
	hmac_sha256_update(&ctx, len, (const uint8_t *)parts->header);
	hmac_sha256_digest(&ctx, sizeof(ours), ours);
	return memeql_sec(ours, theirs, sizeof(ours)) == 1;
}

/* Decode and parse a part; the caller releases the result. */
static struct json_object *
read_part(const char *text, size_t len)
{
	uint8_t json[BASE64_DECODE_LENGTH(JWT_MAX) + 1];
	const char *why;
	size_t json_len;

	if (!decode(text, len, json, &json_len))
		return NULL;
	json[json_len] = '\0';
	return json_read((char *)json, json_len, &why);
}

static const char *
check_header(const struct parts *parts)
{
	struct json_object *doc;
	const char *text, *why = NULL;
	int typ;

	doc = read_part(parts->header, parts->header_len);
	if (doc == NULL)
		return "its header is not JSON in base64url";
	if (json_string(doc, "alg", 5, &text) != 1 ||
	    strcmp(text, "HS256") != 0)
		why = "its alg is not HS256";
	typ = json_string(doc, "typ", 3, &text);
	if (typ < 0 || (typ == 1 && strcasecmp(text, "JWT") != 0))
		why = "its typ is not JWT";
	/* RFC 7515 4.1.11: extensions that must be understood */
	if (json_object_object_get_ex(doc, "crit", NULL))
		why = "its header has crit";
	json_object_put(doc);
	return why;
}

/* A time (RFC 7519 2, whole seconds): 1, 0 if absent, -1 if invalid. */
static int
read_time(struct json_object *doc, const char *name, int64_t *out)
{
	struct json_object *value;

	if (json_object_object_get_ex(doc, name, &value) &&
	    !json_object_is_type(value, json_type_int))
		return -1;
	return json_positive(doc, name, out);
}

/* A reason, with the seconds by which a time misses its limit. */
static const char *
by(struct jwt_claims *claims, const char *what, int64_t seconds)
{
	snprintf(claims->why, sizeof(claims->why), "%s, by %lld s", what,
	    (long long)seconds);
	return claims->why;
}

static const char *
check_times(struct json_object *doc, int64_t now, struct jwt_claims *claims)
{
	int64_t exp, iat, nbf = 0;

	if (read_time(doc, "exp", &exp) != 1)
		return "its exp is missing or not a time";
	if (exp <= now - JWT_LEEWAY)
		return by(claims, "it has expired", now - exp);
	if (read_time(doc, "iat", &iat) != 1)
		return "its iat is missing or not a time";
	if (read_time(doc, "nbf", &nbf) < 0)
		return "its nbf is not a time";
	if (iat > now + JWT_LEEWAY)
		return by(claims, "it is from the future", iat - now);
	if (nbf > now + JWT_LEEWAY)
		return by(claims, "it is not valid yet", nbf - now);
	if (iat < now - JWT_AGE_MAX - JWT_LEEWAY)
		return by(claims, "it is too old", now - iat - JWT_AGE_MAX);
	if (exp > iat + JWT_LIFE_MAX)
		return "it is made for more than a day";
	return NULL;
}

static const char *
check_context(struct json_object *doc, int64_t *room_id)
{
	struct json_object *context;

	*room_id = 0;
	if (!json_object_object_get_ex(doc, "context", &context))
		return NULL;
	if (!json_object_is_type(context, json_type_object))
		return "its context is not an object";
	if (json_positive(context, "room_id", room_id) < 0)
		return "its context.room_id is not an id";
	return NULL;
}

static const char *
check_claims(const struct parts *parts, int64_t now, struct jwt_claims *claims)
{
	struct json_object *doc;
	const char *iss, *why;

	doc = read_part(parts->claims, parts->claims_len);
	if (doc == NULL)
		return "its claims are not JSON in base64url";
	if (json_string(doc, "iss", sizeof(claims->iss) - 1, &iss) == 1) {
		strcpy(claims->iss, iss);
		why = check_times(doc, now, claims);
	} else {
		why = "it has no iss";
	}
	if (why == NULL)
		why = check_context(doc, &claims->room_id);
	json_object_put(doc);
	return why;
}

/* jwt_verify() with any bytes as the key. */
static const char *
verify(const char *token, const uint8_t *key, size_t key_len, int64_t now,
    struct jwt_claims *claims)
{
	struct parts parts;
	const char *why;

	if (key_len == 0)
		return "there is no secret";
	if (strnlen(token, JWT_MAX + 1) > JWT_MAX)
		return "it is too long";
	if (!split(token, &parts))
		return "it does not have three parts";
	if (!is_signed(&parts, key, key_len))
		return "its signature is wrong";
	if ((why = check_header(&parts)) != NULL)
		return why;
	return check_claims(&parts, now, claims);
}

const char *
jwt_verify(const char *token, const char *secret, int64_t now,
    struct jwt_claims *claims)
{
	return verify(token, (const uint8_t *)secret, strlen(secret), now,
	    claims);
}
