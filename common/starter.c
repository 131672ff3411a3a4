/*
 * starter: see starter.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "starter.h"
#include "trigger.h"

/* The byte of the lock file that is locked by whose turn it is; waiting
 * couriers use those before it. */
#define TURN 3

/* So often at most, PAUSE ns apart, we look whether the courier listens. */
#define LOOKS 5000
#define PAUSE 2000000

struct starter {
	const char *path; /* of the courier */
	int words;	  /* here it is told */
	int outbox;	  /* DATA_DIR/outbox, opened anew; or -1 */
};

/* The courier gets the settings, but nothing that belongs to the request. */
static bool
is_setting(const char *variable)
{
	static const char *const keep[] = { "HIPCHAT_",
		"PATH=", "TZ=", "SSL_CERT_",
		"ASAN_OPTIONS=", "UBSAN_OPTIONS=" };
	size_t i;

	for (i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
		if (strncmp(variable, keep[i], strlen(keep[i])) == 0)
			return true;
	return false;
}

/*
 * Keep standard error and our own, nothing else: the web server waits for its
 * pipes, and a FastCGI process has a socket for standard input, and a
 * connection.
 */
static bool
close_others(const struct starter *s)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (null < 0 || dir == NULL || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		const int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO && fd != s->words && fd != s->outbox &&
		    fd != dirfd(dir))
			close(fd);
	}
	closedir(dir);
	return true;
}

/* Signals that wait in a FastCGI process do not in its children. */
static void
unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Limits that a web server sets for a request are not for the courier. */
static void
raise_limits(void)
{
	struct rlimit limit;

	/* no loop: the type of these names depends on the C library */
#define RAISE(resource) \
	if (getrlimit(resource, &limit) == 0) { \
		limit.rlim_cur = limit.rlim_max; \
		setrlimit(resource, &limit); \
	}
	RAISE(RLIMIT_CPU)
	RAISE(RLIMIT_AS)
	RAISE(RLIMIT_DATA)
#undef RAISE
}

/* Become the courier; returns only if that fails. */
static void
exec_courier(const char *path)
{
	char name[] = "courier", linger[] = "--linger";
	char *argv[] = { name, linger, NULL };
	char *envp[64];
	size_t n = 0;
	char **e;

	for (e = environ; *e != NULL && n < 63; e++)
		if (is_setting(*e))
			envp[n++] = *e;
	envp[n] = NULL;
	/* the web server waits until nobody holds this pipe */
	if (fcntl(STDERR_FILENO, F_SETFD, FD_CLOEXEC) != 0 || chdir("/") != 0)
		return;
	raise_limits();
	signal(SIGCHLD, SIG_DFL);
	execve(path, argv, envp);
}

/* "courier" in the directory of the running program. */
static bool
beside(char *path, size_t size)
{
	const ssize_t len = readlink("/proc/self/exe", path, size);
	char *slash;

	if (len < 0 || (size_t)len >= size)
		return false;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if ((size_t)(slash - path) + sizeof("/courier") > size)
		return false;
	strcpy(slash, "/courier");
	return true;
}

static void
log_failure(const char *path)
{
	log_line("%s: not started: %s", path, strerror(errno));
}

/* ---- one at a time ---- */

/* The web server waits until nobody holds this pipe. */
static void
drop_stderr(void)
{
	dup2(STDOUT_FILENO, STDERR_FILENO); /* which is /dev/null */
}

/* Wait until it is our turn, which ends with this process. */
static void
take_turn(const struct starter *s)
{
	struct flock turn = { .l_type = F_WRLCK, .l_start = TURN, .l_len = 1 };
	const int lock =
	    openat(s->outbox, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fcntl(lock, F_OFD_SETLK, &turn) == 0 ||
	    (errno != EAGAIN && errno != EACCES))
		return;
	drop_stderr();
	fcntl(lock, F_OFD_SETLKW, &turn);
}

/* Does a courier listen?  Tells it the word, if there is one. */
static bool
is_heard(const struct starter *s, char word)
{
	const int trigger = trigger_open(s->outbox);
	bool heard;

	if (trigger < 0)
		return false;
	heard = word == STARTER_ANYWAY || trigger_write(trigger, &word, 1);
	close(trigger);
	return heard;
}

/* Start it, and keep our turn until it listens, or has ended. */
static void
start(const struct starter *s)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	const pid_t child = fork();
	int i;

	if (child == 0) {
		setsid();
		exec_courier(s->path);
	}
	if (child <= 0) {
		log_failure(s->path);
		return;
	}
	drop_stderr();
	for (i = 0; i < LOOKS && waitpid(child, NULL, WNOHANG) == 0 &&
	     !is_heard(s, STARTER_ANYWAY);
	     i++)
		nanosleep(&pause, NULL);
}

/*
 * Many may find that there is no courier before the first that was started
 * listens.  So they take turns, and look once more.
 */
static _Noreturn void
serve(const struct starter *s, char word)
{
	if (word != STARTER_ANYWAY)
		take_turn(s);
	if (word == STARTER_ANYWAY || !is_heard(s, word))
		start(s);
	_exit(0);
}

/* The starter: have a child serve each word. */
static _Noreturn void
start_when_told(struct starter *s, int outbox)
{
	char word;

	unblock_signals();
	/* the locks of the directory are to be our own */
	s->outbox = openat(outbox, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!close_others(s))
		log_failure(s->path);
	signal(SIGCHLD, SIG_IGN); /* it waits for none of them */
	while (read(s->words, &word, 1) == 1) {
		const pid_t child = fork();

		if (child == 0)
			serve(s, word);
		if (child < 0)
			log_failure(s->path);
	}
	_exit(0);
}

/* Fork a grandchild, because the starter must be nobody's child. */
static int
fork_twice(const char *path, int outbox)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		log_failure(path);
		return -1;
	}
	if ((child = fork()) < 0) {
		log_failure(path);
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (child == 0) {
		close(fds[1]);
		setsid();
		if (fork() == 0)
			start_when_told(
			    &(struct starter){ .path = path, .words = fds[0] },
			    outbox);
		_exit(0);
	}
	close(fds[0]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return fds[1];
}

int
starter_fork(const char *courier, int outbox)
{
	char path[4096];

	if (courier != NULL)
		return fork_twice(courier, outbox);
	if (beside(path, sizeof(path)))
		return fork_twice(path, outbox);
	log_line("courier: HIPCHAT_COURIER is needed to find it");
	return -1;
}

bool
starter_tell(int starter, char word)
{
	if (starter < 0)
		return false;
	if (write(starter, &word, 1) == 1)
		return true;
	log_line("courier: not started: %s", strerror(errno));
	return false;
}
