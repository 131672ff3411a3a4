/*
 * fastcgi-kill: two FastCGI processes of echo that are killed at random moments
 * while webhooks stream in.  A client that gets no answer says the same again,
 * as HipChat does, with the same message id.  In the end, each room has heard
 * 1, 2, 3, ... up to the last one that was acknowledged, each of them once.
 *
 * Some are told to leave instead of being killed; they say so by their exit
 * status.  The couriers are real.  When there is nothing more to do they leave,
 * though the processes stay; and neither they nor what starts them holds the
 * socket.
 *
 *	fastcgi-kill [KILLS [SEED]]
 *
 * fastcgi-kill.t prepares it, and says in the environment:
 *
 *	HIPCHAT		the stand-in's base URL
 *	KILL_ECHO	the program, beside its courier
 *	KILL_CONFIG	a settings' file
 *	KILL_DATA	the data directory
 *	KILL_TENANTS	a file: the installations as HipChat posted them
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "fcgi/mix.h"

#define KILLS 40
#define PROCESSES 2
#define CLIENTS 4
#define ENV_MAX 16

/* The longest time between two kills. */
#define PAUSE_MS 40

const struct part parts[PARTS] = { { "", false, false }, { "", false, false },
	{ "", false, false } };
struct soak soak = { .mutex = PTHREAD_MUTEX_INITIALIZER };

struct talker {
	pthread_t thread;
	const struct mix_tenant *tenant;
	int said;    /* the last number that was acknowledged */
	int again;   /* so often there was no answer */
	int refused; /* ... or another one than 204 */
};

static struct world {
	struct mix mix; /* for its tenants */
	struct fcgi_place place;
	char *env[ENV_MAX + 1];
	size_t env_len;
	int log;
	pid_t pids[PROCESSES];
	struct talker talkers[CLIENTS];
	atomic_bool enough;
	int kills, leaves, bad_leaves;
	uint64_t dice;
} world;

static const char *
needed(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL || *value == '\0') {
		fprintf(stderr, "fastcgi-kill: %s is needed\n", name);
		exit(2);
	}
	return value;
}

/* ---- clients ---- */

static void
make_webhook(const struct mix_tenant *t, int number, struct bytes *bytes)
{
	struct fcgi_request req = { .count = 0 };
	char *line =
	    authorization(t->id, t->secret, t->room, (int64_t)time(NULL), 3600);
	char *value = strchr(line, ' ') + 1;
	char *message = text("%d", number);
	char *body = webhook(t->id, t->room, message);

	value[strcspn(value, "\r")] = '\0';
	fcgi_set(&req, "REQUEST_METHOD", "POST");
	fcgi_set(&req, "SCRIPT_NAME", "/echo");
	fcgi_set(&req, "HTTP_AUTHORIZATION", value);
	fcgi_set_body(&req, body, strlen(body));
	fcgi_encode(&req, bytes);
	fcgi_free(&req);
	free(body);
	free(message);
	free(line);
}

/* Say the next number until it is acknowledged. */
static void
say_next(struct talker *t)
{
	struct bytes bytes = { NULL, 0, 0 };
	struct fcgi_answer answer;
	int status = 0;

	make_webhook(t->tenant, t->said + 1, &bytes);
	while (status == 0) {
		if (fcgi_exchange(&world.place, &bytes, &answer))
			status = fcgi_status(&answer.out);
		else
			t->again++;
		fcgi_answer_free(&answer);
	}
	t->refused += status != 204;
	t->said++;
	bytes_free(&bytes);
}

static void *
talk(void *arg)
{
	struct talker *t = arg;

	/* with a breath now and then, or whoever leaves finds somebody waiting
	 * for as long as it looks */
	while (!atomic_load(&world.enough)) {
		say_next(t);
		if (t->said % 2 == 0)
			pause_ms(1);
	}
	return NULL;
}

/* ---- processes ---- */

static pid_t
start(void)
{
	return fcgi_start(needed("KILL_ECHO"), world.env, world.place.fd,
	    world.log, world.log);
}

/* Does TERM wait there until the process looks? */
static bool
blocks_term(pid_t pid)
{
	char *path = text("/proc/%d/status", (int)pid), line[256];
	unsigned long long blocked = 0;
	FILE *file = fopen(path, "r");

	free(path);
	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "SigBlk:", 7) == 0)
			blocked = strtoull(line + 7, NULL, 16);
	fclose(file);
	return (blocked & 1ULL << (SIGTERM - 1)) != 0;
}

/* Kill one of them, or tell it to leave, and start another in its place. */
static void
replace_one(void)
{
	pid_t *pid = &world.pids[dice(&world.dice, PROCESSES)];
	const unsigned int throw = dice(&world.dice, 15);
	const int number = throw == 0 ? SIGTERM :
	    throw == 1		      ? SIGUSR1 :
					SIGKILL;
	int status;

	/* a new one can be told to leave only when it waits for that */
	while (number != SIGKILL && !blocks_term(*pid))
		pause_ms(1);
	kill(*pid, number);
	status = fcgi_wait(*pid);
	if (number == SIGKILL) {
		world.kills++;
	} else {
		world.leaves++;
		world.bad_leaves += status != 0;
	}
	*pid = start();
}

static void
kill_them(int kills)
{
	int i;

	for (i = 0; i < CLIENTS; i++)
		if (pthread_create(&world.talkers[i].thread, NULL, talk,
			&world.talkers[i]) != 0)
			die("pthread_create");
	while (world.kills < kills) {
		pause_ms((int)dice(&world.dice, PAUSE_MS));
		replace_one();
	}
	atomic_store(&world.enough, true);
	for (i = 0; i < CLIENTS; i++)
		pthread_join(world.talkers[i].thread, NULL);
}

/* ---- what became of it ---- */

/* The numbers that a room has heard; true if they are 1 to last, in order. */
static bool
has_heard(const struct talker *t, int *heard)
{
	char *path = text("/control/rooms/%lld", (long long)t->tenant->room);
	const struct answer answer =
	    request(soak.hipchat, "GET", path, "", NULL);
	struct json_object *doc = json_tokener_parse(answer.body), *list = NULL;
	struct json_object *value = NULL;
	bool good = true;
	size_t i;

	json_object_object_get_ex(doc, "messages", &list);
	*heard = (int)json_object_array_length(list);
	for (i = 0; i < (size_t)*heard && good; i++) {
		json_object_object_get_ex(json_object_array_get_idx(list, i),
		    "message", &value);
		good = atoi(json_object_get_string(value)) == (int)i + 1;
	}
	if (!good)
		diag("room %lld: number %zu is %s", (long long)t->tenant->room,
		    i, json_object_get_string(value));
	json_object_put(doc);
	free(answer.body);
	free(path);
	return good;
}

static void
check_room(const struct talker *t)
{
	const int64_t deadline = now_ms() + PATIENCE;
	bool good;
	int heard;

	while ((good = has_heard(t, &heard)) && heard < t->said &&
	    now_ms() < deadline)
		pause_ms(50);
	ok(good, "room %lld has heard all once, in order",
	    (long long)t->tenant->room);
	is_int(heard, t->said, "... up to the last one");
}

/* Is there no courier any more? */
static bool
is_alone(void)
{
	char *path = text("%s/outbox/lock", needed("KILL_DATA"));
	const int fd = open(path, O_RDWR | O_CLOEXEC);
	bool alone;

	if (fd < 0)
		die(path);
	alone = flock(fd, LOCK_EX | LOCK_NB) == 0;
	close(fd);
	free(path);
	return alone;
}

/* The process that the lock names. */
static pid_t
courier(void)
{
	char *path = text("%s/outbox/lock", needed("KILL_DATA"));
	FILE *file = fopen(path, "r");
	int pid;

	if (file == NULL || fscanf(file, "%d", &pid) != 1)
		die(path);
	fclose(file);
	free(path);
	return (pid_t)pid;
}

static bool
wait_for(bool (*what)(void))
{
	const int64_t deadline = now_ms() + PATIENCE;

	while (!what() && now_ms() < deadline)
		pause_ms(20);
	return now_ms() < deadline;
}

static bool
is_refused(void)
{
	const int fd = fcgi_dial(&world.place);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static void
check_end(void)
{
	int i, alive = 0;

	ok(wait_for(is_alone), "the courier leaves when it has nothing to do");
	for (i = 0; i < PROCESSES; i++)
		alive += fcgi_runs(world.pids[i]);
	is_int(alive, PROCESSES, "... while all processes are there");
	say_next(&world.talkers[0]);
	check_room(&world.talkers[0]);
	/* now there is a courier again */
	ok(!blocks_term(courier()), "a courier can be told to end");
	for (i = 0; i < PROCESSES; i++) {
		kill(world.pids[i], SIGKILL);
		fcgi_wait(world.pids[i]);
	}
	close(world.place.fd);
	ok(wait_for(is_refused), "when they are gone, nobody has the socket");
}

/* All lines but those about what is queued. */
static void
check_log(void)
{
	char *line, *text = calloc(1, 1 << 24), *rest = text;
	int odd = 0;

	if (text == NULL || pread(world.log, text, (1 << 24) - 1, 0) < 0)
		die("the log");
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0' && strstr(line, ": queued, ") == NULL &&
		    odd++ < 5)
			diag("%s", line);
	is_int(odd, 0, "nothing is logged but what was queued");
	free(text);
}

/* ---- the program ---- */

static void
add_env(const char *name, const char *value)
{
	if (world.env_len == ENV_MAX)
		die("too many settings");
	if (value != NULL)
		world.env[world.env_len++] = text("%s=%s", name, value);
}

static void
set_up(unsigned int seed)
{
	int i;

	soak.hipchat_url = needed("HIPCHAT");
	soak.hipchat =
	    (int)strtol(strrchr(soak.hipchat_url, ':') + 1, NULL, 10);
	status_of(request(soak.hipchat, "POST", "/control/settings", "",
	    "{\"rate_limit\":100000000,\"flood_limit\":100000000}"));
	world.dice = (uint64_t)seed * 7919 + 1;
	mix_open(&world.mix, needed("KILL_TENANTS"));
	if (world.mix.tenant_count < CLIENTS)
		die("too few tenants");
	for (i = 0; i < CLIENTS; i++)
		world.talkers[i].tenant = &world.mix.tenants[i];
	add_env("PATH", "/usr/bin:/bin");
	add_env("ASAN_OPTIONS", getenv("ASAN_OPTIONS"));
	add_env("UBSAN_OPTIONS", getenv("UBSAN_OPTIONS"));
	add_env("HIPCHAT_CONFIG", needed("KILL_CONFIG"));
	add_env("HIPCHAT_DATA_DIR", needed("KILL_DATA"));
	add_env("HIPCHAT_ALLOWED_HOSTS", soak.hipchat_url);
	add_env("HIPCHAT_COURIER_IDLE", "1");
	if ((world.log = memfd_create("log", MFD_CLOEXEC)) < 0 ||
	    fcntl(world.log, F_SETFL, O_APPEND) != 0)
		die("memfd_create");
	fcgi_listen(&world.place);
	for (i = 0; i < PROCESSES; i++)
		world.pids[i] = start();
}

int
main(int argc, char **argv)
{
	const int kills = argc > 1 ? atoi(argv[1]) : KILLS;
	const unsigned int seed =
	    argc > 2 ? (unsigned int)atoi(argv[2]) : (unsigned int)time(NULL);
	int i, said = 0, again = 0, refused = 0;

	set_up(seed);
	kill_them(kills);
	for (i = 0; i < CLIENTS; i++) {
		said += world.talkers[i].said;
		again += world.talkers[i].again;
		refused += world.talkers[i].refused;
	}
	diag("seed %u: %d kills, %d webhooks, %d times without an answer", seed,
	    world.kills, said, again);
	is_int(refused, 0, "each webhook is acknowledged, sooner or later");
	is_int(world.bad_leaves, 0, "%d were told to leave, and end well",
	    world.leaves);
	for (i = 0; i < CLIENTS; i++)
		check_room(&world.talkers[i]);
	check_end();
	check_log();
	while (world.env_len > 0)
		free(world.env[--world.env_len]);
	mix_close(&world.mix);
	return done();
}
