/*
 * jwt: a token; or, where the input starts with a brace, a line of header and
 * claims behind it, which are signed, so that the signature stops nothing.
 */
#include <stdio.h>

#include "../../common/jwt.c"
#include "fuzz.h"

#define NOW 1500000000
#define SECRET "a secret of HipChat's"

static char *
encode(char *out, const uint8_t *data, size_t len)
{
	struct base64_encode_ctx ctx;

	base64url_encode_init(&ctx);
	out += base64_encode_update(&ctx, out, len, data);
	out += base64_encode_final(&ctx, out);
	while (out[-1] == '=')
		out--;
	return out;
}

/* HEADER.CLAIMS.SIGNATURE, which the caller frees. */
static char *
make_token(const char *header, const char *claims)
{
	const size_t header_len = strlen(header), claims_len = strlen(claims);
	char *token = malloc((header_len + claims_len) * 2 + 64), *end;
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx ctx;

	fuzz_check(token != NULL, "out of memory");
	end = encode(token, (const uint8_t *)header, header_len);
	*end++ = '.';
	if (claims_len > 0)
		end = encode(end, (const uint8_t *)claims, claims_len);
	hmac_sha256_set_key(&ctx, strlen(SECRET), (const uint8_t *)SECRET);
	hmac_sha256_update(&ctx, (size_t)(end - token), (uint8_t *)token);
	hmac_sha256_digest(&ctx, sizeof(digest), digest);
	*end++ = '.';
	*encode(end, digest, sizeof(digest)) = '\0';
	return token;
}

/* There is one way to write a good token: its parts decode and encode so. */
static void
check_canonical(const char *token)
{
	uint8_t bytes[BASE64_DECODE_LENGTH(JWT_MAX)];
	char text[JWT_MAX + 8];
	size_t len, n;

	for (;; token += len + 1) {
		len = strcspn(token, ".");
		fuzz_check(decode(token, len, bytes, &n), "jwt: decodes");
		fuzz_check((size_t)(encode(text, bytes, n) - text) == len &&
			memcmp(text, token, len) == 0,
		    "jwt: is canonical");
		if (token[len] == '\0')
			return;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text, *token = text;
	struct jwt_claims claims;
	const char *why;

	if (*text == '{') {
		const char *header = fuzz_line(&rest);

		token = make_token(header, rest);
	}
	why = jwt_verify(token, SECRET, NOW, &claims);
	if (why == NULL) {
		fuzz_check(claims.iss[0] != '\0' &&
			strlen(claims.iss) < sizeof(claims.iss),
		    "jwt: an iss");
		fuzz_check(claims.room_id >= 0, "jwt: the room");
		check_canonical(token);
		fuzz_check(jwt_verify(token, SECRET "x", NOW, &claims) != NULL,
		    "jwt: needs the secret");
		fuzz_check(jwt_verify(token, SECRET, INT64_MAX / 2, &claims) !=
			    NULL ||
			strstr(rest, "exp") != NULL,
		    "jwt: expires");
	}
	if (token != text)
		free(token);
	free(text);
	return 0;
}
