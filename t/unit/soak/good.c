/*
 * good: what HipChat and people do, and what their answers mean.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <json-c/json.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>

#include "soak.h"

#define ODD_SHOWN 12

/* ---- what an answer means ---- */

static void TAP_FORMAT(1, 2) odd(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (atomic_fetch_add(&soak.odd, 1) >= ODD_SHOWN)
		return;
	pthread_mutex_lock(&soak.mutex);
	diag("%s: %s", parts[soak.part].name, line);
	pthread_mutex_unlock(&soak.mutex);
}

/*
 * Is the status the expected one (or the other one)?  Where a disk is full it
 * may be 503, where processes are killed anything but a success.
 */
void
expect(const char *what, int status, int expected, int other)
{
	const struct part *part = &parts[soak.part];

	if (part->fill && status == 503)
		atomic_fetch_add(&soak.refused, 1);
	if (status == expected || status == other || status == HUNG ||
	    (part->fill && status == 503) ||
	    (part->kill && (status < 200 || status >= 400)))
		return;
	odd("%s: status %d", what, status);
}

/* ---- JSON ---- */

void
copy_string(const char *json, const char *name, char *out, size_t size)
{
	struct json_object *doc = json_tokener_parse(json), *value;

	*out = '\0';
	if (json_object_object_get_ex(doc, name, &value))
		snprintf(out, size, "%s", json_object_get_string(value));
	json_object_put(doc);
}

int64_t
get_number(const char *json, const char *name)
{
	struct json_object *doc = json_tokener_parse(json), *value;
	int64_t number = 0;

	if (json_object_object_get_ex(doc, name, &value))
		number = json_object_get_int64(value);
	json_object_put(doc);
	return number;
}

/* ---- tokens ---- */

static size_t
base64url(char *out, const void *bytes, size_t len)
{
	struct base64_encode_ctx ctx;
	size_t n;

	base64url_encode_init(&ctx);
	n = base64_encode_update(&ctx, out, len, bytes);
	n += base64_encode_final(&ctx, out + n);
	while (n > 0 && out[n - 1] == '=')
		n--;
	out[n] = '\0';
	return n;
}

char *
authorization(const char *id, const char *secret, int64_t room, int64_t then,
    int life)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	const long long now = (long long)then;
	char *claims = text(
	    "{\"iss\":\"%s\",\"iat\":%lld,\"exp\":%lld,"
	    "\"context\":{\"room_id\":%lld}}",
	    id, now + (life < 0 ? life : 0), now + life, (long long)room);
	char token[1024], signature[64], *out;
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx ctx;
	size_t n;

	n = base64url(token, header, strlen(header));
	token[n++] = '.';
	n += base64url(token + n, claims, strlen(claims));
	hmac_sha256_set_key(&ctx, strlen(secret), (const uint8_t *)secret);
	hmac_sha256_update(&ctx, n, (const uint8_t *)token);
	hmac_sha256_digest(&ctx, sizeof(digest), digest);
	base64url(signature, digest, sizeof(digest));
	out = text("Authorization: JWT %s.%s\r\n", token, signature);
	free(claims);
	return out;
}

/* ---- good requests ---- */

char *
webhook(const char *id, int64_t room, const char *message)
{
	return text(
	    "{\"event\":\"room_message\",\"oauth_client_id\":\"%s\","
	    "\"item\":{\"room\":{\"id\":%lld},\"message\":{\"id\":\"m-%s\","
	    "\"message\":\"/echo %s\"}}}",
	    id, (long long)room, message, message);
}

/* Post it, signed with that secret; returns the status. */
int
post_webhook(const char *id, const char *secret, int64_t room,
    const char *message, int life)
{
	char *header = authorization(id, secret, room, time(NULL), life);
	char *body = webhook(id, room, message);
	const int status =
	    status_of(request(soak.addon, "POST", "/echo", header, body));

	free(header);
	free(body);
	return status;
}

/* Say something that nobody has said before, and remember what was taken. */
int
say(struct client *c, const struct tenant *tenant)
{
	struct said *said;
	char message[48];
	int status;

	snprintf(message, sizeof(message), "said-%d-%d-%zu", c->number,
	    c->serial++, soak.part);
	status =
	    post_webhook(tenant->id, tenant->secret, c->room, message, 3600);
	if (status == 204) {
		c->said = room_for(c->said, c->said_count, sizeof(*c->said));
		said = &c->said[c->said_count++];
		strcpy(said->text, message);
		said->part = (int)soak.part;
	}
	return status;
}

static char *
credentials(const char *id, const char *secret, int64_t room, const char *url)
{
	return text(
	    "{\"oauthId\":\"%s\",\"oauthSecret\":\"%s\","
	    "\"capabilitiesUrl\":\"%s/v2/capabilities\",\"groupId\":46617,"
	    "\"roomId\":%lld}",
	    id, secret, url, (long long)room);
}

int
post_installed(const char *id, const char *secret, int64_t room,
    const char *url)
{
	char *body = credentials(id, secret, room, url);
	const int status =
	    status_of(request(soak.addon, "POST", "/installed", "", body));

	free(body);
	return status;
}

/* Let HipChat install the add-on; returns its status, 200 with the tenant. */
int
install(const struct client *c, struct tenant *tenant)
{
	char *body = text("{\"url\":\"%s/capabilities\",\"room_id\":%lld}",
	    soak.addon_url, (long long)c->room);
	const struct answer answer =
	    request(soak.hipchat, "POST", "/control/install", "", body);

	memset(tenant, 0, sizeof(*tenant));
	copy_string(answer.body, "oauth_id", tenant->id, sizeof(tenant->id));
	copy_string(answer.body, "oauth_secret", tenant->secret,
	    sizeof(tenant->secret));
	free(body);
	/* HipChat says 502 where the add-on says anything but 2xx */
	if (answer.status == 502 && parts[soak.part].fill &&
	    strstr(answer.body, "status 503") == NULL)
		odd("install: %s", answer.body);
	return status_of(answer);
}

static void
install_guest(struct client *c)
{
	struct tenant guest;
	const int status = install(c, &guest);

	expect("install", status, 200, parts[soak.part].fill ? 502 : 200);
	if (status != 200)
		return;
	c->guests = room_for(c->guests, c->guest_count, sizeof(guest));
	c->guests[c->guest_count++] = guest;
}

/* Let HipChat remove one of the guests, in one of the three forms. */
static void
remove_guest(struct client *c)
{
	const size_t which = c->guest_count == 0 ?
	    0 :
	    dice(&c->dice, (unsigned int)c->guest_count);
	const char form = (char)('A' + dice(&c->dice, 3));
	struct tenant *guest;
	struct answer answer;
	int64_t status;
	char *body;

	if (c->guest_count == 0 || c->guests[which].gone ||
	    c->guests[which].unsure)
		return;
	guest = &c->guests[which];
	body = text("{\"oauth_id\":\"%s\",\"form\":\"%c\"}", guest->id, form);
	answer = request(soak.hipchat, "POST", "/control/remove", "", body);
	status = get_number(answer.body, "status");
	expect("removal", (int)status, form == 'B' ? 302 : 204, 0);
	guest->gone = status == 204 || status == 302;
	guest->unsure = !guest->gone;
	free(body);
	free(answer.body);
}

void
good(struct client *c)
{
	switch (dice(&c->dice, 16)) {
	case 0:
		install_guest(c);
		break;
	case 1:
		remove_guest(c);
		break;
	case 2: /* HipChat repeats itself */
		expect("install again",
		    post_installed(c->home.id, c->home.secret, c->room,
			soak.hipchat_url),
		    200, 0);
		break;
	case 3:
		expect("capabilities",
		    status_of(
			request(soak.addon, "GET", "/capabilities", "", NULL)),
		    200, 0);
		break;
	default:
		expect("webhook", say(c, &c->home), 204, 0);
	}
}
