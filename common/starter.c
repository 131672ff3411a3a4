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
#include <unistd.h>

#include "log.h"
#include "starter.h"

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
 * Keep standard error and this descriptor, nothing else: the web server waits
 * for its pipes, and a FastCGI process has a socket for standard input, and a
 * connection.
 */
static bool
close_others(int keep)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (null < 0 || dir == NULL || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		const int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO && fd != keep && fd != dirfd(dir))
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

/* The starter: start a courier each time that it is told to. */
static _Noreturn void
start_when_told(int words, const char *path)
{
	char word;

	unblock_signals();
	if (!close_others(words))
		log_line("%s: not started: %s", path, strerror(errno));
	signal(SIGCHLD, SIG_IGN); /* it waits for none of them */
	while (read(words, &word, 1) == 1) {
		const pid_t child = fork();

		if (child == 0) {
			setsid();
			exec_courier(path);
		}
		if (child <= 0)
			log_line("%s: not started: %s", path, strerror(errno));
		if (child == 0)
			break;
	}
	_exit(0);
}

/* Fork a grandchild, because the starter must be nobody's child. */
static int
fork_twice(const char *path)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		log_line("%s: not started: %s", path, strerror(errno));
		return -1;
	}
	if ((child = fork()) < 0) {
		log_line("%s: not started: %s", path, strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (child == 0) {
		close(fds[1]);
		setsid();
		if (fork() == 0)
			start_when_told(fds[0], path);
		_exit(0);
	}
	close(fds[0]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return fds[1];
}

int
starter_fork(const char *courier)
{
	char path[4096];

	if (courier != NULL)
		return fork_twice(courier);
	if (beside(path, sizeof(path)))
		return fork_twice(path);
	log_line("courier: HIPCHAT_COURIER is needed to find it");
	return -1;
}

bool
starter_tell(int starter)
{
	if (starter < 0)
		return false;
	if (write(starter, "", 1) == 1)
		return true;
	log_line("courier: not started: %s", strerror(errno));
	return false;
}
