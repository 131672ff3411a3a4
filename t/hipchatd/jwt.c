/* JSON Web Tokens, on nettle. */
#include "jwt.h"

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/* base64url without the padding */
static void
add_base64(struct buf *b, const void *data, size_t len)
{
	size_t n = BASE64_ENCODE_LENGTH(len) + BASE64_ENCODE_FINAL_LENGTH + 1;
	char *out = xcalloc(n, 1);
	struct base64_encode_ctx ctx;

	base64url_encode_init(&ctx);
	n = base64_encode_update(&ctx, out, len, data);
	base64_encode_final(&ctx, out + n);
	buf_add(b, out, strcspn(out, "="));
	free(out);
}

char *
jwt_sign(struct json_object *claims, const char *secret)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	const char *text = json_compact(claims);
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx ctx;
	struct buf b = { 0 };

	add_base64(&b, header, sizeof(header) - 1);
	buf_puts(&b, ".");
	add_base64(&b, text, strlen(text));
	hmac_sha256_set_key(&ctx, strlen(secret), (const uint8_t *)secret);
	hmac_sha256_update(&ctx, b.len, (const uint8_t *)b.data);
	hmac_sha256_digest(&ctx, sizeof(digest), digest);
	buf_puts(&b, ".");
	add_base64(&b, digest, sizeof(digest));
	return b.data;
}
