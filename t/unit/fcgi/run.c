/*
 * run: processes, connections to them, and their answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi.h"

/* Nothing takes this long, even on the slowest machine, in ms. */
#define PATIENCE_MS 60000

/* ---- processes ---- */

void
fcgi_listen(struct fcgi_place *place)
{
	place->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	place->at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	place->len = sizeof(place->at);
	/* without a name, the kernel gives it one, which goes with it */
	if (place->fd < 0 ||
	    bind(place->fd, (void *)&place->at, sizeof(sa_family_t)) != 0 ||
	    listen(place->fd, 128) != 0 ||
	    getsockname(place->fd, (void *)&place->at, &place->len) != 0)
		die("listening");
}

pid_t
fcgi_start(const char *path, char *const env[], int in, int out, int err)
{
	char *argv[] = { (char *)(uintptr_t)path, NULL };
	const pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		_exit(126);
	execve(path, argv, env);
	_exit(127);
}

int
fcgi_wait(pid_t pid)
{
	const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	bool ended;
	int status;

	if (fd < 0)
		die("pidfd_open");
	ended = poll(&pfd, 1, PATIENCE_MS) == 1;
	close(fd);
	if (!ended)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return ended ? status : -1;
}

bool
fcgi_runs(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) ==
	    0 &&
	    info.si_pid == 0;
}

/* ---- connections ---- */

int
fcgi_dial(const struct fcgi_place *place)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (const void *)&place->at, place->len) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool
ready(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	if (poll(&pfd, 1, PATIENCE_MS) == 1)
		return true;
	fprintf(stderr, "a FastCGI process keeps its client waiting\n");
	exit(1);
}

bool
fcgi_send(int fd, const void *p, size_t len)
{
	const char *from = p;
	ssize_t n;

	for (; len > 0; from += n, len -= (size_t)n) {
		n = send(fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN && ready(fd, POLLOUT))
			n = 0;
		else if (n < 0)
			return false;
	}
	return true;
}

static bool
get(int fd, void *p, size_t len)
{
	char *to = p;
	ssize_t n;

	for (; len > 0; to += n, len -= (size_t)n)
		if (!ready(fd, POLLIN) || (n = read(fd, to, len)) <= 0)
			return false;
	return true;
}

bool
fcgi_read(int fd, enum fcgi_type *type, struct bytes *content)
{
	uint8_t head[8];
	char all[UINT16_MAX + UINT8_MAX];
	size_t len;

	if (!get(fd, head, sizeof(head)))
		return false;
	len = (size_t)head[4] << 8 | head[5];
	*type = head[1];
	if (!get(fd, all, len + head[6]))
		return false;
	bytes_add(content, all, len);
	return true;
}

bool
fcgi_receive(int fd, struct fcgi_answer *answer)
{
	struct bytes end = { NULL, 0, 0 }, *to = &answer->out;
	enum fcgi_type type = FCGI_STDOUT;
	struct bytes content = { NULL, 0, 0 };

	while (!answer->complete && fcgi_read(fd, &type, &content)) {
		to = type == FCGI_STDOUT ? &answer->out :
		    type == FCGI_STDERR	 ? &answer->err :
					   &end;
		bytes_add(to, content.p, content.len);
		content.len = 0;
		answer->complete = type == FCGI_END_REQUEST;
	}
	if (answer->complete && end.len >= 4)
		answer->status = (uint32_t)(uint8_t)end.p[3];
	bytes_free(&end);
	bytes_free(&content);
	return answer->complete;
}

bool
fcgi_exchange(const struct fcgi_place *place, const struct bytes *request,
    struct fcgi_answer *answer)
{
	const int fd = fcgi_dial(place);
	bool complete;

	*answer = (struct fcgi_answer){ .complete = false };
	if (fd < 0)
		return false;
	/* a program may answer before it has read all */
	fcgi_send(fd, request->p, request->len);
	complete = fcgi_receive(fd, answer);
	close(fd);
	return complete;
}

void
fcgi_answer_free(struct fcgi_answer *answer)
{
	bytes_free(&answer->out);
	bytes_free(&answer->err);
}

int
fcgi_status(const struct bytes *response)
{
	static const char status[] = "Status: ";

	return response->len < sizeof(status) ||
		strncmp(response->p, status, strlen(status)) != 0 ?
	    0 :
	    (int)strtol(response->p + strlen(status), NULL, 10);
}

/* ---- CGI ---- */

static int
memory(const struct bytes *content)
{
	const int fd = memfd_create("cgi", MFD_CLOEXEC);

	if (fd < 0 ||
	    write(fd, content->p, content->len) != (ssize_t)content->len ||
	    lseek(fd, 0, SEEK_SET) != 0 || fcntl(fd, F_SETFL, O_APPEND) != 0)
		die("memfd");
	return fd;
}

static void
take(int fd, struct bytes *out)
{
	struct stat sb;
	char *p;

	if (fstat(fd, &sb) != 0)
		die("fstat");
	p = malloc((size_t)sb.st_size + 1);
	if (p == NULL || pread(fd, p, (size_t)sb.st_size, 0) != sb.st_size)
		die("pread");
	bytes_add(out, p, (size_t)sb.st_size);
	free(p);
	close(fd);
}

int
fcgi_run_cgi(const char *path, char *const env[],
    const struct fcgi_request *req, struct bytes *out, struct bytes *err)
{
	const struct bytes none = { NULL, 0, 0 };
	const int in = memory(&req->body), to = memory(&none),
		  log = memory(&none);
	char *all[FCGI_VARS_MAX + 64];
	size_t n = 0, i;
	int status;

	for (i = 0; env[i] != NULL; i++)
		all[n++] = env[i];
	for (i = 0; i < req->count; i++)
		all[n++] = req->vars[i].text;
	all[n] = NULL;
	status = fcgi_wait(fcgi_start(path, all, in, to, log));
	close(in);
	take(to, out);
	take(log, err);
	return status;
}
