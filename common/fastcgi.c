/*
 * fastcgi: see fastcgi.h.
 *
 * FCGX_IsCGI() would do, but it sets up libfcgi for CGI, too: its handlers
 * would keep a CGI program from ending by TERM.  OS_IsFcgi() is the same test.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <fcgiapp.h>
#include <fcgios.h>

#include "fastcgi.h"
#include "log.h"
#include "uptime.h"

/* What is read of a request after its answer, in bytes, and the wait for it. */
#define REST_MAX 1048576
#define REST_MS 500

/* How long a process that leaves answers what is in its queue, in s. */
#define LEAVING_SECONDS 1

/* ---- a request ---- */

/*
 * What has libfcgi read already?  It does not tell, so there is no poll(2): let
 * its own read(2) end in time.
 */
static void
limit_wait(const FCGX_Request *request, int ms)
{
	const struct timeval limit = { ms / 1000, ms % 1000 * 1000 + 1 };

	setsockopt(request->ipcFd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof(limit));
}

static ssize_t
read_body(const struct cgi *cgi, char *p, size_t len, int ms)
{
	FCGX_Request *request = cgi->peer;
	const ptrdiff_t have = request->in->stop - request->in->rdNext;
	int n;

	/* with nothing at hand, ask for one byte: FCGX_GetStr() waits for all
	 * that it is asked for */
	if (have == 0) {
		limit_wait(request, ms);
		len = 1;
	} else if ((size_t)have < len)
		len = (size_t)have;
	n = FCGX_GetStr(p, (int)len, request->in);
	if (n > 0 || FCGX_GetError(request->in) == 0)
		return n;
	errno = FCGX_GetError(request->in) == EAGAIN ? ETIMEDOUT : EIO;
	return -1;
}

/* Write all of the answer, and close, so that it goes out in one piece. */
static bool
write_answer(const struct cgi *cgi, const char *p, size_t len)
{
	FCGX_Request *request = cgi->peer;

	if (FCGX_PutStr(p, (int)len, request->out) != (int)len)
		return false;
	FCGX_FClose(request->err);
	return FCGX_FClose(request->out) == 0;
}

/*
 * End the request.  If the web server were still sending when its connection is
 * closed, the answer might be lost; so libfcgi would shut down one half, and
 * wait for the web server to close the other, for 2 s at most.  Rather read to
 * the end, which has nearly always come by now: then there is no need to wait.
 */
static void
finish(FCGX_Request *request)
{
	char bytes[4096];
	int n, left = REST_MAX;

	if (request->in != NULL && !request->keepConnection) {
		limit_wait(request, REST_MS);
		do {
			n = FCGX_GetStr(bytes, sizeof(bytes), request->in);
			left -= n;
		} while (n > 0 && left > 0);
		if (n == 0 && FCGX_GetError(request->in) == 0)
			FCGX_Detach(request);
	}
	FCGX_Finish_r(request);
}

/* ---- the process ---- */

/* Have TERM and USR1 wait until somebody looks. */
static int
catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

void
fastcgi_open(struct fastcgi *f)
{
	*f = (struct fastcgi){ .resident = OS_IsFcgi(STDIN_FILENO),
		.signals = -1 };
	if (!f->resident)
		return;
	f->signals = catch_signals();
	f->request = need(malloc(sizeof(*f->request)));
	/* several processes may wait for one connection: only one gets it */
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	if (f->signals < 0 || FCGX_Init() != 0 ||
	    FCGX_InitRequest(f->request, STDIN_FILENO, 0) != 0) {
		log_errno("FastCGI", "beginning");
		_exit(1);
	}
}

static void
begin_leaving(struct fastcgi *f)
{
	if (f->leaving)
		return;
	f->leaving = true;
	f->until = uptime_s() + LEAVING_SECONDS;
}

/*
 * Between the last look at the queue and the end, nothing may come that would
 * be lost.  (After a signal, the web server sends nothing but what it has begun
 * to, and that would be lost if it were refused.)
 */
void
fastcgi_leave(struct fastcgi *f)
{
	if (!f->leaving && getenv("HIPCHAT_OWN_SOCKET") != NULL)
		shutdown(STDIN_FILENO, SHUT_RD);
	begin_leaving(f);
}

/* Wait for a new connection or, if the web server keeps one, a new request. */
static bool
wait_for_request(struct fastcgi *f, int ms)
{
	struct pollfd pfds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = f->signals, .events = POLLIN },
	};

	if (f->request->ipcFd >= 0 && f->leaving)
		FCGX_Free(f->request, 1);
	if (f->request->ipcFd >= 0)
		pfds[0].fd = f->request->ipcFd;
	poll(pfds, 2, f->leaving ? 0 : ms);
	if (pfds[1].revents != 0)
		begin_leaving(f);
	return pfds[0].revents != 0;
}

/* Get the request that has come; another process may have been faster. */
static enum fastcgi_event
accept_request(struct fastcgi *f, struct cgi *cgi)
{
	const int ret = FCGX_Accept_r(f->request);

	/* one that has been shut down is always readable */
	if (ret == -EAGAIN)
		return f->leaving ? FASTCGI_END : FASTCGI_IDLE;
	if (ret != 0) {
		errno = -ret;
		log_errno("FastCGI", "accepting");
		return FASTCGI_END;
	}
	cgi->env = f->request->envp;
	cgi->read = read_body;
	cgi->write = write_answer;
	cgi->peer = f->request;
	return FASTCGI_REQUEST;
}

enum fastcgi_event
fastcgi_next(struct fastcgi *f, struct cgi *cgi, int ms)
{
	cgi_init(cgi);
	if (!f->resident) {
		if (f->began)
			return FASTCGI_END;
		f->began = true;
		return FASTCGI_REQUEST;
	}
	finish(f->request);
	if (!wait_for_request(f, ms))
		return f->leaving ? FASTCGI_END : FASTCGI_IDLE;
	if (f->leaving && uptime_s() > f->until)
		return FASTCGI_END;
	return accept_request(f, cgi);
}

void
fastcgi_close(struct fastcgi *f)
{
	if (!f->resident)
		return;
	FCGX_Free(f->request, 1);
	free(f->request);
	close(f->signals);
}
