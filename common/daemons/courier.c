/*
 * courier: the program that takes notifications from the outbox to HipChat.
 *
 *	courier			deliver all, wait for what is deferred, leave
 *	courier --once		deliver what can be delivered now, leave (cron)
 *	courier --linger	deliver all, then wait HIPCHAT_COURIER_IDLE
 *				seconds for more (this is how echo starts it)
 *	courier --status	what is queued, deferred, failed; also --json
 *	courier --retry ID|all	put failed messages into the queue again
 *	courier --drop ID	throw messages away, queued and failed ones;
 *				ID is an installation's or a message's
 *	courier --list		the installations: id, host, room, since when
 *	courier --forget ID	remove an installation without asking HipChat
 *
 * There is one courier at a time; a second one leaves at once.  outbox.h says
 * how it is woken, and how it leaves without missing a message.
 *
 * What HipChat answers to a notification, and what follows:
 *	2xx			delivered
 *	401			a fresh token, once; then it has failed
 *	429			wait as long as HipChat says
 *	408, 5xx, no answer	wait about 1 s, 2 s, ... 60 s
 *	anything else		it has failed
 * A HipChat that is not in HIPCHAT_ALLOWED_HOSTS is treated as one that does
 * not answer.  A message that is older than HIPCHAT_MESSAGE_TTL has failed,
 * too.
 *
 * Log lines go to DATA_DIR/courier.log, or to the terminal if there is one.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cgi.h"
#include "config.h"
#include "hipchat.h"
#include "json.h"
#include "log.h"
#include "outboxctl.h"
#include "lanes.h"
#include "sandbox.h"
#include "status.h"
#include "wake.h"

#define LOG_FILE "courier.log"

/* Most calls under way at the same time, of all tenants. */
#define CALLS_MAX 32

/* Waiting, in ms. */
#define BACKOFF_FIRST 1000
#define BACKOFF_LAST 60000
#define LIMIT_LAST (LANES_WAIT_MAX * 1000)
#define SCAN_PAUSE 50 /* between scans of a busy queue */
#define SWEEP_PAUSE 60000
#define LEAVE_PAUSE 1000 /* between attempts to leave */

struct courier {
	const struct config *cfg;
	struct datadir dir;
	struct store store;
	struct outbox box;
	struct lanes lanes;
	struct http_pool pool;
	int trigger;
	int lock;
	bool once;
	bool linger;
	bool woken;	   /* the trigger has fired since the last scan */
	int64_t last_scan; /* of uptime_ms() */
	int64_t last_sweep;
	int64_t last_work;
};

static int64_t
clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Unix time in ms, as on disk and in HipChat's headers. */
static int64_t
now_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

/* For our own pauses: a clock that nobody sets. */
static int64_t
uptime_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

/* When the lane's first message will be too old; Unix time in ms. */
static int64_t
expiry(const struct courier *c, const struct lane *lane)
{
	return (outbox_arrival(lane->first->name) + c->cfg->message_ttl) * 1000;
}

/* ---- outcomes ---- */

/* The lane's call is over, whatever came of it. */
static void
end_call(struct courier *c, struct lane *lane)
{
	(void)c;
	http_free(&lane->call);
}

/* The first message is done, or stays for later. */
static void
make_idle(struct courier *c, struct lane *lane)
{
	end_call(c, lane);
	outbox_release(&lane->msg);
	lane->tenant->busy = false;
	lane->stage = LANE_IDLE;
	lane->renewed = false;
	c->last_work = uptime_ms();
}

static void
delivered(struct courier *c, struct lane *lane)
{
	const bool had_error = *lane->error != '\0';

	log_line("%s: delivered to room %lld of %s, webhook %s",
	    lane->first->name, (long long)lane->room_id, lane->tenant->oauth_id,
	    lane->msg.webhook);
	outbox_delivered(&c->box, lane->first->name, lane->msg.key);
	lanes_pop(&c->lanes, lane);
	lane->failures = 0;
	lane->until = 0;
	lane->error[0] = '\0';
	if (had_error)
		lanes_save(&c->lanes, &c->box);
	make_idle(c, lane);
}

/* The first message goes to failed/; if the lane has to wait, it still does. */
static void
give_up(struct courier *c, struct lane *lane, const char *reason)
{
	const int status =
	    outbox_fail(&c->box, lane->first->name, &lane->msg, reason);

	if (status != 0 && status != HTTP_NOT_FOUND) {
		/* a disk error: it stays queued */
		lane->stuck_until = now_ms() + BACKOFF_LAST;
		make_idle(c, lane);
		return;
	}
	log_line("%s: failed%s, room %lld of %s, webhook %s: %s",
	    lane->first->name, status == 404 ? ", and was removed by then" : "",
	    (long long)lane->room_id, lane->tenant->oauth_id, lane->msg.webhook,
	    reason);
	lanes_pop(&c->lanes, lane);
	if (reason != lane->error)
		snprintf(lane->error, sizeof(lane->error), "%s", reason);
	lanes_save(&c->lanes, &c->box);
	make_idle(c, lane);
}

/* HipChat has refused the first message; the next may have better luck. */
static void
refused(struct courier *c, struct lane *lane, const char *reason)
{
	lane->failures = 0;
	lane->until = 0;
	give_up(c, lane, reason);
}

/* Let the lane wait for this many ms. */
static void
defer(struct courier *c, struct lane *lane, int64_t ms, const char *reason)
{
	snprintf(lane->error, sizeof(lane->error), "%s", reason);
	lane->until = now_ms() + ms;
	log_line("%s: deferred for %.1f s, room %lld of %s, webhook %s: %s",
	    lane->first->name, (double)ms / 1000, (long long)lane->room_id,
	    lane->tenant->oauth_id, lane->msg.webhook, reason);
	lanes_save(&c->lanes, &c->box);
	make_idle(c, lane);
}

/* Twice as long each time, give or take a quarter. */
static void
back_off(struct courier *c, struct lane *lane, const char *reason)
{
	int64_t ms = BACKOFF_LAST;
	uint16_t dice = 0;

	if (lane->failures < 6)
		ms = BACKOFF_FIRST << lane->failures;
	lane->failures++;
	if (getrandom(&dice, sizeof(dice), GRND_NONBLOCK) < 0)
		dice = 0x8000;
	ms += ms * (dice - 0x8000) / 0x20000;
	defer(c, lane, ms < BACKOFF_LAST ? ms : BACKOFF_LAST, reason);
}

/*
 * How many ms to wait according to a reset header, which holds Unix time or the
 * seconds left; 0 if there is none, or if the time is past.
 */
static int64_t
reset_ms(const struct lane *lane, const char *name)
{
	int64_t value;

	if (!http_header(&lane->call, name, &value))
		return 0;
	if (value > 1000000000)
		value -= now_ms() / 1000;
	return value > 0 ? value * 1000 : 0;
}

/* Is nothing left of this limit, or is there no such header? */
static bool
used_up(const struct lane *lane, const char *name)
{
	int64_t left;

	return !http_header(&lane->call, name, &left) || left == 0;
}

/*
 * HipChat's rate limits: both sets of headers come with every answer.  If
 * neither limit is used up, take the nearer reset.
 */
static void
rate_limited(struct courier *c, struct lane *lane)
{
	const int64_t flood = reset_ms(lane, "X-FloodControl-Reset");
	const int64_t rate = reset_ms(lane, "X-Ratelimit-Reset");
	const bool flooded = used_up(lane, "X-FloodControl-Remaining");
	const bool limited = used_up(lane, "X-Ratelimit-Remaining");
	int64_t ms = http_retry_after(&lane->call) * 1000;

	if (flooded && flood > ms)
		ms = flood;
	if (limited && rate > ms)
		ms = rate;
	if (ms == 0 && !flooded && !limited)
		ms = flood < rate ? flood : rate;
	if (ms == 0)
		back_off(c, lane, "rate limit");
	else
		defer(c, lane, ms < LIMIT_LAST ? ms : LIMIT_LAST, "rate limit");
}

/* ---- calls ---- */

static void
begin(struct courier *c, struct lane *lane, enum lane_stage stage,
    const struct http_request *request)
{
	lane->stage = stage;
	/* somebody may correct the setting: keep the message for now */
	if (http_pool_add(&c->pool, &lane->call, c->cfg, request, lane, NULL) !=
	    0)
		back_off(c, lane, "not on a host of HIPCHAT_ALLOWED_HOSTS");
}

static void
post(struct courier *c, struct lane *lane)
{
	struct http_request request;
	char url[HIPCHAT_URL_MAX];
	const char *body = json_text(lane->msg.notification);

	hipchat_post_request(&request, url, &lane->tenant->inst, lane->room_id,
	    &lane->tenant->token, body);
	begin(c, lane, LANE_POST, &request);
}

static void
ask_token(struct courier *c, struct lane *lane)
{
	struct tenant *tenant = lane->tenant;
	struct http_request request;

	hipchat_token_request(&request, &tenant->inst);
	begin(c, lane, LANE_TOKEN, &request);
}

static bool
has_token(const struct tenant *tenant)
{
	return *tenant->token.text != '\0' &&
	    tenant->token.expires > now_ms() / 1000;
}

/*
 * Get installation and token into memory, if they are not there, from the
 * store.  Returns 0, or the store's status.
 */
static int
prepare_tenant(struct courier *c, struct tenant *tenant)
{
	int status;

	if (has_token(tenant))
		return 0;
	status = store_find(&c->store, tenant->oauth_id, &tenant->inst);
	if (status == 0 &&
	    store_find_token(&c->store, tenant->oauth_id, &tenant->token) != 0)
		tenant->token.text[0] = '\0';
	return status;
}

/* Call HipChat for the lane's first message. */
static void
call_hipchat(struct courier *c, struct lane *lane)
{
	const char *name = lane->first->name;

	switch (prepare_tenant(c, lane->tenant)) {
	case 0:
		if (has_token(lane->tenant))
			post(c, lane);
		else
			ask_token(c, lane);
		break;
	case HTTP_NOT_FOUND:
		log_line("%s: dropped, %s is not installed, webhook %s", name,
		    lane->tenant->oauth_id, lane->msg.webhook);
		outbox_remove(&c->box, "new", name);
		lanes_pop(&c->lanes, lane);
		lane->error[0] = '\0';
		make_idle(c, lane);
		break;
	default:
		back_off(c, lane, "the store can't be read");
	}
}

/* Send the lane's first message, or settle it without a call. */
static void
start(struct courier *c, struct lane *lane)
{
	const char *name = lane->first->name;
	const int status = outbox_load(&c->box, "new", name, &lane->msg);

	if (status == HTTP_NOT_FOUND || status == HTTP_INTERNAL_SERVER_ERROR) {
		if (status == HTTP_INTERNAL_SERVER_ERROR)
			outbox_set_aside(&c->box, name);
		lanes_pop(&c->lanes, lane);
		return;
	}
	lane->tenant->busy = true;
	if (status != 0) {
		back_off(c, lane, "the message can't be read");
		return;
	}
	if (outbox_seen(&c->box, name, lane->msg.key)) {
		log_line("%s: dropped, a duplicate, webhook %s", name,
		    lane->msg.webhook);
		outbox_remove(&c->box, "new", name);
		lanes_pop(&c->lanes, lane);
		make_idle(c, lane);
		return;
	}
	if (expiry(c, lane) <= now_ms()) {
		/* this message is gone, but the room goes on waiting */
		give_up(c, lane,
		    lane->until != 0 && *lane->error != '\0' ? lane->error :
							       "too old");
		return;
	}
	call_hipchat(c, lane);
}

static void
token_answered(struct courier *c, struct lane *lane)
{
	struct tenant *tenant = lane->tenant;
	const long status = lane->call.reply.status;
	char reason[OUTBOX_REASON_MAX];

	if (status == 429) {
		rate_limited(c, lane);
	} else if (status == HTTP_UNAUTHORIZED || status == HTTP_FORBIDDEN) {
		refused(c, lane, "HipChat refuses the installation's secret");
	} else if (status != HTTP_OK) {
		hipchat_reason(&lane->call.reply, reason, sizeof(reason));
		back_off(c, lane, reason);
	} else if (hipchat_token_reply(&lane->call.reply, &tenant->token) !=
	    0) {
		back_off(c, lane, "HipChat's answer holds no token");
	} else {
		/* even if it can't be stored, the token can be used */
		store_put_token(&c->store, tenant->oauth_id, &tenant->token);
		end_call(c, lane);
		lane->renewed = true;
		post(c, lane);
	}
}

static void
post_answered(struct courier *c, struct lane *lane)
{
	const long status = lane->call.reply.status;
	char reason[OUTBOX_REASON_MAX];

	hipchat_reason(&lane->call.reply, reason, sizeof(reason));
	if (status >= 200 && status < 300) {
		delivered(c, lane);
	} else if (status == HTTP_UNAUTHORIZED) {
		lane->tenant->token.text[0] = '\0';
		if (lane->renewed) {
			refused(c, lane, reason);
			return;
		}
		/* a new installation may have changed the secret */
		if (store_find(&c->store, lane->tenant->oauth_id,
			&lane->tenant->inst) != 0) {
			make_idle(c, lane);
			return;
		}
		end_call(c, lane);
		ask_token(c, lane);
	} else if (status == 429) {
		rate_limited(c, lane);
	} else if (status == HTTP_REQUEST_TIMEOUT || status >= 500) {
		back_off(c, lane, reason);
	} else {
		refused(c, lane, reason);
	}
}

static void
answered(struct courier *c, struct lane *lane)
{
	char reason[OUTBOX_REASON_MAX];

	if (lane->call.outcome != CALL_ANSWERED) {
		snprintf(reason, sizeof(reason), "no answer: %.140s",
		    lane->call.error);
		back_off(c, lane, reason);
	} else if (lane->stage == LANE_TOKEN) {
		token_answered(c, lane);
	} else {
		post_answered(c, lane);
	}
}

/* Let libcurl work, and process the calls that are over. */
static void
perform(struct courier *c)
{
	struct http_call *call;

	while ((call = http_pool_next(&c->pool)) != NULL)
		answered(c, call->owner);
}

/* ---- the loop ---- */

/* Do the other lanes' calls leave room for one of this lane? */
static bool
is_free(const struct courier *c, const struct lane *lane)
{
	return lane->first != NULL && !lane->tenant->busy &&
	    c->pool.count < CALLS_MAX;
}

/* When to do something for the lane: send its message, or give it up. */
static int64_t
due(const struct courier *c, const struct lane *lane)
{
	const int64_t old = expiry(c, lane);
	const int64_t first = lane->until < old ? lane->until : old;

	return first > lane->stuck_until ? first : lane->stuck_until;
}

/* Of the lanes that need not wait, the one with the oldest message; or NULL. */
static struct lane *
next_lane(const struct courier *c)
{
	const int64_t now = now_ms();
	struct lane *lane, *best = NULL;

	for (lane = c->lanes.lanes; lane != NULL; lane = lane->next)
		if (is_free(c, lane) && due(c, lane) <= now &&
		    (best == NULL ||
			strcmp(lane->first->name, best->first->name) < 0))
			best = lane;
	return best;
}

static void
start_ready(struct courier *c)
{
	struct lane *lane;

	while ((lane = next_lane(c)) != NULL)
		start(c, lane);
}

/* ms until the first waiting lane is due, at most this many. */
static int64_t
next_due(const struct courier *c, int64_t ms)
{
	const int64_t now = now_ms();
	const struct lane *lane;

	for (lane = c->lanes.lanes; lane != NULL; lane = lane->next)
		if (is_free(c, lane) && due(c, lane) - now < ms)
			ms = due(c, lane) - now;
	return ms > 0 ? ms : 0;
}

/* Unix time at which the oldest message in the queue arrived, or now. */
static int64_t
oldest(const struct courier *c)
{
	const struct lane *lane;
	int64_t first = now_ms() / 1000;

	for (lane = c->lanes.lanes; lane != NULL; lane = lane->next)
		if (lane->first != NULL &&
		    outbox_arrival(lane->first->name) < first)
			first = outbox_arrival(lane->first->name);
	return first;
}

/* Look into new/ when woken, but not all the time while there is work. */
static bool
scan(struct courier *c)
{
	const int64_t now = uptime_ms();

	if (!c->woken ||
	    (c->lanes.items > 0 && now - c->last_scan < SCAN_PAUSE))
		return true;
	/* empty the trigger first: what is put after the scan fires it again */
	outbox_woken(&c->box, c->trigger);
	c->woken = false;
	c->last_scan = now;
	if (!lanes_scan(&c->lanes, &c->box))
		return false;
	if (c->last_sweep == 0 || now - c->last_sweep >= SWEEP_PAUSE) {
		outbox_sweep(&c->box, oldest(c));
		c->last_sweep = now;
	}
	return true;
}

/* Sleep until an answer, the trigger, or a deferred message. */
static void
wait_for_work(struct courier *c)
{
	int64_t ms = c->lanes.items == 0 ? c->cfg->courier_idle * 1000 :
					   next_due(c, BACKOFF_LAST);

	if (c->woken) /* it has fired: just wait for the next scan */
		ms = SCAN_PAUSE;
	if (http_pool_wait(&c->pool, c->woken ? -1 : c->trigger, ms + 1))
		c->woken = true;
}

/* Is there nothing left for this courier to wait for? */
static bool
is_done(const struct courier *c)
{
	if (c->woken || c->pool.count > 0)
		return false;
	if (c->once) /* what is left is deferred */
		return true;
	return c->lanes.items == 0 &&
	    (!c->linger ||
		uptime_ms() - c->last_work >= c->cfg->courier_idle * 1000);
}

/*
 * Leave as outbox.h says.  Returns false if a message came in between and this
 * is the courier again.
 */
static bool
leave(struct courier *c)
{
	struct pollfd trigger = { .fd = c->trigger, .events = POLLIN };
	const size_t items = c->lanes.items;

	if (!outbox_leave(&c->box, c->trigger, c->lock)) {
		/* a sender counts on us: until it sends, or hangs up */
		poll(&trigger, 1, LEAVE_PAUSE);
		c->woken = (trigger.revents & POLLIN) != 0;
		return false;
	}
	c->trigger = c->lock = -1;
	if (!lanes_scan(&c->lanes, &c->box) || c->lanes.items == items ||
	    (c->lock = outbox_lock(&c->box)) < 0)
		return true;
	c->woken = true;
	c->trigger = outbox_trigger(&c->box);
	return c->trigger < 0;
}

static int
run(struct courier *c)
{
	bool ok = false;

	c->woken = true;
	c->last_work = uptime_ms();
	lanes_load(&c->lanes, &c->box, &c->store);
	do {
		while ((ok = scan(c))) {
			perform(c);
			start_ready(c);
			if (is_done(c))
				break;
			wait_for_work(c);
			log_rotate(c->dir.fd, LOG_FILE);
		}
	} while (ok && !leave(c));
	return ok ? 0 : 1;
}

/* ---- the program ---- */

/* echo starts us without standard error: no file may get its number. */
static void
fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int
open_courier(struct courier *c, const struct config *cfg)
{
	int status;

	memset(c, 0, sizeof(*c));
	c->cfg = cfg;
	c->trigger = c->lock = c->dir.fd = -1;
	c->box = (struct outbox){ NULL, -1, -1, -1 };
	status = datadir_open(&c->dir, cfg->data_dir);
	if (status == 0)
		status = store_open(&c->store, &c->dir);
	if (status == 0)
		status = outbox_open(&c->box, &c->dir);
	if (status != 0)
		return status;
	if (!isatty(STDERR_FILENO)) /* delivery goes on without it */
		log_to_file(c->dir.fd, LOG_FILE);
	sandbox_enter(&(struct sandbox){ .ca_file = cfg->ca_file,
	    .writable = cfg->data_dir,
	    .network = true,
	    .debug = cfg->debug });
	http_pool_open(&c->pool);
	return 0;
}

static void
close_courier(struct courier *c)
{
	if (c->pool.multi != NULL)
		http_pool_close(&c->pool);
	lanes_free(&c->lanes);
	if (c->trigger >= 0)
		close(c->trigger);
	if (c->lock >= 0)
		close(c->lock);
	outbox_close(&c->box);
	datadir_close(&c->dir);
}

static int
deliver(const struct config *cfg, bool once, bool linger)
{
	struct courier c;
	int rc = 1;

	if (open_courier(&c, cfg) == 0) {
		c.once = once;
		c.linger = linger;
		c.lock = outbox_lock(&c.box);
		if (c.lock < 0)
			rc = 0; /* another courier does it */
		else if ((c.trigger = outbox_trigger(&c.box)) >= 0)
			rc = run(&c);
	}
	close_courier(&c);
	return rc;
}

static int
usage(void)
{
	fprintf(stderr,
	    "usage: courier [--once | --linger | "
	    "--status [--json] | --retry ID|all | --drop ID |\n"
	    "               --list | --forget ID]\n");
	return 2;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct cgi cgi = { .path_info = "", .env = environ };
	struct config cfg;

	fill_standard_descriptors();
	log_open("courier");
	signal(SIGPIPE, SIG_IGN);
	if (getenv("GATEWAY_INTERFACE") != NULL)
		return cgi_answer(&cgi, HTTP_NOT_FOUND);
	if (config_read(&cfg) != 0)
		return 1;
	if (argc <= 1 || strcmp(what, "--once") == 0 ||
	    strcmp(what, "--linger") == 0)
		return argc > 2 ? usage() :
				  deliver(&cfg, strcmp(what, "--once") == 0,
				      strcmp(what, "--linger") == 0);
	if (strcmp(what, "--status") == 0 && argc <= 3 &&
	    (argc == 2 || strcmp(argv[2], "--json") == 0))
		return outboxctl_status(&cfg, argc == 3);
	if (strcmp(what, "--retry") == 0 && argc == 3)
		return outboxctl_retry(&cfg, argv[2]);
	if (strcmp(what, "--drop") == 0 && argc == 3)
		return outboxctl_drop(&cfg, argv[2]);
	if (strcmp(what, "--list") == 0 && argc == 2)
		return outboxctl_list(&cfg);
	if (strcmp(what, "--forget") == 0 && argc == 3)
		return outboxctl_forget(&cfg, argv[2]);
	return usage();
}
