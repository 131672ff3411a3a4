/*
 * test-jwt: which tokens are good.  It includes jwt.c, for the key of RFC 7515
 * A.1 is no text, and signs every token itself, so that what is refused is
 * refused for its content, not for a signature that nobody could have made.
 *
 * test-jwt TOKEN SECRET [NOW] says what jwt_verify() makes of a token.
 */
#include <inttypes.h>
#include <time.h>

#include "../common/jwt.c"
#include "tap.h"

#define NOW 1500000000
#define SECRET "a secret of HipChat's"
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define CLAIMS \
	"{\"iss\":\"an-id\",\"iat\":1500000000,\"exp\":1500003600," \
	"\"context\":{\"room_id\":42}}"
#define TEXT_MAX (2 * JWT_MAX)

/* A token whose claims or header are text, and what is said of it. */
struct vector {
	const char *name;
	const char *json;
	const char *why; /* NULL: it is good */
};

/* ---- signing ---- */

/* The text in base64url, padding cut off. */
static void
encode(const uint8_t *data, size_t len, char *out)
{
	struct base64_encode_ctx ctx;
	size_t n;

	base64url_encode_init(&ctx);
	n = base64_encode_update(&ctx, out, len, data);
	n += base64_encode_final(&ctx, out + n);
	out[n] = '\0';
	out[strcspn(out, "=")] = '\0';
}

/* Sign the text HEADER.CLAIMS in token, whatever is in it. */
static void
sign(char *token, const char *secret)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	const size_t len = strlen(token);
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, strlen(secret), (const uint8_t *)secret);
	hmac_sha256_update(&ctx, len, (const uint8_t *)token);
	hmac_sha256_digest(&ctx, sizeof(digest), digest);
	token[len] = '.';
	encode(digest, sizeof(digest), token + len + 1);
}

static void
join(char *token, const char *header, const char *claims)
{
	encode((const uint8_t *)header, strlen(header), token);
	strcat(token, ".");
	encode((const uint8_t *)claims, strlen(claims), token + strlen(token));
}

/* token has TEXT_MAX bytes here and below. */
static void
make(char *token, const char *header, const char *claims)
{
	join(token, header, claims);
	sign(token, SECRET);
}

static const char *
check(const char *token)
{
	static struct jwt_claims claims; /* the reason may be in it */

	return jwt_verify(token, SECRET, NOW, &claims);
}

#define NO_IAT "its iat is missing or not a time"
#define LIVES "it is made for more than a day"

/* ---- the standard's example ---- */

static void
test_standard(void)
{
	static const char token[] =
	    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
	    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leG"
	    "FtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	static const char key64[] =
	    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
	    "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
	uint8_t key[BASE64_DECODE_LENGTH(sizeof(key64))];
	struct jwt_claims claims;
	size_t len;

	ok(decode(key64, strlen(key64), key, &len) && len == 64,
	    "RFC 7515 A.1: its key");
	is_str(verify(token, key, len, 1300819380, &claims), NO_IAT,
	    "RFC 7515 A.1: its token is signed, but says not when");
	is_str(claims.iss, "joe", "RFC 7515 A.1: iss");
	is_int(claims.room_id, 0, "RFC 7515 A.1: no room");
	is_str(verify(token, key, len - 1, 1300819380, &claims),
	    "its signature is wrong", "RFC 7515 A.1: the key cut short");
	is_str(verify(token, key, len, 1300819440, &claims),
	    "it has expired, by 60 s", "RFC 7515 A.1: a minute late");
}

/* ---- headers ---- */

static const struct vector headers[] = {
	{ "alg alone", "{\"alg\":\"HS256\"}", NULL },
	{ "typ in lower case", "{\"typ\":\"jwt\",\"alg\":\"HS256\"}", NULL },
	{ "members that nobody asked for",
	    "{\"alg\":\"HS256\",\"kid\":\"x\","
	    "\"jku\":\"http://127.0.0.1/\",\"x\":[1]}",
	    NULL },
	{ "alg none", "{\"alg\":\"none\"}", "its alg is not HS256" },
	{ "alg None", "{\"alg\":\"None\"}", "its alg is not HS256" },
	{ "HS384", "{\"alg\":\"HS384\"}", "its alg is not HS256" },
	{ "HS512", "{\"alg\":\"HS512\"}", "its alg is not HS256" },
	{ "RS256 with the secret as key", "{\"alg\":\"RS256\"}",
	    "its alg is not HS256" },
	{ "ES256", "{\"alg\":\"ES256\"}", "its alg is not HS256" },
	{ "alg in lower case", "{\"alg\":\"hs256\"}", "its alg is not HS256" },
	{ "alg with a blank", "{\"alg\":\"HS256 \"}", "its alg is not HS256" },
	{ "alg with a NUL", "{\"alg\":\"HS256\\u0000\"}",
	    "its alg is not HS256" },
	{ "alg empty", "{\"alg\":\"\"}", "its alg is not HS256" },
	{ "alg null", "{\"alg\":null}", "its alg is not HS256" },
	{ "alg a list", "{\"alg\":[\"HS256\"]}", "its alg is not HS256" },
	{ "no alg", "{\"typ\":\"JWT\"}", "its alg is not HS256" },
	{ "ALG", "{\"ALG\":\"HS256\"}", "its alg is not HS256" },
	{ "two algs", "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
	    "its header is not JSON in base64url" },
	{ "two algs, one escaped",
	    "{\"alg\":\"none\",\"\\u0061lg\":"
	    "\"HS256\"}",
	    "its header is not JSON in base64url" },
	{ "another typ", "{\"alg\":\"HS256\",\"typ\":\"JWE\"}",
	    "its typ is not JWT" },
	{ "typ a number", "{\"alg\":\"HS256\",\"typ\":1}",
	    "its typ is not JWT" },
	{ "typ null", "{\"alg\":\"HS256\",\"typ\":null}",
	    "its typ is not JWT" },
	{ "crit", "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
	    "its header has crit" },
	{ "crit null", "{\"alg\":\"HS256\",\"crit\":null}",
	    "its header has crit" },
	{ "an empty header", "", "its header is not JSON in base64url" },
	{ "an empty object", "{}", "its alg is not HS256" },
	{ "a list", "[\"HS256\"]", "its header is not JSON in base64url" },
	{ "text behind it", "{\"alg\":\"HS256\"}x",
	    "its header is not JSON in base64url" },
	{ "no UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}",
	    "its header is not JSON in base64url" },
};

static void
test_headers(void)
{
	char token[TEXT_MAX];
	size_t i;

	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		make(token, headers[i].json, CLAIMS);
		is_str(check(token), headers[i].why, "header: %s",
		    headers[i].name);
	}
}

/* ---- claims ---- */

#define ONLY_EXP "\"exp\":1500003600"
#define EXP "\"iat\":1500000000," ONLY_EXP
#define NO_EXP "its exp is missing or not a time"
#define NO_ROOM "its context.room_id is not an id"

static const struct vector claims_of[] = {
	{ "what is needed", "{\"iss\":\"x\"," EXP "}", NULL },
	{ "what HipChat sends",
	    "{\"iss\":\"x\",\"sub\":\"7\",\"prn\":\"7\"," EXP
	    ",\"jti\":\"abcdefghij0123456789\","
	    "\"context\":{\"room_id\":1,\"roomId\":1,\"user_tz\":\"UTC\"}}",
	    NULL },
	{ "a room as digits",
	    "{\"iss\":\"x\"," EXP ",\"context\":{\"room_id\":\"42\"}}", NULL },
	{ "a context without a room", "{\"iss\":\"x\"," EXP ",\"context\":{}}",
	    NULL },

	{ "no iss", "{" EXP "}", "it has no iss" },
	{ "iss empty", "{\"iss\":\"\"," EXP "}", "it has no iss" },
	{ "iss null", "{\"iss\":null," EXP "}", "it has no iss" },
	{ "iss a number", "{\"iss\":1," EXP "}", "it has no iss" },
	{ "iss a list", "{\"iss\":[\"x\"]," EXP "}", "it has no iss" },
	{ "iss with a NUL", "{\"iss\":\"x\\u0000y\"," EXP "}",
	    "it has no iss" },
	{ "two iss", "{\"iss\":\"x\",\"iss\":\"y\"," EXP "}",
	    "its claims are not JSON in base64url" },

	{ "no exp", "{\"iss\":\"x\"}", NO_EXP },
	{ "exp null", "{\"iss\":\"x\",\"exp\":null}", NO_EXP },
	{ "exp text", "{\"iss\":\"x\",\"exp\":\"1500003600\"}", NO_EXP },
	{ "exp broken", "{\"iss\":\"x\",\"exp\":1500003600.5}", NO_EXP },
	{ "exp with an exponent", "{\"iss\":\"x\",\"exp\":15e9}", NO_EXP },
	{ "exp true", "{\"iss\":\"x\",\"exp\":true}", NO_EXP },
	{ "exp zero", "{\"iss\":\"x\",\"exp\":0}", NO_EXP },
	{ "exp negative", "{\"iss\":\"x\",\"exp\":-1500003600}", NO_EXP },
	{ "exp too large", "{\"iss\":\"x\",\"exp\":9223372036854775808}",
	    NO_EXP },
	{ "exp large",
	    "{\"iss\":\"x\",\"iat\":1500000000,"
	    "\"exp\":9223372036854775806}",
	    LIVES },
	{ "a life of a day",
	    "{\"iss\":\"x\",\"iat\":1500000000,"
	    "\"exp\":1500086400}",
	    NULL },
	{ "a life of a second more",
	    "{\"iss\":\"x\",\"iat\":1500000000,"
	    "\"exp\":1500086401}",
	    LIVES },
	{ "no iat", "{\"iss\":\"x\"," ONLY_EXP "}", NO_IAT },
	{ "iat 16 min ago", "{\"iss\":\"x\",\"iat\":1499999040," ONLY_EXP "}",
	    NULL },
	{ "iat a second more ago",
	    "{\"iss\":\"x\",\"iat\":1499999039," ONLY_EXP "}",
	    "it is too old, by 61 s" },
	{ "two exp", "{\"iss\":\"x\",\"exp\":1," EXP "}",
	    "its claims are not JSON in base64url" },

	{ "exp 59 s ago",
	    "{\"iss\":\"x\",\"iat\":1499999900,"
	    "\"exp\":1499999941}",
	    NULL },
	{ "exp 60 s ago", "{\"iss\":\"x\",\"exp\":1499999940}",
	    "it has expired, by 60 s" },
	{ "exp long ago", "{\"iss\":\"x\",\"exp\":1}",
	    "it has expired, by 1499999999 s" },
	{ "iat in 60 s", "{\"iss\":\"x\",\"iat\":1500000060," ONLY_EXP "}",
	    NULL },
	{ "iat in 61 s", "{\"iss\":\"x\",\"iat\":1500000061," ONLY_EXP "}",
	    "it is from the future, by 61 s" },
	{ "nbf in 60 s", "{\"iss\":\"x\",\"nbf\":1500000060," EXP "}", NULL },
	{ "nbf in 61 s", "{\"iss\":\"x\",\"nbf\":1500000061," EXP "}",
	    "it is not valid yet, by 61 s" },
	{ "nbf large", "{\"iss\":\"x\",\"nbf\":9223372036854775806," EXP "}",
	    "it is not valid yet, by 9223372035354775806 s" },
	{ "iat text", "{\"iss\":\"x\",\"iat\":\"1\"," ONLY_EXP "}", NO_IAT },
	{ "iat null", "{\"iss\":\"x\",\"iat\":null," ONLY_EXP "}", NO_IAT },
	{ "nbf negative", "{\"iss\":\"x\",\"nbf\":-1," EXP "}",
	    "its nbf is not a time" },

	{ "context null", "{\"iss\":\"x\"," EXP ",\"context\":null}",
	    "its context is not an object" },
	{ "context a list", "{\"iss\":\"x\"," EXP ",\"context\":[42]}",
	    "its context is not an object" },
	{ "room null", "{\"iss\":\"x\"," EXP ",\"context\":{\"room_id\":null}}",
	    NO_ROOM },
	{ "room zero", "{\"iss\":\"x\"," EXP ",\"context\":{\"room_id\":0}}",
	    NO_ROOM },
	{ "room a word",
	    "{\"iss\":\"x\"," EXP ",\"context\":{\"room_id\":\"lobby\"}}",
	    NO_ROOM },
	{ "two rooms",
	    "{\"iss\":\"x\"," EXP ",\"context\":{\"room_id\":1,\"room_id\":2}}",
	    "its claims are not JSON in base64url" },

	{ "empty claims", "", "its claims are not JSON in base64url" },
	{ "claims a text", "\"x\"", "its claims are not JSON in base64url" },
	{ "claims cut short", "{\"iss\":\"x\"," EXP,
	    "its claims are not JSON in base64url" },
};

static void
test_claims(void)
{
	char token[TEXT_MAX];
	struct jwt_claims claims;
	size_t i;

	for (i = 0; i < sizeof(claims_of) / sizeof(claims_of[0]); i++) {
		make(token, HEADER, claims_of[i].json);
		is_str(check(token), claims_of[i].why, "claims: %s",
		    claims_of[i].name);
	}
	make(token, HEADER, CLAIMS);
	is_str(jwt_verify(token, SECRET, NOW, &claims), NULL, "a good token");
	is_str(claims.iss, "an-id", "its iss");
	is_int(claims.room_id, 42, "its room");
}

/* The longest iss that an installation may have, and one more. */
static void
test_long_iss(void)
{
	char json[512], token[TEXT_MAX];
	struct jwt_claims claims;

	snprintf(json, sizeof(json), "{\"iss\":\"%0255d\"," EXP "}", 7);
	make(token, HEADER, json);
	is_str(jwt_verify(token, SECRET, NOW, &claims), NULL,
	    "an iss of 255 bytes");
	is_int((long long)strlen(claims.iss), 255, "comes whole");
	snprintf(json, sizeof(json), "{\"iss\":\"%0256d\"," EXP "}", 7);
	make(token, HEADER, json);
	is_str(check(token), "it has no iss", "an iss of 256 bytes");
}

/* ---- secrets ---- */

static void
test_secrets(void)
{
	struct jwt_claims claims;
	char token[TEXT_MAX], longer[4096];

	make(token, HEADER, CLAIMS);
	is_str(jwt_verify(token, SECRET "x", NOW, &claims),
	    "its signature is wrong", "a longer secret");
	is_str(jwt_verify(token, "a secret of HipChat'S", NOW, &claims),
	    "its signature is wrong", "a secret in another case");
	is_str(jwt_verify(token, "", NOW, &claims), "there is no secret",
	    "no secret");
	join(token, HEADER, CLAIMS);
	sign(token, "");
	is_str(jwt_verify(token, "", NOW, &claims), "there is no secret",
	    "no secret, and signed with none");
	memset(longer, 's', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	join(token, HEADER, CLAIMS);
	sign(token, longer);
	is_str(jwt_verify(token, longer, NOW, &claims), NULL,
	    "a secret longer than a block");
}

/* ---- the form ---- */

/* How often fn's change of one place in a good token passes: never. */
static int
count_passes(bool (*change)(char *token, size_t at, int step), int steps)
{
	char good[TEXT_MAX], token[TEXT_MAX];
	int step, passes = 0;
	size_t at;

	make(good, HEADER, CLAIMS);
	for (at = 0; at <= strlen(good); at++) {
		for (step = 0; step < steps; step++) {
			strcpy(token, good);
			if (!change(token, at, step) || check(token) != NULL)
				continue;
			diag("passes, changed at %zu: %s", at, token);
			passes++;
		}
	}
	return passes;
}

static bool
cut(char *token, size_t at, int step)
{
	(void)step;
	if (token[at] == '\0')
		return false;
	token[at] = '\0';
	return true;
}

static bool
flip_bit(char *token, size_t at, int step)
{
	if (token[at] == '\0')
		return false;
	token[at] = (char)(token[at] ^ (1 << step));
	return true;
}

static bool
replace(char *token, size_t at, int step)
{
	if (token[at] == '\0' || token[at] == base64url[step])
		return false;
	token[at] = base64url[step];
	return true;
}

static bool
insert(char *token, size_t at, int step)
{
	memmove(token + at + 1, token + at, strlen(token + at) + 1);
	token[at] = " \t\r\n\v\f=.A-_+/\x01\x80\xff"[step];
	return true;
}

static bool
remove_one(char *token, size_t at, int step)
{
	(void)step;
	if (token[at] == '\0')
		return false;
	memmove(token + at, token + at + 1, strlen(token + at));
	return true;
}

static void
test_changes(void)
{
	is_int(count_passes(cut, 1), 0, "truncated at every length");
	is_int(count_passes(flip_bit, 8), 0, "every bit flipped");
	is_int(count_passes(replace, 64), 0,
	    "every character replaced by every other one");
	is_int(count_passes(insert, 16), 0,
	    "white space, padding, dots, others put in everywhere");
	is_int(count_passes(remove_one, 1), 0, "every character taken out");
}

/*
 * The same for what is signed: HEADER.CLAIMS is changed first and signed
 * then, so that nothing but the strictness of the decoder refuses it.
 */
static void
test_signed_form(void)
{
	static const char odd[] = " \t\r\n\v\f=+/.,~\x7f\x80\xff";
	static const char iss[] = "{\"iss\":\"x\"," EXP "}";
	char good[TEXT_MAX], token[TEXT_MAX];
	size_t at, i;
	int passes = 0;

	join(good, HEADER, iss);
	for (at = 0; at <= strlen(good); at++) {
		for (i = 0; i < sizeof(odd) - 1; i++) {
			memcpy(token, good, at);
			token[at] = odd[i];
			strcpy(token + at + 1, good + at);
			sign(token, SECRET);
			if (check(token) == NULL)
				passes++;
		}
	}
	is_int(passes, 0, "odd characters in what is signed");
}

/*
 * Stray bits: a last character may only be one that leaves none, and a header
 * with such bits is refused though it decodes to the same and is signed.
 */
static void
test_stray_bits(void)
{
	static const int canonical[] = { 0, 0, 4, 16, 64, 0 };
	static const char *const headers_of[] = { "{\"alg\":\"HS256\"} ",
		"{\"alg\":\"HS256\"}  " };
	char token[TEXT_MAX], text[6] = "AAAAA", *last;
	size_t i;
	int c, n;

	for (i = 1; i <= 5; i++) {
		for (c = 0, n = 0; c < 64; c++) {
			text[i - 1] = base64url[c];
			n += is_canonical(text, i);
		}
		text[i - 1] = 'A';
		is_int(n, canonical[i], "last characters of %zu", i);
	}
	for (i = 0; i < 2; i++) {
		join(token, headers_of[i], CLAIMS);
		last = strchr(token, '.') - 1;
		*last = strchr(base64url, *last)[1];
		sign(token, SECRET);
		is_str(check(token), "its header is not JSON in base64url",
		    "a stray bit, %zu bytes behind groups of three", i + 1);
	}
}

static void
test_parts(void)
{
	static const char *const odd[] = {
		"",
		".",
		"..",
		"...",
		"....",
		"a",
		"a.b",
		"a.b.",
		".b.c",
		"a..c",
		"..c",
		" ",
		"null",
		"eyJhbGciOiJub25lIn0.e30.",
	};
	char token[TEXT_MAX];
	size_t i;

	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		ok(check(odd[i]) != NULL, "refused: \"%s\"", odd[i]);

	join(token, HEADER, CLAIMS);
	strcat(token, ".");
	is_str(check(token), "its signature is wrong", "an empty signature");
	join(token, "{\"alg\":\"none\"}", CLAIMS);
	strcat(token, ".");
	is_str(check(token), "its signature is wrong",
	    "alg none and an empty signature");
	make(token, HEADER, CLAIMS);
	strcat(token, ".");
	is_str(check(token), "it does not have three parts",
	    "an empty 4th part");
	make(token, HEADER, CLAIMS);
	sign(token, SECRET);
	is_str(check(token), "it does not have three parts",
	    "a signed 4th part");
	strcpy(token, "e30");
	sign(token, SECRET);
	is_str(check(token), "it does not have three parts",
	    "two parts, signed");
	strcpy(token, ".e30");
	sign(token, SECRET);
	is_str(check(token), "its header is not JSON in base64url",
	    "an empty header, signed");
}

/* Tokens of exactly the limit, and of one more. */
static void
test_size(void)
{
	static char token[TEXT_MAX], json[TEXT_MAX];
	size_t pad;

	/* the claims fill what header, dots and signature leave */
	for (pad = 6000; pad < 6200; pad++) {
		snprintf(json, sizeof(json), "{\"iss\":\"x\"," EXP "%*s}",
		    (int)pad, "");
		make(token, HEADER, json);
		if (strlen(token) >= JWT_MAX)
			break;
	}
	is_int((long long)strlen(token), JWT_MAX, "the largest token");
	is_str(check(token), NULL, "is taken");
	snprintf(json, sizeof(json), "{\"iss\":\"x\"," EXP "%*s}", (int)pad + 1,
	    "");
	make(token, HEADER, json);
	ok(strlen(token) > JWT_MAX, "a larger one");
	is_str(check(token), "it is too long", "is not");
}

/* ---- main ---- */

static int
say(const char *token, const char *secret, int64_t now)
{
	struct jwt_claims claims;
	const char *why = jwt_verify(token, secret, now, &claims);

	if (why == NULL)
		printf("good iss=%s room_id=%" PRId64 "\n", claims.iss,
		    claims.room_id);
	else
		printf("bad: %s\n", why);
	return why == NULL ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc >= 3)
		return say(argv[1], argv[2],
		    argc > 3 ? strtoll(argv[3], NULL, 10) :
			       (int64_t)time(NULL));
	test_standard();
	test_headers();
	test_claims();
	test_long_iss();
	test_secrets();
	test_changes();
	test_signed_form();
	test_stray_bits();
	test_parts();
	test_size();
	return done();
}
