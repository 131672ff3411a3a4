/*
 * test-fate: the courier's policy, as a table: every kind of outcome at every
 * stage, and every status that HipChat is known for.
 */
#include "daemons/fate.h"
#include "status.h"
#include "tap.h"

static const char *const stages[] = { "token", "post", "prove" };

static const struct {
	int status;
	enum fate post, renewed, token; /* token: to prove a removal, too */
} answers[] = {
	{ 100, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 200, FATE_DONE, FATE_DONE, FATE_GRANTED },
	{ 201, FATE_DONE, FATE_DONE, FATE_LATER },
	{ 202, FATE_DONE, FATE_DONE, FATE_LATER },
	{ 204, FATE_DONE, FATE_DONE, FATE_LATER },
	{ 299, FATE_DONE, FATE_DONE, FATE_LATER },
	{ 301, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 302, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 304, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 400, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 401, FATE_RENEW, FATE_FAILED, FATE_REMOVED },
	{ 402, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 403, FATE_FAILED, FATE_FAILED, FATE_REMOVED },
	{ 404, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 405, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 408, FATE_LATER, FATE_LATER, FATE_LATER },
	{ 409, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 410, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 413, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 429, FATE_LIMITED, FATE_LIMITED, FATE_LIMITED },
	{ 499, FATE_FAILED, FATE_FAILED, FATE_LATER },
	{ 500, FATE_LATER, FATE_LATER, FATE_LATER },
	{ 502, FATE_LATER, FATE_LATER, FATE_LATER },
	{ 503, FATE_LATER, FATE_LATER, FATE_LATER },
	{ 504, FATE_LATER, FATE_LATER, FATE_LATER },
	{ 599, FATE_LATER, FATE_LATER, FATE_LATER },
};

static const struct {
	const char *name;
	enum http_outcome outcome;
	enum fate post, token;
} silences[] = {
	{ "nobody there", CALL_UNREACHED, FATE_UNREACHED, FATE_UNREACHED },
	{ "no answer in time", CALL_TIMED_OUT, FATE_PERHAPS, FATE_LATER },
	{ "broken off", CALL_BROKEN, FATE_LATER, FATE_LATER },
	{ "not sent", CALL_STOPPED, FATE_AGAIN, FATE_AGAIN },
};

static void
test_answers(void)
{
	size_t i;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const int status = answers[i].status;

		is_int(fate_of(STAGE_POST, CALL_ANSWERED, status, false),
		    answers[i].post, "post: %d", status);
		is_int(fate_of(STAGE_POST, CALL_ANSWERED, status, true),
		    answers[i].renewed, "post with a fresh token: %d", status);
		is_int(fate_of(STAGE_TOKEN, CALL_ANSWERED, status, false),
		    answers[i].token, "token: %d", status);
		is_int(fate_of(STAGE_PROVE, CALL_ANSWERED, status, false),
		    answers[i].token, "prove: %d", status);
	}
}

/* No answer: the status is nothing, and whether the token is fresh as well. */
static void
test_silences(void)
{
	size_t i;
	int stage, status;

	for (i = 0; i < sizeof(silences) / sizeof(silences[0]); i++)
		for (stage = STAGE_TOKEN; stage <= STAGE_PROVE; stage++)
			for (status = 0; status <= 200; status += 200)
				is_int(fate_of((enum stage)stage,
					   silences[i].outcome, status,
					   status != 0),
				    stage == STAGE_POST ? silences[i].post :
							  silences[i].token,
				    "%s: %s", stages[stage], silences[i].name);
}

int
main(void)
{
	test_answers();
	test_silences();
	return done();
}
