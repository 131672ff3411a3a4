/*
 * chaos: what goes wrong.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

/* ---- files ---- */

/* In one step, whole. */
static void
replace(const char *path, const char *content)
{
	char *new = text("%s.new", path);
	FILE *f = fopen(new, "w");

	if (f == NULL || fputs(content, f) < 0 || fclose(f) != 0 ||
	    rename(new, path) != 0)
		die(path);
	free(new);
}

void
write_settings(int ttl, int idle, int without)
{
	char *hosts = text("%s", ""), *all, *more;
	int i;

	for (i = 0; i < HIPCHATS; i++) {
		const struct hipchat *h = &stress.hipchats[i];

		if (i == without)
			continue;
		more = text("%s%s ", hosts, h->url);
		free(hosts);
		hosts = more;
		if (h->alias == NULL)
			continue;
		more = text("%shttp://%s:%d ", hosts, h->alias, h->port);
		free(hosts);
		hosts = more;
	}
	all = text(
	    "# of the stress\nHIPCHAT_ALLOWED_HOSTS=\"%s\"\n"
	    "HIPCHAT_COURIER=%s\nHIPCHAT_MESSAGE_TTL=%d\n"
	    "HIPCHAT_COURIER_IDLE=%d\n",
	    hosts, stress.starter, ttl, idle);
	if (stress.last_short == INT64_MAX)
		stress.last_short = now_us() + UNDER_WAY;
	if (ttl < 7300)
		stress.last_short = INT64_MAX;
	replace(stress.conf, all);
	stress.variants++;
	free(all);
	free(hosts);
}

/* The same settings again, or others, for whoever looks at them now. */
static void
other_settings(uint64_t *state)
{
	/* an hour more than the clock is set by, forth and back */
	int ttl = 10800 + (int)dice(state, 3) * 3600;

	if (stress.large && dice(state, 12) == 0)
		ttl = 10;
	write_settings(ttl, (int)dice(state, 4),
	    (int)dice(state, 3 * HIPCHATS));
}

/* A file that libcurl or OpenSSL reads gets a new inode, with the same text. */
static void
replace_file(uint64_t *state)
{
	static const char *const names[] = { "resolv.conf", "hosts",
		"nsswitch.conf", "ssl/certs/ca-certificates.crt" };
	const char *name = names[dice(state, 4)];
	char *command;

	if (!stress.etc)
		return;
	command = text(
	    "cd /etc && test -e %s && cp -p %s %s.new && "
	    "mv %s.new %s",
	    name, name, name, name, name);
	if (system(command) == 0)
		stress.replaced++;
	free(command);
}

/* ---- time and network ---- */

void
set_clock(int64_t offset)
{
	if (offset == atomic_load(&stress.world->offset))
		return;
	atomic_store(&stress.world->offset, offset);
	if (atomic_load(&stress.jump_count) == JUMPS_MAX)
		die("too many jumps");
	stress.jumps[atomic_fetch_add(&stress.jump_count, 1)] = now_us();
}

void
refuse(int hipchat, bool refused)
{
	atomic_store(&stress.world->refused[hipchat],
	    refused ? stress.hipchats[hipchat].port : 0);
}

static void
limit(int hipchat, int rate, int flood)
{
	char *body = text(
	    "{\"rate_limit\":%d,\"rate_window\":2,"
	    "\"flood_limit\":%d,\"flood_window\":2}",
	    rate, flood);

	status_of(control(hipchat, "POST", "settings", body));
	free(body);
}

void
add_fault(int hipchat, const char *fmt, ...)
{
	char *members, *body;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&members, fmt, ap) < 0)
		die("vasprintf");
	va_end(ap);
	body = text("{%s}", members);
	if (status_of(control(hipchat, "POST", "faults", body)) != 201)
		remark("no fault: %s", body);
	free(members);
	free(body);
}

/* What a HipChat that is not well answers, to posts and for tokens. */
static void
not_well(int hipchat, uint64_t *state)
{
	static const char *const faults[] = {
		"\"fault\":\"refuse\"",
		"\"fault\":\"reset_before\"",
		"\"fault\":\"reset_after\"",
		"\"fault\":\"half\"",
		"\"fault\":\"delay\",\"ms\":300",
		"\"fault\":\"delay\",\"ms\":1500",
		"\"fault\":\"delay\",\"ms\":9000", /* too late, at our SPEED */
		"\"fault\":\"status\",\"status\":500",
		"\"fault\":\"status\",\"status\":503",
		"\"fault\":\"status\",\"status\":408",
		"\"fault\":\"status\",\"status\":429,"
		"\"header\":\"X-Ratelimit-Reset\",\"seconds\":2",
		"\"fault\":\"status\",\"status\":429,"
		"\"header\":\"X-FloodControl-Reset\",\"seconds\":2",
		"\"fault\":\"status\",\"status\":429,"
		"\"header\":\"Retry-After\",\"seconds\":3",
		/* from here on for posts only */
		"\"fault\":\"status\",\"status\":401",
		"\"fault\":\"status\",\"status\":404",
		"\"fault\":\"huge\"",
		"\"fault\":\"slow\"",
	};
	const bool post = dice(state, 4) != 0;
	const unsigned int n = sizeof(faults) / sizeof(faults[0]);
	const unsigned int which = dice(state, post ? n : n - 4);

	add_fault(hipchat, "\"route\":\"%s\",%s,\"count\":%u",
	    post ? "notification" : "token", faults[which],
	    which >= 13 ? 1 : 1 + dice(state, 6));
}

/* ---- processes ---- */

static bool
is_courier(int pid, char name[64], int *parent)
{
	const char *slash = strrchr(soak.courier, '/');

	return look_at(pid, name, parent) && strcmp(name, slash + 1) == 0;
}

/* Our couriers or, if hunt is false, a program that Apache has started. */
static bool
is_wanted(int pid, bool courier, enum role role)
{
	char name[64], other[64];
	int parent, grandparent;

	if (courier)
		return is_courier(pid, name, &parent) &&
		    is_courier(parent, other, &grandparent) == (role == WORKER);
	return look_at(pid, name, &parent) &&
	    look_at(parent, other, &grandparent) && grandparent == soak.apache;
}

static int
find(bool courier, enum role role)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	int pid, found = 0;

	if (proc == NULL)
		die("/proc");
	while ((entry = readdir(proc)) != NULL) {
		pid = (int)strtol(entry->d_name, NULL, 10);
		if (pid > 0 && is_wanted(pid, courier, role))
			found = pid;
	}
	closedir(proc);
	return found;
}

int
find_courier(enum role role)
{
	return find(true, role);
}

static void
kill_courier(unsigned int how)
{
	const int worker = find_courier(WORKER), parent = find_courier(PARENT);

	if (atomic_load(&stress.kill_count) == KILLS_MAX)
		die("too many kills");
	if (how != 0 && parent > 0)
		kill(parent, SIGKILL);
	if (how != 1 && worker > 0)
		kill(worker, SIGKILL);
	if (worker > 0 || parent > 0)
		stress.kills[atomic_fetch_add(&stress.kill_count, 1)] =
		    now_us();
}

static void
kill_program(void)
{
	int pid, tries = 20; /* they do not live long */

	while ((pid = find(false, WORKER)) == 0 && --tries > 0)
		pause_ms(2);
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		stress.killed_programs++;
}

/* Its clock runs on meanwhile: by as much as the longest time-out. */
static void
stop_courier(uint64_t *state)
{
	const int pid = find_courier(WORKER);

	if (pid == 0 || kill(pid, SIGSTOP) != 0)
		return;
	stress.stopped++;
	pause_ms(stress.large && dice(state, 12) == 0 ? 15000 : 300);
	atomic_fetch_add(&stress.world->ahead, 15000 + dice(state, 60000));
	kill(pid, SIGCONT);
}

/* In the place of the data directory's owner. */
static void
be_owner(void)
{
	struct stat sb;

	if (stat(soak.data, &sb) != 0 ||
	    (geteuid() != sb.st_uid &&
		(setgroups(0, NULL) != 0 || setgid(sb.st_gid) != 0 ||
		    setuid(sb.st_uid) != 0)))
		_exit(126);
}

int
operate(const char *option, const char *arg)
{
	int status;
	pid_t pid;

	see_failed();
	see_log();
	if ((pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		be_owner();
		setenv("LD_PRELOAD", getenv("WORLD_SHIM"), 1);
		if (freopen("/dev/null", "w", stdout) != NULL &&
		    freopen("/dev/null", "w", stderr) != NULL)
			execl(soak.courier, "courier", option, arg,
			    (char *)NULL);
		_exit(127);
	}
	/* 1: there is nothing that has failed, or waits */
	if (waitpid(pid, &status, 0) != pid ||
	    (status != 0 && WEXITSTATUS(status) != 1))
		remark("courier %s %s: status %d", option, arg, status);
	see_log();
	return status;
}

/* ---- all of it ---- */

static void
make_some(unsigned int what, uint64_t *state)
{
	const int hipchat = (int)dice(state, HIPCHATS);
	struct hipchat *h = &stress.hipchats[hipchat];

	switch (what) {
	case 0:
		other_settings(state);
		break;
	case 1:
		replace_file(state);
		break;
	case 2:
		set_clock(((int64_t)dice(state, 3) - 1) * 3600);
		break;
	case 3:
		stop_courier(state);
		break;
	case 4:
		refuse(hipchat, true);
		h->refused_until = now_ms() + dice(state, 2000);
		break;
	case 5:
		limit(hipchat, (int)dice(state, 8), (int)dice(state, 4));
		h->limited_until = now_ms() + dice(state, 4000);
		break;
	case 6:
		kill_courier(dice(state, 3));
		break;
	case 7:
	case 8:
		kill_program();
		break;
	case 9:
		operate("--retry", "all");
		break;
	default:
		not_well(hipchat, state);
	}
}

static void
make_up(bool all)
{
	int i;

	for (i = 0; i < HIPCHATS; i++) {
		struct hipchat *h = &stress.hipchats[i];

		if (all || now_ms() >= h->refused_until)
			refuse(i, false);
		if (h->limited_until != 0 &&
		    (all || now_ms() >= h->limited_until)) {
			limit(i, 0, 0);
			h->limited_until = 0;
		}
	}
}

void
make_trouble(uint64_t *state)
{
	int64_t seen = now_ms();

	while (now_ms() < soak.end) {
		if (now_ms() - seen > 3000) {
			see_log();
			seen = now_ms();
		}
		make_some(dice(state, 16), state);
		pause_ms((int)dice(state, 120));
		make_up(false);
	}
}

void
end_trouble(void)
{
	int i;

	make_up(true);
	set_clock(0);
	write_settings(10800, 2, -1);
	for (i = 0; i < HIPCHATS; i++) {
		status_of(control(i, "DELETE", "faults", NULL));
		status_of(control(i, "POST", "release", NULL));
	}
}
