/*
 * stress: everything goes wrong at the same time.  People in several rooms of
 * several installations on two HipChats speak, install the add-on again, and
 * remove it, while the settings are changed, the clock is set back and forth,
 * couriers are stopped and killed, files are replaced under them, and the
 * HipChats are down, slow, limiting, or want to hear nothing of one message.
 *
 * In the end, when all is well again, each message that was accepted is in its
 * room, in the order in which its speaker said it, or is in the list of the
 * failed ones for a reason that is true, or belonged to an installation that
 * was removed.  None is there twice but for a kill, or for an answer that got
 * lost.
 *
 * Then come episodes: two or three things at a moment when they meet.  What
 * they are about is what went wrong once.
 *
 * stress.t starts the servers, and says where they are; the names are those of
 * soak.c, and these besides:
 *
 *	HIPCHAT2	the base URL of the second one
 *	HIPCHAT_ALIAS	the first one's name for its second API URL, or ""
 *	HIPCHAT_PORT, HIPCHAT2_PORT	where they listen
 *	STRESS_CONF, STRESS_STARTER, WORLD	files: the settings; what starts
 *			a courier; what the shim reads (shim/world.h)
 *	WORLD_SHIM	the shim
 *	STRESS_ETC	1 if /etc is ours alone
 *	STRESS_S	seconds of trouble
 *	STRESS_SEED	for the same trouble again, if not the same timing
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "stress/stress.h"

#define LARGE 60 /* s */
#define REMARKS_MAX 60

const struct part parts[PARTS] = {
	{ "", false, false },
	{ "in trouble", false, true },
	{ "", false, false },
};

struct soak soak = { .mutex = PTHREAD_MUTEX_INITIALIZER };
struct stress stress;

int64_t
now_us(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (int64_t)now.tv_sec * 1000000 + now.tv_usec;
}

void
remark(const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (atomic_fetch_add(&stress.lines, 1) >= REMARKS_MAX)
		return;
	pthread_mutex_lock(&soak.mutex);
	diag("%s", line);
	pthread_mutex_unlock(&soak.mutex);
}

/* ---- trouble ---- */

static bool
rests(const void *arg)
{
	(void)arg;
	return is_at_rest();
}

/* All of it at the same time. */
static void
have_trouble(uint64_t *state)
{
	pthread_t threads[CLIENTS_MAX];
	int i;

	soak.part = 1;
	soak.end = now_ms() + soak.seconds * 1000;
	for (i = 0; i < stress.speaker_count; i++)
		if (pthread_create(&threads[i], NULL, run_speaker,
			&stress.speakers[i]) != 0)
			die("pthread_create");
	make_trouble(state);
	for (i = 0; i < stress.speaker_count; i++)
		pthread_join(threads[i], NULL);
	soak.part = 0;
	end_trouble();
}

/* Every installation that is left. */
static void
all_say_more(void)
{
	struct speaker *s;
	int i, accepted = 0, tries;

	for (i = 0; i < stress.speaker_count; i++) {
		s = &stress.speakers[i];
		if (s->inst == NULL)
			continue;
		for (tries = 0; tries < 20 && s->inst->renewing; tries++)
			renew(s->inst, true, false);
		for (tries = 0; tries < 20 && !say_it(s, "more")->accepted;
		     tries++)
			pause_ms(100);
		accepted += tries < 20;
		if (tries == 20)
			remark("%s: no webhook of it is accepted", s->inst->id);
	}
	diag("%d speakers say more", accepted);
}

static void
report(void)
{
	size_t said = 0;
	int i;

	for (i = 0; i < stress.speaker_count; i++)
		said += atomic_load(&stress.speakers[i].said_count);
	diag(
	    "%zu messages; %d installations, %d again, %d removals; "
	    "%d couriers killed, %d stopped, %d programs killed; "
	    "%d settings, %d clocks, %d files",
	    said, atomic_load(&stress.installs), atomic_load(&stress.renewals),
	    atomic_load(&stress.removals), atomic_load(&stress.kill_count),
	    stress.stopped, stress.killed_programs, stress.variants,
	    atomic_load(&stress.jump_count), stress.replaced);
}

static void
judge(void)
{
	ok(await(rests, NULL), "all is settled");
	find_out();
	report();
	is_int(count_lost(), 0, "nothing is lost");
	diag("but %d, when HipChat had a new secret, and we the old one",
	    stress.gone);
	is_int(count_doubled(), 0, "what is doubled has an excuse");
	is_int(count_disordered(), 0, "rooms have their order");
	is_int(count_untrue(), 0, "what has failed has a true reason");
	is_int(count_late_posts(), 0, "nothing is posted after a removal");
	is_int(atomic_load(&stress.after_removal), 0,
	    "nor is anything accepted");
	is_int(count_left(), 0, "nor is a record or a token left");
	is_int(atomic_load(&soak.hung), 0, "nobody is left waiting");
}

/* ---- episodes ---- */

/* What we wait for. */
struct wait {
	const struct message *message;
	const char *url_end;
	int hipchat;
	int count; /* more than so many, or at least */
};

static bool
is_said(const void *arg)
{
	return times_said(arg) > 0;
}

static bool
is_under_way(const void *arg)
{
	const struct wait *w = arg;
	const struct asked a = asked(w->hipchat, w->url_end);

	return a.all >= w->count && a.under_way > 0;
}

static bool
was_asked(const void *arg)
{
	const struct wait *w = arg;
	const struct asked a = asked(w->hipchat, w->url_end);

	return a.all >= w->count && a.under_way == 0;
}

static bool
nothing_under_way(const void *arg)
{
	const struct wait *w = arg;

	return asked(w->hipchat, w->url_end).under_way == 0;
}

static void
fresh_log(void)
{
	int i;

	for (i = 0; i < HIPCHATS; i++) {
		status_of(control(i, "DELETE", "log", NULL));
		status_of(control(i, "DELETE", "faults", NULL));
	}
}

static void
release(int hipchat)
{
	status_of(control(hipchat, "POST", "release", NULL));
}

/* It needs a new token, and has to wait for it. */
static void
hold_token(const struct inst *inst)
{
	char *path = text("installations/%s/revoke-tokens", inst->id);

	status_of(control(inst->hipchat, "POST", path, NULL));
	free(path);
	add_fault(inst->hipchat,
	    "\"route\":\"token\",\"fault\":\"delay\",\"hold\":true");
}

static bool
is_refused(const void *arg)
{
	const struct wait *w = arg;

	return atomic_load(&stress.world->refusals[w->hipchat]) > w->count;
}

static void
kill_and_wait(int pid)
{
	kill(pid, SIGKILL);
	pause_ms(20);
}

/* HipChat is down, and comes back when it is an hour earlier. */
static void
clock_set_back(struct speaker *s)
{
	const struct wait w = { .hipchat = s->hipchat,
		.count = atomic_load(&stress.world->refusals[s->hipchat]) };
	const struct message *m;

	refuse(s->hipchat, true);
	while (find_courier(PARENT) > 0) /* its connections go with it */
		kill_and_wait(find_courier(PARENT));
	m = say_it(s, "clock");
	ok(await(is_refused, &w), "HipChat is down");
	set_clock(atomic_load(&stress.world->offset) - 3600);
	refuse(s->hipchat, false);
	ok(await(is_said, m), "... and back, though the clock was set back");
	set_clock(0);
}

static bool
is_known(const void *arg)
{
	const struct wait *w = arg;

	return times_said(w->message) > 0 ||
	    occurrences("courier.log", "not on a host") > w->count;
}

/* Has the courier the settings of the file? */
static bool
is_up_to_date(const void *arg)
{
	struct config cfg;
	char digest[CONFIG_DIGEST_MAX], pattern[64];

	(void)arg;
	if (config_read(&cfg) != 0)
		die("config_read");
	config_digest(&cfg, digest);
	snprintf(pattern, sizeof(pattern), " sender %s ", digest);
	return occurrences("outbox/lock", pattern) == 1;
}

/* One HipChat is not allowed for a while.  Nobody else says so. */
static void
settings_mended(struct speaker *s)
{
	struct wait w = { .count =
			      occurrences("courier.log", "not on a host") };

	write_settings(10800, 600, -1);
	ok(await(is_said, say_it(s, "first")), "a courier has work");
	write_settings(10800, 600, s->hipchat);
	ok(await(is_up_to_date, NULL), "... and new settings");
	w.message = say_it(s, "settings");
	ok(await(is_known, &w), "... in which a HipChat is not allowed");
	is_int(times_said(w.message), 0, "... so nothing is said");
	write_settings(10800, 600, -1);
	ok(await(is_said, w.message), "... until they are mended");
}

/* The file that names the second HipChat is another one. */
static void
hosts_replaced(struct speaker *s)
{
	if (!stress.etc) {
		skip("/etc/hosts", "no /etc of our own");
		return;
	}
	ok(await(is_said, say_it(s, "hosts")), "the HipChat has an address");
	if (system("cd /etc && cp -p hosts hosts.new && mv hosts.new hosts") !=
	    0)
		die("/etc/hosts");
	atomic_fetch_add(&stress.world->ahead,
	    300000); /* nobody remembers it */
	ok(await(is_said, say_it(s, "hosts")), "... and still has it");
}

/* Removed while a message is on its way: with its HipChat's consent. */
static void
removed_on_the_way(struct speaker *home)
{
	struct speaker *s = add_speaker(home->hipchat, 0);
	const struct wait w = { .hipchat = s->hipchat,
		.url_end = "/oauth/token",
		.count = 1 };
	const struct message *first, *second;

	s->inst = install_in(s->hipchat, s->room);
	fresh_log();
	hold_token(s->inst);
	first = say_it(s, "removed");
	second = say_it(s, "removed");
	ok(await(is_under_way, &w), "a token is awaited");
	ok(remove_inst(s->inst, 'b'), "... and the installation removed");
	release(s->hipchat);
	ok(await(nothing_under_way, &w), "... and the token granted");
	ok(await(is_said, say_it(home, "beside")), "... others are served");
	ok(await(rests, NULL), "... and all is settled");
	is_int(times_said(first) + times_said(second), 0,
	    "... and nothing is said");
	see_failed();
	is_int(second->failed_now, 0, "... nor kept");
	is_int(count_left(), 0, "... nor is a token");
}

/* Installed again while a message is on its way. */
static void
renewed_on_the_way(struct speaker *s)
{
	const struct wait w = { .hipchat = s->hipchat,
		.url_end = "/oauth/token",
		.count = 1 };
	const char *alias = stress.hipchats[s->hipchat].alias;
	const struct message *m;
	struct asked a;

	fresh_log();
	hold_token(s->inst);
	m = say_it(s, "renewed");
	ok(await(is_under_way, &w), "a token is awaited");
	ok(renew(s->inst, true, alias != NULL),
	    "... and it is installed again");
	release(s->hipchat);
	ok(await(is_said, m), "... the message arrives");
	a = asked(s->hipchat, "/notification");
	if (alias != NULL)
		ok(strncmp(a.host, alias, strlen(alias)) == 0,
		    "... where the API is now: %s", a.host);
}

static void *
renew_thread(void *inst)
{
	renew(inst, true, false);
	return NULL;
}

/* HipChat has a new secret, and we are about to hear of it. */
static void
renewed_meanwhile(struct speaker *s)
{
	const struct wait installing = { .hipchat = s->hipchat,
		.url_end = "/capabilities",
		.count = 1 };
	const struct wait asking = { .hipchat = s->hipchat,
		.url_end = "/oauth/token",
		.count = 1 };
	const struct message *m;
	pthread_t thread;
	char *path = text("installations/%s/revoke-tokens", s->inst->id);

	fresh_log();
	add_fault(s->hipchat,
	    "\"route\":\"capabilities\","
	    "\"fault\":\"delay\",\"hold\":true");
	if (pthread_create(&thread, NULL, renew_thread, s->inst) != 0)
		die("pthread_create");
	ok(await(is_under_way, &installing), "it is being installed again");
	status_of(control(s->hipchat, "POST", path, NULL));
	m = say_it(s, "meanwhile");
	ok(m->accepted, "... and something said");
	ok(await(was_asked, &asking), "... for which no token is granted");
	release(s->hipchat);
	pthread_join(thread, NULL);
	ok(!s->inst->renewing, "... it is installed");
	ok(await(is_said, m), "... and what was said arrives");
	free(path);
}

/* The courier sleeps for longer than an answer may take. */
static void
stopped_with_an_answer(struct speaker *s)
{
	const struct wait w = { .hipchat = s->hipchat,
		.url_end = "/notification",
		.count = 1 };
	const struct message *m;
	int pid;

	fresh_log();
	add_fault(s->hipchat,
	    "\"route\":\"notification\","
	    "\"fault\":\"delay\",\"hold\":true");
	m = say_it(s, "stopped");
	ok(await(is_under_way, &w), "a message is on its way");
	if ((pid = find_courier(WORKER)) > 0)
		kill(pid, SIGSTOP);
	release(s->hipchat);
	ok(await(nothing_under_way, &w), "... and answered");
	atomic_fetch_add(&stress.world->ahead, 120000);
	if (pid > 0)
		kill(pid, SIGCONT);
	ok(await(is_said, say_it(s, "next")), "... the next one arrives");
	is_int(times_said(m), 1, "... and this one once");
}

static bool
has_failed(const void *arg)
{
	const struct wait *w = arg;

	see_failed();
	return w->message->failed_now > 0 ||
	    asked(w->hipchat, w->url_end).all > w->count;
}

/* HipChat says nothing, but hears. */
static void
no_answer(struct speaker *s)
{
	struct wait w = { .hipchat = s->hipchat, .url_end = "/notification" };
	int heard = 0;

	fresh_log();
	add_fault(s->hipchat,
	    "\"route\":\"notification\",\"room\":%lld,"
	    "\"fault\":\"delay\",\"hold\":true,\"count\":-1",
	    (long long)s->room);
	w.message = say_it(s, "unanswered");
	for (w.count = 1; w.count <= 4; w.count++) {
		heard += await(is_under_way, &w);
		atomic_fetch_add(&stress.world->ahead, 61000);
	}
	is_int(heard, 4, "without an answer, it is sent four times");
	w.count = 4;
	ok(await(has_failed, &w) && w.message->failed_now == 1,
	    "... and no more");
	ok(strstr(w.message->reason, "no answer") != NULL,
	    "... with the reason: %s", w.message->reason);
	status_of(control(s->hipchat, "DELETE", "faults", NULL));
	release(s->hipchat);
}

/* One message is always answered with 500. */
static void
poisoned(struct speaker *s)
{
	const struct message *m, *next;

	fresh_log();
	add_fault(s->hipchat,
	    "\"route\":\"notification\",\"text\":\"%s\","
	    "\"fault\":\"status\",\"status\":500,\"count\":-1",
	    POISON_500);
	m = say_it(s, POISON_500);
	next = say_it(s, "behind");
	ok(await(is_said, next), "a poisoned message lets others pass");
	is_int(times_said(m), 0, "... it is not said");
	status_of(control(s->hipchat, "DELETE", "faults", NULL));
	ok(await(is_said, m), "... until it can be");
}

static bool
is_forgotten(const void *arg)
{
	return records("installations", arg) + records("tokens", arg) == 0;
}

/* HipChat removes with a document that proves nothing. */
static void
proved_later(int hipchat)
{
	struct speaker *s = add_speaker(hipchat, 0);

	s->inst = install_in(hipchat, s->room);
	ok(remove_inst(s->inst, 'D'), "a removal without a proof is taken");
	ok(await(is_forgotten, s->inst->id), "... and proved");
}

/* ---- the program ---- */

static const char *
needed(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL) {
		fprintf(stderr, "stress: %s is needed; see stress.t\n", name);
		exit(2);
	}
	return value;
}

static int
number(const char *name, int otherwise)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? (int)strtol(value, NULL, 10) :
						 otherwise;
}

static void
set_up(void)
{
	const int fd = open(needed("WORLD"), O_RDWR | O_CLOEXEC);

	stress.world = mmap(NULL, sizeof(*stress.world), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (fd < 0 || stress.world == MAP_FAILED)
		die("WORLD");
	close(fd);
	soak.addon_url = needed("ADDON");
	soak.addon = (int)strtol(strrchr(soak.addon_url, ':') + 1, NULL, 10);
	soak.data = needed("SOAK_DATA");
	soak.courier = needed("SOAK_COURIER");
	soak.apache = number("SOAK_APACHE", 0);
	soak.seconds = number("STRESS_S", 8);
	stress.conf = needed("STRESS_CONF");
	setenv("HIPCHAT_CONFIG", stress.conf, 1);
	setenv("HIPCHAT_DATA_DIR", soak.data, 1);
	stress.starter = needed("STRESS_STARTER");
	stress.etc = number("STRESS_ETC", 0) == 1;
	stress.large = soak.seconds >= LARGE;
	stress.hipchats[0].url = needed("HIPCHAT");
	stress.hipchats[0].port = number("HIPCHAT_PORT", 0);
	stress.hipchats[1].url = needed("HIPCHAT2");
	stress.hipchats[1].port = number("HIPCHAT2_PORT", 0);
	if (*needed("HIPCHAT_ALIAS") != '\0')
		stress.hipchats[0].alias = text("%s", getenv("HIPCHAT_ALIAS"));
}

static struct inst *
installed(int hipchat, int64_t room)
{
	struct inst *inst = install_in(hipchat, room);

	if (inst == NULL) {
		fprintf(stderr, "stress: not installed\n");
		exit(1);
	}
	return inst;
}

/*
 * On each HipChat: two rooms with an installation each, and in one of them two
 * speakers; two rooms with one installation for all; a room with guests.
 */
static void
people(int hipchat)
{
	struct speaker *s = NULL, *t;
	int i;

	for (i = 0; i < 2; i++) {
		s = add_speaker(hipchat, 0);
		s->inst = installed(hipchat, s->room);
		s->owner = true;
	}
	t = add_speaker(hipchat, s->room);
	t->inst = s->inst;
	s = add_speaker(hipchat, 0);
	s->inst = installed(hipchat, 0);
	t = add_speaker(hipchat, 0);
	t->inst = s->inst;
	s = add_speaker(hipchat, 0);
	s->guest = true;
	add_fault(hipchat,
	    "\"route\":\"notification\",\"text\":\"%s\","
	    "\"fault\":\"status\",\"status\":500,\"count\":-1",
	    POISON_500);
	add_fault(hipchat,
	    "\"route\":\"notification\",\"text\":\"%s\","
	    "\"fault\":\"status\",\"status\":400,\"count\":-1",
	    POISON_400);
}

static void
live_through_episodes(void)
{
	struct speaker *s = &stress.speakers[0]; /* of the first HipChat */
	struct speaker *t = &stress.speakers[6]; /* of the second */

	clock_set_back(s);
	settings_mended(t);
	hosts_replaced(t);
	removed_on_the_way(s);
	renewed_on_the_way(s);
	renewed_meanwhile(s);
	stopped_with_an_answer(t);
	poisoned(s);
	no_answer(t);
	proved_later(1);
	write_settings(10800, 2, -1);
	ok(await(is_said, say_it(s, "last")) &&
		await(is_said, say_it(t, "last")),
	    "in the end all is well");
	ok(await(is_up_to_date, NULL),
	    "... and the courier's settings are new");
}

int
main(void)
{
	uint64_t seed, state;
	int i;

	set_up();
	seed = (uint64_t)number("STRESS_SEED", (int)(time(NULL) & 0xffff)) + 1;
	diag("STRESS_SEED=%llu", (unsigned long long)(seed - 1));
	state = seed * 7919;
	write_settings(10800, 2, -1);
	for (i = 0; i < HIPCHATS; i++)
		people(i);
	for (i = 0; i < stress.speaker_count; i++)
		stress.speakers[i].dice = seed * 1000003 + (uint64_t)i + 1;
	have_trouble(&state);
	all_say_more();
	see_failed();
	operate("--retry", "all");
	judge();
	live_through_episodes();
	return done();
}
