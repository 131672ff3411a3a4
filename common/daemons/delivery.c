/*
 * delivery: see delivery.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "daemons/delivery.h"
#include "daemons/fate.h"
#include "hipchat.h"
#include "json.h"
#include "log.h"
#include "remove.h"
#include "status.h"
#include "uptime.h"

/* Waiting, in ms. */
#define BACKOFF_FIRST 1000
#define BACKOFF_LAST 60000
#define LIMIT_LAST (LANES_WAIT_MAX * 1000)
#define REFUSED_PAUSE 10000 /* as long as it may take to install */

/* A message with so many bad answers goes behind the others of its room. */
#define BAD_ANSWERS 5

/* How often a message is repeated that HipChat may have. */
#define REPETITIONS 3

/* After a removal that could not be proved, ask again so many seconds later. */
static const int64_t prove_after[] = { 10, 60, 600 };
#define PROOFS (sizeof(prove_after) / sizeof(prove_after[0]))

/* A message on its way. */
struct delivery {
	struct desk *desk;
	struct lane *lane; /* busy */
	enum stage stage;
	bool renewed; /* a token was got for this message */
	struct outbox_message msg;
	struct http_call call;
};

/*
 * "ID: WHAT, room 7 of INSTALLATION, webhook W" or, of a removal that HipChat
 * has to prove, "ID: WHAT, removal of INSTALLATION", and perhaps why.
 */
static void
tell(const struct delivery *d, const char *what, const char *why)
{
	const struct lane *lane = d->lane;
	const char *colon = *why != '\0' ? ": " : "";

	if (lane->room_id == 0)
		log_line("%s: %s, removal of %s%s%s", d->msg.id, what,
		    lane->tenant->oauth_id, colon, why);
	else
		log_line("%s: %s, room %" PRId64 " of %s, webhook %s%s%s",
		    d->msg.id, what, lane->room_id, lane->tenant->oauth_id,
		    d->msg.webhook, colon, why);
}

/* ---- what the store says ---- */

static bool
has_token(const struct known *known)
{
	return *known->token.text != '\0' &&
	    known->token.expires > (int64_t)time(NULL);
}

/* 0 if the store has not changed since; 409 (not logged) if it has. */
static int
compare(struct desk *desk, const char *oauth_id, const struct known *known,
    struct stamp *stamp)
{
	const int status = store_stamp(&desk->store, oauth_id, stamp);

	if (status == HTTP_NOT_FOUND) /* the folder: nobody was removed */
		return HTTP_SERVICE_UNAVAILABLE;
	if (status == 0 && !stamp_is(stamp, &known->stamp))
		return HTTP_CONFLICT;
	return status;
}

/* Read what the store says, as it was at the time of the stamp. */
static int
learn(struct desk *desk, const char *oauth_id, struct known *known,
    const struct stamp *stamp)
{
	const struct installation old = known->inst;
	const int status = store_find(&desk->store, oauth_id, &known->inst);

	if (status != 0)
		memset(known, 0, sizeof(*known));
	if (status == 0 || status == HTTP_NOT_FOUND)
		known->stamp = *stamp;
	if (status != 0)
		return status;
	if (strcmp(old.oauth_secret, known->inst.oauth_secret) != 0 ||
	    strcmp(old.api_url, known->inst.api_url) != 0)
		known->token.text[0] = '\0';
	if (!has_token(known) &&
	    store_find_token(&desk->store, oauth_id, &known->token) != 0)
		known->token.text[0] = '\0';
	return 0;
}

/*
 * See that this is what the store says now.  Returns 0, HTTP_NOT_FOUND if it is
 * not installed, or another status of the store.
 */
static int
look_up(struct desk *desk, const char *oauth_id, struct known *known)
{
	struct stamp stamp;
	const int status = compare(desk, oauth_id, known, &stamp);

	if (status == HTTP_CONFLICT)
		return learn(desk, oauth_id, known, &stamp);
	if (status == 0 && *known->inst.oauth_id == '\0')
		return HTTP_NOT_FOUND;
	return status;
}

/* For a call of the tenant: see that what we know of it is up to date. */
static int
refresh(struct desk *desk, struct tenant *tenant)
{
	return look_up(desk, tenant->oauth_id,
	    lanes_know(&desk->lanes, tenant));
}

/*
 * Not installed any more?  What we know of the tenant stays as it is: a call of
 * another of its rooms may be under way with that, and be judged by it.
 */
static bool
is_removed(struct desk *desk, const struct tenant *tenant)
{
	struct known known = { .token.text = "" };

	if (tenant->known != NULL)
		known = *tenant->known;
	return look_up(desk, tenant->oauth_id, &known) == HTTP_NOT_FOUND;
}

/* ---- settle ---- */

/* Twice as long each time, give or take a quarter. */
static int64_t
back_off(unsigned int times)
{
	int64_t ms = times < 6 ? BACKOFF_FIRST << times : BACKOFF_LAST;
	uint16_t dice = 0;

	if (getrandom(&dice, sizeof(dice), GRND_NONBLOCK) < 0)
		dice = 0x8000;
	ms += ms * (dice - 0x8000) / 0x20000;
	return ms < BACKOFF_LAST ? ms : BACKOFF_LAST;
}

static void
free_delivery(struct delivery *d)
{
	d->desk->last_work = uptime_ms();
	http_free(&d->call);
	outbox_release(&d->msg);
	free(d);
}

/* The message waits, alone or with others: it is queued again.  The lane, which
 * is still busy, is left. */
static struct lane *
put_back(struct delivery *d)
{
	struct lane *lane = d->lane;

	outbox_settle(&d->desk->box, &lane->first->place, &d->msg, OUTBOX_LATER,
	    NULL);
	free_delivery(d);
	return lane;
}

/* It goes again, as soon as it is its turn. */
static void
again(struct delivery *d)
{
	struct lanes *lanes = &d->desk->lanes;

	lanes_again(lanes, put_back(d));
}

static void
tell_deferred(const struct delivery *d, int64_t ms, const char *why)
{
	char what[64];

	snprintf(what, sizeof(what), "deferred for %.1f s", (double)ms / 1000);
	tell(d, what, why);
}

static void
later(struct delivery *d, int64_t ms, const char *why)
{
	struct lanes *lanes = &d->desk->lanes;

	tell_deferred(d, ms, why);
	lanes_later(lanes, put_back(d), uptime_ms() + ms, why);
}

/*
 * It is over for this message.  If the mark can't be written, the next courier
 * will repeat it, but not this one.
 */
static void
settle(struct delivery *d, enum outbox_end end, const char *what,
    const char *why)
{
	struct desk *desk = d->desk;
	const int status = outbox_settle(&desk->box, &d->lane->first->place,
	    &d->msg, end, why);

	if (status != 0 && end == OUTBOX_GIVEN_UP) {
		later(d, BACKOFF_LAST,
		    "the list of failed ones can't be "
		    "written");
		return;
	}
	tell(d, what, why);
	lanes_done(&desk->lanes, d->lane);
	free_delivery(d);
}

/* Keep it with the reason, unless its installation has been removed since. */
static void
fail(struct delivery *d, const char *why)
{
	if (d->lane->first->claimed && is_removed(d->desk, d->lane->tenant))
		settle(d, OUTBOX_DROPPED, "dropped", "removed");
	else
		settle(d, OUTBOX_GIVEN_UP, "failed", why);
}

/* Too old to be tried again? */
static bool
is_expired(const struct delivery *d)
{
	return d->lane->first->expires <= uptime_ms();
}

/* HipChat is not well: back off, or let others go first. */
static void
not_well(struct delivery *d, const char *why)
{
	struct lanes *lanes = &d->desk->lanes;
	const struct item *item = d->lane->first;
	const int64_t ms = back_off(item->failures - 1);

	if (is_expired(d)) {
		fail(d, why);
	} else if (item->bad_answers >= BAD_ANSWERS && item->next != NULL) {
		tell(d, "deferred, behind the others", why);
		lanes_behind(lanes, put_back(d), uptime_ms() + ms, why);
	} else {
		later(d, ms, why);
	}
}

/* It was sent, and may have been said. */
static void
perhaps(struct delivery *d, const char *why)
{
	if (d->lane->first->timeouts > REPETITIONS)
		fail(d, why);
	else
		not_well(d, why);
}

/*
 * How many ms to wait according to a reset header, which holds Unix time or the
 * seconds left; 0 if there is none, or if the time is past.
 */
static int64_t
reset_ms(const struct http_call *call, const char *name)
{
	int64_t value;

	if (!http_header(call, name, &value))
		return 0;
	if (value > 1000000000)
		value -= (int64_t)time(NULL);
	return value > 0 ? value * 1000 : 0;
}

/* Is nothing left of this limit, or is there no such header? */
static bool
used_up(const struct http_call *call, const char *name)
{
	int64_t left;

	return !http_header(call, name, &left) || left == 0;
}

/* The room waits, or all rooms of the installation. */
static void
hold(struct delivery *d, int64_t ms, bool all_rooms)
{
	struct lanes *lanes = &d->desk->lanes;

	tell_deferred(d, ms,
	    all_rooms ? "rate limit of the installation" : "rate limit");
	(all_rooms ? lanes_limit : lanes_hold)(lanes, put_back(d),
	    uptime_ms() + ms, "rate limit");
}

/*
 * HipChat's rate limits, one for the add-on and one for the room: the headers
 * of both come with every answer.  If neither is used up, take the nearer one.
 */
static void
limited(struct delivery *d)
{
	const struct http_call *call = &d->call;
	const int64_t rate = reset_ms(call, "X-Ratelimit-Reset");
	const int64_t flood = reset_ms(call, "X-FloodControl-Reset");
	const bool rated = rate > 0 && used_up(call, "X-Ratelimit-Remaining");
	const bool flooded =
	    flood > 0 && used_up(call, "X-FloodControl-Remaining");
	int64_t ms = http_retry_after(call) * 1000;

	if (rated && rate > ms)
		ms = rate;
	if (flooded && flood > ms)
		ms = flood;
	if (ms == 0 && rate > 0 && flood > 0)
		ms = rate < flood ? rate : flood;
	if (ms > LIMIT_LAST)
		ms = LIMIT_LAST;
	if (ms == 0)
		not_well(d, "rate limit");
	else
		hold(d, ms, rated || d->stage != STAGE_POST);
}

/* Nobody there: the host waits, and the message is as it was. */
static void
unreached(struct delivery *d, const char *why)
{
	struct lanes *lanes = &d->desk->lanes;
	const struct host *host = d->lane->tenant->host;
	const int64_t ms = back_off(host->failures);

	if (host->state != HOST_DOWN)
		log_line("%s: deferred for %.1f s: %s", host->name,
		    (double)ms / 1000, why);
	lanes_unreached(lanes, put_back(d), uptime_ms(), uptime_ms() + ms, why);
}

/*
 * HipChat has removed the installation: so do we.  Unless it is being installed
 * again: then HipChat has a new secret a while before we have it, and what is
 * queued would be lost.
 */
static void
removed(struct delivery *d)
{
	struct desk *desk = d->desk;
	const struct known *known = d->lane->tenant->known;

	if (d->stage == STAGE_TOKEN && !d->lane->first->refused) {
		d->lane->first->refused = true;
		later(d, REFUSED_PAUSE, "HipChat refuses a token");
		return;
	}
	switch (remove_refused(&desk->store, &desk->box, &known->inst)) {
	case 0:
		settle(d, OUTBOX_DROPPED, "dropped",
		    "HipChat has removed the installation");
		break;
	case HTTP_CONFLICT: /* it was installed again */
		again(d);
		break;
	default:
		later(d, BACKOFF_FIRST, "the store is busy");
	}
}

/* ---- call ---- */

/* Learn what the store says now: are secret and URL still the same? */
static bool
is_same(struct desk *desk, struct tenant *tenant)
{
	const struct installation old = tenant->known->inst;
	const struct installation *inst = &tenant->known->inst;

	return refresh(desk, tenant) == 0 &&
	    strcmp(old.oauth_secret, inst->oauth_secret) == 0 &&
	    strcmp(old.api_url, inst->api_url) == 0;
}

/* The request is about to be sent: is the installation still what it was? */
static bool
may_send(void *owner)
{
	const struct delivery *d = owner;
	struct tenant *tenant = d->lane->tenant;
	struct stamp stamp;

	return compare(d->desk, tenant->oauth_id, tenant->known, &stamp) == 0 ||
	    is_same(d->desk, tenant);
}

static void
begin(struct delivery *d, enum stage stage, const struct http_request *request)
{
	struct desk *desk = d->desk;

	d->stage = stage;
	if (http_pool_add(&desk->pool, &d->call, desk->cfg, request, d,
		may_send) != 0) {
		/* somebody may mend the setting */
		d->lane->first->failures++;
		not_well(d, "not on a host of HIPCHAT_ALLOWED_HOSTS");
	}
}

static void
ask_token(struct delivery *d, enum stage stage)
{
	struct http_request request;

	hipchat_token_request(&request, &d->lane->tenant->known->inst);
	begin(d, stage, &request);
}

static void
post(struct delivery *d)
{
	const struct known *known = d->lane->tenant->known;
	struct http_request request;
	char url[HIPCHAT_URL_MAX];

	hipchat_post_request(&request, url, &known->inst, d->lane->room_id,
	    &known->token, json_text(d->msg.notification));
	begin(d, STAGE_POST, &request);
}

/* HipChat has granted a token. */
static void
granted(struct delivery *d)
{
	struct desk *desk = d->desk;
	struct known *known = d->lane->tenant->known;

	if (hipchat_token_reply(&d->call.reply, &known->token) != 0) {
		known->token.text[0] = '\0';
		d->lane->first->failures++;
		not_well(d, "HipChat's answer holds no token");
		return;
	}
	/* if it can't be stored now, it is good for this life */
	store_put_token(&desk->store, &known->inst, &known->token);
	http_free(&d->call);
	d->renewed = true;
	post(d);
}

/* ... to an installation that somebody says is removed. */
static void
not_removed(struct delivery *d)
{
	const int64_t age = uptime_ms() - d->lane->first->arrived;
	const int64_t next = delivery_first_proof(age / 1000);

	if (next > 0)
		later(d, next * 1000, "HipChat still grants a token");
	else
		settle(d, OUTBOX_DROPPED, "given up",
		    "HipChat still grants a token");
}

/* ---- what becomes of it ---- */

static void
why_not(const struct delivery *d, char why[OUTBOX_REASON_MAX])
{
	if (d->call.outcome == CALL_ANSWERED)
		hipchat_reason(&d->call.reply, why, OUTBOX_REASON_MAX);
	else
		snprintf(why, OUTBOX_REASON_MAX, "no answer: %.140s",
		    d->call.error);
}

/* Count what the call says of message and host. */
static void
count(struct delivery *d, enum fate fate)
{
	struct item *item = d->lane->first;

	if (d->call.outcome == CALL_ANSWERED)
		lanes_reached(&d->desk->lanes, d->lane);
	/* that there is no token says nothing of the message */
	if (fate == FATE_LATER && d->stage == STAGE_POST &&
	    d->call.outcome == CALL_ANSWERED)
		item->bad_answers++;
	if (fate == FATE_PERHAPS)
		item->timeouts++;
	if (fate == FATE_LATER || fate == FATE_PERHAPS || fate == FATE_LIMITED)
		item->failures++;
}

static void
meet(struct delivery *d, enum fate fate)
{
	char why[OUTBOX_REASON_MAX] = "";

	if (fate != FATE_DONE && fate != FATE_GRANTED)
		why_not(d, why);
	switch (fate) {
	case FATE_DONE:
		settle(d, OUTBOX_DONE, "delivered", "");
		break;
	case FATE_GRANTED:
		(d->stage == STAGE_PROVE ? not_removed : granted)(d);
		break;
	case FATE_RENEW:
		d->lane->tenant->known->token.text[0] = '\0';
		http_free(&d->call);
		ask_token(d, STAGE_TOKEN);
		break;
	case FATE_LIMITED:
		limited(d);
		break;
	case FATE_LATER:
		not_well(d, why);
		break;
	case FATE_PERHAPS:
		perhaps(d, why);
		break;
	case FATE_UNREACHED:
		unreached(d, why);
		break;
	case FATE_AGAIN:
		again(d);
		break;
	case FATE_FAILED:
		fail(d, why);
		break;
	case FATE_REMOVED:
		removed(d);
		break;
	}
}

/* Does the message wait in the outbox after this? */
static bool
is_kept(enum fate fate)
{
	return fate == FATE_LIMITED || fate == FATE_LATER ||
	    fate == FATE_PERHAPS || fate == FATE_UNREACHED ||
	    fate == FATE_AGAIN;
}

/* The call is over. */
static void
finish(struct delivery *d)
{
	const enum fate fate = fate_of(d->stage, d->call.outcome,
	    d->call.reply.status, d->renewed);

	count(d, fate);
	/* a removal leaves what is claimed to us, and nothing is to be kept */
	if (is_kept(fate) && is_removed(d->desk, d->lane->tenant))
		settle(d, OUTBOX_DROPPED, "dropped", "removed");
	else
		meet(d, fate);
}

void
delivery_finish(struct desk *desk)
{
	struct http_call *call;

	while ((call = http_pool_next(&desk->pool)) != NULL)
		finish(call->owner);
}

/* ---- claim ---- */

/* Claim the lane's first message: a delivery, or NULL if that came to nothing.
 */
static struct delivery *
claim(struct desk *desk, struct lane *lane)
{
	struct delivery *d = need(calloc(1, sizeof(*d)));

	d->desk = desk;
	d->lane = lane;
	switch (outbox_claim(&desk->box, &lane->first->place, &d->msg)) {
	case 0:
		return d;
	case HTTP_CONFLICT:
		tell(d, "dropped", "a duplicate");
		lanes_done(&desk->lanes, lane);
		break;
	case HTTP_NOT_FOUND:   /* somebody dropped it */
	case HTTP_BAD_REQUEST: /* it is no message, and set aside */
		lanes_done(&desk->lanes, lane);
		break;
	default:
		lanes_later(&desk->lanes, lane, uptime_ms() + BACKOFF_LAST,
		    "the outbox can't be read or written");
	}
	free_delivery(d);
	return NULL;
}

/* The tenant's record is not to be had: not installed, or not for now. */
static void
unknown(struct desk *desk, struct lane *lane, int status)
{
	struct delivery *d = claim(desk, lane);

	if (d == NULL)
		return;
	/* what was claimed before has been removed with its installation */
	if (status != HTTP_NOT_FOUND)
		later(d, back_off(lane->first->failures++),
		    "the store can't be read");
	else if (lane->room_id == 0)
		settle(d, OUTBOX_DROPPED, "removed already", "");
	else
		fail(d, "not installed");
}

void
delivery_start(struct desk *desk, struct lane *lane)
{
	const int status = refresh(desk, lane->tenant);
	char host[HIPCHAT_HOST_MAX];
	struct delivery *d;

	if (status != 0) {
		unknown(desk, lane, status);
		return;
	}
	hipchat_host(&lane->tenant->known->inst, host);
	if (!lanes_at(&desk->lanes, lane, host)) {
		lanes_again(&desk->lanes, lane);
		return;
	}
	if ((d = claim(desk, lane)) == NULL)
		return;
	lane->first->claimed = true;
	if (lane->room_id == 0)
		ask_token(d, STAGE_PROVE);
	else if (has_token(lane->tenant->known))
		post(d);
	else
		ask_token(d, STAGE_TOKEN);
}

void
delivery_give_up(struct desk *desk, struct lane *lane)
{
	struct delivery *d = claim(desk, lane);
	const char *why = "too old";

	if (d == NULL)
		return;
	if (lane->error != NULL)
		why = lane->error;
	else if (*lane->tenant->host->error != '\0')
		why = lane->tenant->host->error;
	fail(d, why);
}

int64_t
delivery_first_proof(int64_t age)
{
	size_t i = 0;

	while (i < PROOFS && prove_after[i] <= age)
		i++;
	return i < PROOFS ? prove_after[i] - age : 0;
}
