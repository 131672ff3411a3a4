/*
 * wake: see wake.h, which states who wakes whom.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "wake.h"

/* A web server may leave descriptors below this to a CGI program. */
#define DESCRIPTORS 1024

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

/* Become the courier; returns only if that fails. */
static void
exec_courier(const char *path)
{
	char name[] = "courier", linger[] = "--linger";
	char *argv[] = { name, linger, NULL };
	char *envp[64];
	const int null = open("/dev/null", O_RDWR);
	size_t n = 0;
	char **e;
	int fd;

	for (e = environ; *e != NULL && n < 63; e++)
		if (is_setting(*e))
			envp[n++] = *e;
	envp[n] = NULL;
	/* our own are close-on-exec; the web server may have left us others */
	for (fd = STDERR_FILENO + 1; fd < DESCRIPTORS; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* Apache waits until nobody holds its pipes; exec closes stderr */
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 ||
	    fcntl(STDERR_FILENO, F_SETFD, FD_CLOEXEC) != 0)
		return;
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

/* The child: wait to be told, and then become the courier. */
static _Noreturn void
wait_and_exec(int word, const char *path)
{
	char go;

	if (read(word, &go, 1) == 1) {
		exec_courier(path);
		log_line("%s: not started: %s", path, strerror(errno));
	}
	_exit(1);
}

/*
 * Fork a grandchild, in a session of its own, because the courier must be
 * nobody's child.  Returns the end of the pipe to tell it by, or -1.
 */
static int
fork_starter(const char *path)
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
			wait_and_exec(fds[0], path);
		_exit(0);
	}
	close(fds[0]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return fds[1];
}

/* Open the trigger for writing, but never while a courier is leaving. */
static int
open_trigger(const struct outbox *box)
{
	int fd, err;

	while (flock(box->dirfd, LOCK_SH) != 0 && errno == EINTR)
		;
	fd = openat(box->dirfd, "trigger", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	err = errno;
	flock(box->dirfd, LOCK_UN);
	errno = err;
	return fd;
}

void
outbox_reserve(struct outbox *box, const char *courier)
{
	char path[4096];

	if ((box->trigger = open_trigger(box)) >= 0)
		return;
	if (errno != ENXIO)
		log_line("outbox/trigger: %s", strerror(errno));
	else if (courier != NULL)
		box->starter = fork_starter(courier);
	else if (beside(path, sizeof(path)))
		box->starter = fork_starter(path);
	else
		log_line("courier: HIPCHAT_COURIER is needed to find it");
}

void
outbox_wake(const struct outbox *box)
{
	/* another sender may have started one since */
	const int fd = box->trigger >= 0 ? box->trigger : open_trigger(box);

	/* EAGAIN: it has more than enough to wake it */
	if (fd >= 0) {
		if (write(fd, "", 1) < 0 && errno != EAGAIN)
			log_line("outbox/trigger: %s", strerror(errno));
		if (fd != box->trigger)
			close(fd);
	} else if (box->starter >= 0 && write(box->starter, "", 1) != 1) {
		log_line("courier: not started: %s", strerror(errno));
	}
}

int
outbox_trigger(struct outbox *box)
{
	const int fd =
	    openat(box->dirfd, "trigger", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && box->trigger < 0)
		box->trigger = open_trigger(box);
	if (fd < 0 || box->trigger < 0)
		log_line("trigger: %s", strerror(errno));
	return fd;
}

void
outbox_woken(struct outbox *box, int trigger)
{
	char bytes[256];

	if (box->trigger < 0)
		box->trigger = open_trigger(box);
	while (read(trigger, bytes, sizeof(bytes)) > 0)
		;
}

bool
outbox_leave(struct outbox *box, int trigger, int lock)
{
	struct pollfd pfd = { .fd = trigger, .events = POLLIN };

	if (flock(box->dirfd, LOCK_EX | LOCK_NB) != 0)
		return false;
	if (box->trigger >= 0)
		close(box->trigger);
	box->trigger = -1;
	/* a hang-up alone: nobody has it open for writing, nor left a byte */
	if (poll(&pfd, 1, 0) != 1 || pfd.revents != POLLHUP) {
		flock(box->dirfd, LOCK_UN);
		return false;
	}
	close(trigger);
	close(lock);
	flock(box->dirfd, LOCK_UN);
	return true;
}
