/*
 * courier: the program that takes notifications from the outbox to HipChat.
 *
 *	courier			deliver all, wait for what is deferred, leave
 *	courier --once		deliver what can be delivered now, leave (cron)
 *	courier --linger	deliver all, then wait HIPCHAT_COURIER_IDLE
 *				seconds for more (this is how echo starts it)
 *	courier --resident	deliver all, for ever (this is how systemd does)
 *	courier --status	what is queued, deferred, failed; also --json
 *	courier --retry ID|all	put failed messages into the queue again, and
 *				let none wait
 *	courier --drop ID	throw messages away, queued and failed ones;
 *				ID is an installation's or a message's
 *	courier --list		the installations: id, host, room, since when
 *	courier --forget ID	remove an installation without asking HipChat
 *
 * This is its life: look what is new in the outbox (outbox.h), start deliveries
 * (delivery.h) in the order that lanes.h gives, finish them, sleep.  Nothing in
 * this loop waits for anybody, lists what is queued, or takes longer if more is
 * queued.
 *
 * There is one courier at a time; wake.h says how it is woken, how it leaves
 * without missing a message, and how one takes over from another.  It is two
 * processes; see supervisor.h.
 *
 * Log lines go to DATA_DIR/courier.log, or to the terminal if there is one.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cgi.h"
#include "config.h"
#include "daemons/delivery.h"
#include "daemons/lanes.h"
#include "daemons/outboxctl.h"
#include "daemons/supervisor.h"
#include "daemons/waits.h"
#include "http.h"
#include "log.h"
#include "outbox.h"
#include "sandbox.h"
#include "status.h"
#include "store.h"
#include "uptime.h"
#include "wake.h"
#include "watch.h"

#define LOG_FILE "courier.log"

/* In ms. */
#define TICK 1000	 /* between looks at what has no event of its own */
#define MINUTE 60000	 /* between looks at what changes slowly */
#define LEAVE_PAUSE 1000 /* between attempts to leave */

/* Messages that are begun in one turn, and given up; one that fails at once
 * costs an fsync or two. */
#define AT_ONCE 50

enum mode {
	DELIVER,  /* until nothing is queued */
	ONCE,	  /* --once: until nothing can go now */
	LINGER,	  /* --linger: until nothing came for a while */
	RESIDENT, /* --resident: for ever */
};

/* How its life ends. */
enum end {
	STAY,	   /* not yet */
	HAND_OVER, /* another courier waits */
	AGAIN,	   /* the supervisor executes the program anew */
};

struct courier {
	enum mode mode;
	struct config cfg;
	char digest[CONFIG_DIGEST_MAX];
	struct datadir dir;
	struct wake wake;
	struct watch watch;
	struct desk desk;
	enum end end;	   /* unless STAY, begin no delivery */
	bool look;	   /* something may be new in the outbox */
	bool more;	   /* something can begin, but others go first */
	bool told;	   /* that senders disagree */
	int64_t last_tick; /* of uptime_ms() */
	int64_t last_tidy;
};

/* ---- the loop ---- */

static void
start(struct courier *c)
{
	struct lanes *lanes = &c->desk.lanes;
	struct lane *lane;
	int i, n;

	for (i = 0; i < AT_ONCE && c->end == STAY &&
	     (lane = lanes_expired(lanes, uptime_ms())) != NULL;
	     i++)
		delivery_give_up(&c->desk, lane);
	for (n = 0; n < AT_ONCE && c->end == STAY &&
	     (lane = lanes_next(lanes)) != NULL;
	     n++)
		delivery_start(&c->desk, lane);
	c->more = i == AT_ONCE || n == AT_ONCE;
}

/* Take what is new in the outbox. */
static bool
look(struct courier *c)
{
	const int64_t ttl = c->cfg.message_ttl, now = uptime_ms();
	struct outbox_entry entry;
	struct item like;
	int64_t age;
	int status;

	c->look = false;
	while ((status = outbox_next(&c->desk.box, &entry)) == 0) {
		age = (int64_t)time(NULL) - entry.arrived;
		if (age < 0) /* the clock was set back since */
			age = 0;
		like = (struct item){ .arrived = now - age * 1000,
			.added = now,
			.claimed = entry.claimed,
			.expires = now + (age < ttl ? ttl - age : 0) * 1000 };
		if (entry.kind == OUTBOX_REMOVAL)
			like.not_before =
			    now + delivery_first_proof(age) * 1000;
		lanes_add(&c->desk.lanes, &entry, &like);
		c->desk.last_work = now;
	}
	return status == HTTP_NOT_FOUND;
}

/* What the senders say, and the operator. */
static void
hear(struct courier *c)
{
	const unsigned int words = wake_words(&c->wake);

	if (words & WAKE_NEW)
		c->look = true;
	if (words & WAKE_RETRY)
		lanes_retry(&c->desk.lanes);
	if (words & WAKE_LEAVE)
		c->end = HAND_OVER;
	if (words & WAKE_DISAGREE && !c->told) {
		log_line(
		    "programs that put messages into the outbox have "
		    "different settings; this courier's stay as they are");
		c->told = true;
	}
}

/* Does a file that we depend on look different, or our trigger not lead here?
 */
static void
watch(struct courier *c)
{
	const char *path = watch_changed(&c->watch);

	if (c->end != STAY || (path == NULL && !wake_is_lost(&c->wake)))
		return;
	log_line("%s has changed: starting anew",
	    path != NULL ? path : "the outbox");
	c->end = AGAIN;
}

/* What has no event of its own. */
static void
tick(struct courier *c)
{
	const int64_t now = uptime_ms();

	if (now - c->last_tick < TICK)
		return;
	c->last_tick = now;
	c->look = true; /* a sender may have been killed before it could say */
	if (c->desk.lanes.changed)
		waits_save(&c->desk.lanes, &c->dir, now);
	watch(c);
	log_rotate(c->dir.fd, LOG_FILE);
	if (now - c->last_tidy < MINUTE)
		return;
	c->last_tidy = now;
	outbox_tidy(&c->desk.box);
}

/* Is there nothing left for this courier to wait for? */
static bool
is_done(const struct courier *c)
{
	if (c->desk.lanes.calls > 0 || c->look || c->more)
		return false;
	switch (c->mode) {
	case ONCE: /* what is left is deferred */
		return true;
	case DELIVER:
		return c->desk.lanes.items == 0;
	case LINGER:
		return c->desk.lanes.items == 0 &&
		    uptime_ms() - c->desk.last_work >=
		    c->cfg.courier_idle * 1000;
	case RESIDENT:
		break;
	}
	return false;
}

/* Sleep until an answer, a word, or the next thing that is due. */
static void
rest(struct courier *c)
{
	int64_t ms = TICK;

	if (c->more)
		ms = 0;
	else if (c->end == STAY) /* otherwise, what is due stays so */
		ms = lanes_due(&c->desk.lanes) - uptime_ms();
	if (ms > TICK)
		ms = TICK;
	if (c->mode == LINGER && c->desk.lanes.items == 0) {
		const int64_t idle = c->desk.last_work - uptime_ms() +
		    c->cfg.courier_idle * 1000;

		if (idle < ms)
			ms = idle;
	}
	if (http_pool_wait(&c->desk.pool, wake_fd(&c->wake), ms > 0 ? ms : 0))
		hear(c);
}

/* Deliver until there is nothing left to do; false if the outbox is broken. */
static bool
deliver(struct courier *c)
{
	for (;;) {
		tick(c);
		if (c->look && !look(c))
			return false;
		delivery_finish(&c->desk);
		lanes_tick(&c->desk.lanes, uptime_ms());
		start(c);
		if (c->end != STAY ? c->desk.lanes.calls == 0 : is_done(c))
			return true;
		rest(c);
	}
}

static enum wake_role
role(const struct courier *c)
{
	if (c->mode == LINGER)
		return WAKE_SENDER;
	return c->mode == RESIDENT ? WAKE_RESIDENT : WAKE_HAND;
}

/* Let another courier go on.  It may have been killed while it waited. */
static bool
hand_over(struct courier *c)
{
	if (c->end == HAND_OVER && !wake_awaited(&c->wake)) {
		c->end = STAY;
		return false;
	}
	wake_hand_over(&c->wake);
	return true;
}

/*
 * Leave as wake.h says.  Returns false if a message came in between and this is
 * the courier again.
 */
static bool
leave(struct courier *c)
{
	const size_t items = c->desk.lanes.items;
	struct wake_holder other;

	waits_save(&c->desk.lanes, &c->dir, uptime_ms());
	if (c->end != STAY)
		return hand_over(c);
	outbox_tidy(&c->desk.box);
	if (!wake_leave(&c->wake)) {
		/* a sender counts on us: until it sends, or hangs up */
		if (http_pool_wait(&c->desk.pool, wake_fd(&c->wake),
			LEAVE_PAUSE))
			hear(c);
		return false;
	}
	return !look(c) || c->desk.lanes.items == items ||
	    wake_take(&c->wake, role(c), c->digest, &other) != 0;
}

/* From here on, nothing is opened but what is below the data directory. */
static void
confine(const struct courier *c)
{
	sandbox_enter(&(struct sandbox){ .ca_file = c->cfg.ca_file,
	    .writable = c->cfg.data_dir,
	    .network = true,
	    .debug = c->cfg.debug });
}

static int
run(struct courier *c)
{
	bool ok;

	confine(c);
	c->look = true;
	c->desk.last_work = c->last_tidy = uptime_ms();
	if ((ok = outbox_begin(&c->desk.box) == 0 && look(c)))
		waits_load(&c->desk.lanes, &c->dir, uptime_ms());
	while (ok && (ok = deliver(c)) && !leave(c))
		;
	if (!ok)
		return 1;
	return c->end == AGAIN ? SUPERVISOR_AGAIN : 0;
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

/*
 * Is there an installation whose HipChat is allowed, or none at all?  Otherwise
 * somebody has started us without the settings, and every message would wait
 * for us.
 */
static bool
fits(const struct courier *c)
{
	struct installation inst;
	bool fits = true;
	char *ids, *id;

	if (store_ids(&c->desk.store, &ids) != 0)
		return true;
	for (id = ids; *id != '\0'; id += strlen(id) + 1) {
		fits = store_find(&c->desk.store, id, &inst) == 0 &&
		    http_url_allowed(&c->cfg, inst.api_url);
		if (fits)
			break;
	}
	free(ids);
	if (!fits)
		log_line(
		    "no installation is on a host of "
		    "HIPCHAT_ALLOWED_HOSTS, which is \"%s\": not started",
		    c->cfg.allowed_hosts);
	return fits;
}

static int
open_courier(struct courier *c, const char *news)
{
	int status = config_read(&c->cfg);

	if (status == 0)
		status = datadir_open(&c->dir, c->cfg.data_dir);
	if (status != 0)
		return status;
	if (!isatty(STDERR_FILENO)) /* delivery goes on without it */
		log_to_file(c->dir.fd, LOG_FILE);
	if (news != NULL)
		log_line("%s", news);
	c->desk.cfg = &c->cfg;
	config_digest(&c->cfg, c->digest);
	watch_add(&c->watch, c->cfg.ca_file);
	status = store_open(&c->desk.store, &c->dir);
	c->desk.store.hurried = true;
	if (status == 0)
		status = outbox_open(&c->desk.box, &c->dir);
	if (status == 0)
		status = wake_open(&c->wake, &c->dir);
	return status;
}

static void
close_courier(struct courier *c)
{
	http_pool_close(&c->desk.pool);
	lanes_close(&c->desk.lanes);
	wake_close(&c->wake);
	outbox_close(&c->desk.box);
	datadir_close(&c->dir);
}

/* Another one is at work.  Does it matter to whoever started this one? */
static int
second(const struct courier *c, const struct wake_holder *other)
{
	if (c->mode == LINGER)
		return 0;
	log_line("PID %d is at work", (int)other->pid);
	return c->mode == RESIDENT || isatty(STDERR_FILENO) ? 1 : 0;
}

/* The worker; arg is how it was started. */
static int
work(void *arg, const char *news)
{
	struct courier c;
	char program[4096];
	struct wake_holder other;
	int status, rc = 1;

	memset(&c, 0, sizeof(c));
	c.mode = *(enum mode *)arg;
	c.dir.fd = -1;
	if (!supervisor_program(program, sizeof(program)))
		return 1;
	watch_begin(&c.watch, program);
	if (open_courier(&c, news) != 0)
		return 1;
	lanes_open(&c.desk.lanes);
	http_pool_open(&c.desk.pool);
	if (c.mode != LINGER && !fits(&c))
		rc = 1;
	else if ((status = wake_take(&c.wake, role(&c), c.digest, &other)) == 0)
		rc = run(&c);
	else if (status == HTTP_CONFLICT)
		rc = second(&c, &other);
	close_courier(&c);
	return rc;
}

static int
usage(void)
{
	fprintf(stderr,
	    "usage: courier [--once | --linger | --resident |\n"
	    "               --status [--json] | --retry ID|all | --drop ID |\n"
	    "               --list | --forget ID]\n");
	return 2;
}

/* What an operator has typed; -1: no such command. */
static int
operate(const struct config *cfg, int argc, char **argv)
{
	const char *what = argv[1];

	if (strcmp(what, "--status") == 0 && argc == 2)
		return outboxctl_status(cfg, false);
	if (strcmp(what, "--status") == 0 && argc == 3 &&
	    strcmp(argv[2], "--json") == 0)
		return outboxctl_status(cfg, true);
	if (strcmp(what, "--list") == 0 && argc == 2)
		return outboxctl_list(cfg);
	if (strcmp(what, "--retry") == 0 && argc == 3)
		return outboxctl_retry(cfg, argv[2]);
	if (strcmp(what, "--drop") == 0 && argc == 3)
		return outboxctl_drop(cfg, argv[2]);
	if (strcmp(what, "--forget") == 0 && argc == 3)
		return outboxctl_forget(cfg, argv[2]);
	return -1;
}

/* How is it to deliver, if it is? */
static bool
takes_mode(int argc, char **argv, enum mode *mode)
{
	static const char *const options[] = { "", "--once", "--linger",
		"--resident" };
	const char *option = argc > 1 ? argv[1] : "";
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (argc <= 2 && strcmp(option, options[i]) == 0) {
			*mode = (enum mode)i;
			return i > 0 || argc <= 1;
		}
	return false;
}

/* It is no CGI program, but a web server may believe so. */
static int
refuse_request(void)
{
	struct cgi cgi;

	cgi_init(&cgi);
	return cgi_answer(&cgi, HTTP_NOT_FOUND);
}

int
main(int argc, char **argv)
{
	struct config cfg;
	enum mode mode;
	int rc;

	fill_standard_descriptors();
	log_open("courier");
	signal(SIGPIPE, SIG_IGN);
	if (getenv("GATEWAY_INTERFACE") != NULL)
		return refuse_request();
	if (takes_mode(argc, argv, &mode))
		return supervise(argv, work, &mode);
	if (argc < 2 || config_read(&cfg) != 0)
		return argc < 2 ? usage() : 1;
	rc = operate(&cfg, argc, argv);
	return rc >= 0 ? rc : usage();
}
