/*
 * soak: load and faults.  Clients send good, bad and hostile requests through
 * a real Apache, at first in peace, then while the disk is full every now and
 * then, then while processes are killed at random.
 *
 * In the end everything that was acknowledged must have come about: each
 * installation works, each message is in its room, what was removed stays so,
 * nothing forged got anywhere, and nobody was left waiting.
 *
 * soak.t starts the servers and says where they are.  From the environment:
 *
 *	ADDON, HIPCHAT	the base URLs of Apache and of the stand-in
 *	SOAK_APACHE	process id of the Apache
 *	SOAK_DATA	the data directory
 *	SOAK_COURIER	the courier, under a name that only this test uses
 *	SOAK_DISK	1 if the data directory is a tmpfs of its own, and may
 *			be made too small
 *	SOAK_S		seconds that each of the three parts takes
 *	SOAK_CLIENTS	how many at the same time
 *	SOAK_SEED	for the same requests again, if not the same timing
 */
#include <dirent.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "soak/soak.h"

const struct part parts[PARTS] = {
	{ "in peace", false, false },
	{ "disk full at times", true, false },
	{ "processes killed", false, true },
};

struct soak soak = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* ---- the load ---- */

/* Is the add-on back again, after everything? */
static bool
is_well(void)
{
	const int64_t deadline = now_ms() + PATIENCE;
	int streak = 0;

	while (streak < 10 && now_ms() < deadline) {
		if (status_of(request(soak.addon, "GET", "/capabilities", "",
			NULL)) == 200) {
			streak++;
		} else {
			streak = 0;
			pause_ms(200);
		}
	}
	return streak == 10;
}

static void
run_part(uint64_t *state)
{
	const struct part *part = &parts[soak.part];
	pthread_t threads[CLIENTS_MAX];
	const int requests = atomic_load(&soak.requests);
	const int before = atomic_load(&soak.odd);
	int i;

	soak.end = now_ms() + soak.seconds * 1000;
	for (i = 0; i < soak.client_count; i++)
		if (pthread_create(&threads[i], NULL, run_client,
			&soak.clients[i]) != 0)
			die("pthread_create");
	while (now_ms() < soak.end) {
		if (part->fill)
			fill_disk(state);
		else if (part->kill)
			kill_one(state);
		else
			pause_ms(50);
	}
	for (i = 0; i < soak.client_count; i++)
		pthread_join(threads[i], NULL);
	diag("%s: %d requests", part->name,
	    atomic_load(&soak.requests) - requests);
	ok(is_well(), "%s: the add-on serves", part->name);
	is_int(atomic_load(&soak.odd) - before, 0,
	    "%s: answers are as they should be", part->name);
	is_int(atomic_load(&soak.hung), 0, "%s: nobody is left waiting",
	    part->name);
}

/* ---- the end ---- */

static int
count_files(const char *dir)
{
	char *path = text("%s/outbox/%s", soak.data, dir);
	DIR *d = opendir(path);
	const struct dirent *entry;
	int n = 0;

	while (d != NULL && (entry = readdir(d)) != NULL)
		n += entry->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	free(path);
	return n;
}

/* As an operator would, in the place of the data directory's owner. */
static void
run_courier(void)
{
	struct stat sb;
	int status;
	pid_t pid;

	if (stat(soak.data, &sb) != 0)
		die(soak.data);
	if ((pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		if (geteuid() != sb.st_uid &&
		    (setgroups(0, NULL) != 0 || setgid(sb.st_gid) != 0 ||
			setuid(sb.st_uid) != 0))
			_exit(126);
		setenv("HIPCHAT_DATA_DIR", soak.data, 1);
		setenv("HIPCHAT_ALLOWED_HOSTS", soak.hipchat_url, 1);
		execl(soak.courier, "courier", (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		diag("courier: status %d", status);
}

/* Deliver everything.  Another courier may be at it: then ours leaves. */
static bool
deliver(void)
{
	const int64_t deadline = now_ms() + PATIENCE;

	do {
		run_courier();
		if (count_files("new") == 0)
			return true;
		pause_ms(100);
	} while (now_ms() < deadline);
	return false;
}

/* Does each installation work, and none that was removed? */
static void
check_tenants(void)
{
	int works = 0, gone = 0, lost = 0, back = 0, i;
	size_t k;

	for (i = 0; i < soak.client_count; i++) {
		struct client *c = &soak.clients[i];

		lost += say(c, &c->home) != 204;
		for (k = 0; k < c->guest_count; k++) {
			if (c->guests[k].unsure)
				continue;
			if (c->guests[k].gone) {
				gone++;
				back += post_webhook(c->guests[k].id,
					    c->guests[k].secret, c->room,
					    FORGED, 3600) != 401;
			} else {
				works++;
				lost += say(c, &c->guests[k]) != 204;
			}
		}
	}
	diag("%d installations, %d removed again", works + gone, gone);
	is_int(lost, 0, "every acknowledged installation is there");
	is_int(back, 0, "every acknowledged removal holds");
}

/* How often each text was said in the room, as an object. */
static struct json_object *
count_texts(int64_t room, int *forged)
{
	char *path = text("/control/rooms/%lld", (long long)room);
	const struct answer answer =
	    request(soak.hipchat, "GET", path, "", NULL);
	struct json_object *doc = json_tokener_parse(answer.body), *list = NULL;
	struct json_object *counts = json_object_new_object(), *value;
	const char *message;
	size_t i;

	json_object_object_get_ex(doc, "messages", &list);
	for (i = 0; i < json_object_array_length(list); i++) {
		json_object_object_get_ex(json_object_array_get_idx(list, i),
		    "message", &value);
		message = json_object_get_string(value);
		*forged += strstr(message, FORGED) != NULL;
		if (json_object_object_get_ex(counts, message, &value))
			json_object_int_inc(value, 1);
		else
			json_object_object_add(counts, message,
			    json_object_new_int(1));
	}
	json_object_put(doc);
	free(answer.body);
	free(path);
	return counts;
}

static void
check_messages(void)
{
	int lost = 0, twice = 0, again = 0, forged = 0, all = 0, i;
	struct json_object *counts, *value;
	size_t k;

	for (i = 0; i < soak.client_count; i++) {
		const struct client *c = &soak.clients[i];

		counts = count_texts(c->room, &forged);
		for (k = 0; k < c->said_count; k++, all++) {
			const struct said *said = &c->said[k];

			if (!json_object_object_get_ex(counts, said->text,
				&value))
				lost++;
			else if (json_object_get_int(value) == 1)
				continue;
			else if (parts[said->part].kill)
				again++;
			else
				twice++;
		}
		json_object_put(counts);
	}
	diag("%d messages, %d of them twice because of a kill", all, again);
	is_int(lost, 0, "every acknowledged message arrived");
	is_int(twice, 0, "once, where nothing was killed");
	is_int(forged, 0, "nothing forged did");
	is_int(count_files("failed"), 0, "none has failed");
	is_int(count_files("tmp"), 0, "no half-written message is left");
}

/* ---- the program ---- */

static const char *
needed(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL || *value == '\0') {
		fprintf(stderr, "soak: %s is needed; see soak.t\n", name);
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

static int
port_of(const char *url)
{
	return (int)strtol(strrchr(url, ':') + 1, NULL, 10);
}

static void
set_up(void)
{
	soak.addon_url = needed("ADDON");
	soak.hipchat_url = needed("HIPCHAT");
	soak.data = needed("SOAK_DATA");
	soak.courier = needed("SOAK_COURIER");
	needed("SOAK_APACHE");
	soak.apache = number("SOAK_APACHE", 0);
	soak.addon = port_of(soak.addon_url);
	soak.hipchat = port_of(soak.hipchat_url);
	soak.seconds = number("SOAK_S", 3);
	soak.client_count = number("SOAK_CLIENTS", 8);
	if (soak.seconds < 1 || soak.client_count < 1 ||
	    soak.client_count > CLIENTS_MAX || soak.apache < 2) {
		fprintf(stderr, "soak: a number is out of range\n");
		exit(2);
	}
}

/* Give each client a room with an installation in it. */
static void
set_clients_up(uint64_t seed)
{
	struct answer answer;
	char *body;
	int i;

	status_of(request(soak.hipchat, "POST", "/control/settings", "",
	    "{\"rate_limit\":100000000,\"flood_limit\":100000000}"));
	for (i = 0; i < soak.client_count; i++) {
		struct client *c = &soak.clients[i];

		c->number = i;
		c->dice = seed * 1000003 + (uint64_t)i + 1;
		body = text("{\"name\":\"Room %d\"}", i);
		answer =
		    request(soak.hipchat, "POST", "/control/rooms", "", body);
		c->room = get_number(answer.body, "id");
		free(answer.body);
		free(body);
		if (install(c, &c->home) != 200) {
			fprintf(stderr, "soak: not installed\n");
			exit(1);
		}
	}
}

int
main(void)
{
	const bool disk = number("SOAK_DISK", 0) == 1;
	uint64_t seed, state;
	int i;

	set_up();
	seed = (uint64_t)number("SOAK_SEED", (int)(time(NULL) & 0xffff)) + 1;
	diag("SOAK_SEED=%llu", (unsigned long long)(seed - 1));
	state = seed * 7919;
	set_clients_up(seed);
	for (soak.part = 0; soak.part < PARTS; soak.part++) {
		if (parts[soak.part].fill && !disk) {
			skip(parts[soak.part].name,
			    "no file system of our "
			    "own can be mounted here");
			continue;
		}
		run_part(&state);
		/* before anything is killed that has it in hand */
		ok(deliver(), "%s: all is delivered", parts[soak.part].name);
	}
	soak.part = 0;
	diag("%d times the disk was full, %d processes were killed",
	    atomic_load(&soak.filled), atomic_load(&soak.killed));
	ok(!disk || atomic_load(&soak.refused) > 0, "the disk was full");
	ok(atomic_load(&soak.killed) > 0, "something was killed");
	check_tenants();
	ok(deliver(), "the rest is delivered");
	check_messages();
	for (i = 0; i < soak.client_count; i++) {
		free(soak.clients[i].guests);
		free(soak.clients[i].said);
	}
	return done();
}
