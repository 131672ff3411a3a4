/*
 * hipchat: what HipChat answers, up to four documents, one a line.  Nothing
 * is connected to: hipchat.c is included with an http_do() that gives a line.
 */
#define http_do give_line
#include "../../common/hipchat.c"
#undef http_do

#include <unistr.h>

#include "fuzz.h"
#include "outbox.h"

#define ORIGIN "http://127.0.0.1:1"

static char *replies; /* what is left of the input */

int
give_line(struct http_call *call, const struct config *cfg,
    const struct http_request *request)
{
	(void)request;
	memset(call, 0, sizeof(*call));
	fuzz_check(cfg->ca_file == NULL, "the settings");
	call->reply.body = strdup(fuzz_line(&replies));
	fuzz_check(call->reply.body != NULL, "out of memory");
	call->reply.len = strlen(call->reply.body);
	call->reply.status = 200;
	return 0;
}

static void
check_discovery(const struct config *cfg)
{
	struct installation inst = { .capabilities_url = ORIGIN "/c" };

	if (hipchat_discover(cfg, &inst) == 0)
		fuzz_check(http_url_allowed(cfg, inst.token_url) &&
			http_url_allowed(cfg, inst.api_url),
		    "hipchat_discover: on allowed hosts");
}

static void
check_token(const struct config *cfg)
{
	const struct installation inst = { .oauth_id = "an-id" };
	const int64_t now = time(NULL);
	struct token token;
	const char *p;

	if (hipchat_token(cfg, &inst, &token) != 0)
		return;
	for (p = token.text; *p != '\0'; p++)
		fuzz_check(*p > ' ' && *p <= '~', "hipchat_token: a token");
	fuzz_check(p > token.text, "hipchat_token: not empty");
	fuzz_check(token.expires >= now - TOKEN_MARGIN &&
		token.expires <= now + LIFETIME_MAX + TOKEN_MARGIN,
	    "hipchat_token: when it expires");
}

/* What is kept with a message that failed, and shown to the operator. */
static void
check_reason(char *text)
{
	const struct http_reply reply = { .status = 404,
		.body = text,
		.len = strlen(text) };
	char reason[OUTBOX_REASON_MAX];

	hipchat_reason(&reply, reason, sizeof(reason));
	fuzz_check(strncmp(reason, "HipChat answers 404", 19) == 0 &&
		u8_check((uint8_t *)reason, strlen(reason)) == NULL,
	    "hipchat_reason: a reason in UTF-8");
}

static void
check_installable(const struct config *cfg)
{
	char id[STORE_ID_MAX], secret[STORE_SECRET_MAX];

	if (hipchat_installable(cfg, ORIGIN "/i", id, secret) == 0)
		fuzz_check(*id != '\0' && strlen(id) < sizeof(id) &&
			strlen(secret) < sizeof(secret),
		    "hipchat_installable");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config cfg = { .allowed_hosts = ORIGIN };
	char *text = fuzz_text(data, size);

	replies = text;
	check_discovery(&cfg);
	check_token(&cfg);
	check_installable(&cfg);
	check_reason(fuzz_line(&replies));
	free(text);
	return 0;
}
