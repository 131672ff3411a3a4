/*
 * supervisor: see supervisor.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "supervisor.h"
#include "uptime.h"

/* A worker that lives shorter than this, in s, has failed at once. */
#define SHORT_LIFE 10

/* Longest pause before another one, in s. */
#define PAUSE_MAX 60

#define NEWS_MAX 256

static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP };
#define PASSED_ON (sizeof(passed_on) / sizeof(passed_on[0]))

struct supervisor {
	char **argv;
	char program[4096]; /* "": not known */
	sigset_t waits;	    /* the signals that the parent waits for */
	sigset_t before;    /* the mask that the program was started with */
	pid_t worker;
	time_t born; /* of the monotonic clock */
	unsigned int short_lives;
	bool stopping; /* told to go */
	char news[NEWS_MAX];
};

bool
supervisor_program(char *path, size_t size)
{
	const unsigned long value = getauxval(AT_EXECFN);
	const char *name = (const char *)value;
	char dir[4096];
	int n;

	if (name == NULL)
		return false;
	if (*name == '/')
		n = snprintf(path, size, "%s", name);
	else if (getcwd(dir, sizeof(dir)) != NULL)
		n = snprintf(path, size, "%s/%s", dir, name);
	else
		return false;
	return n > 0 && (size_t)n < size;
}

static bool
is_passed_on(int sig)
{
	size_t i;

	for (i = 0; i < PASSED_ON && passed_on[i] != sig; i++)
		;
	return i < PASSED_ON;
}

static void
block_signals(struct supervisor *s)
{
	size_t i;

	sigemptyset(&s->waits);
	sigaddset(&s->waits, SIGCHLD);
	for (i = 0; i < PASSED_ON; i++)
		sigaddset(&s->waits, passed_on[i]);
	sigprocmask(SIG_BLOCK, &s->waits, &s->before);
}

/* The child: work, and die with the parent. */
static _Noreturn void
work_in_child(const struct supervisor *s, pid_t parent, supervisor_work *work,
    void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	exit(work(arg, *s->news != '\0' ? s->news : NULL));
}

static bool
start(struct supervisor *s, supervisor_work *work, void *arg)
{
	const pid_t parent = getpid();

	s->born = uptime_s();
	if ((s->worker = fork()) == 0)
		work_in_child(s, parent, work, arg);
	s->news[0] = '\0';
	return s->worker > 0;
}

/* Take the signals as they come, until the worker is over. */
static int
await(struct supervisor *s)
{
	int status = 0;

	while (waitpid(s->worker, &status, WNOHANG) == 0) {
		const int sig = sigwaitinfo(&s->waits, NULL);

		if (sig > 0 && is_passed_on(sig)) {
			s->stopping = sig != SIGHUP || s->stopping;
			kill(s->worker, sig);
		}
	}
	return status;
}

/* Execute the program anew; returns only if that fails. */
static void
execute(struct supervisor *s)
{
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	if (*s->program != '\0')
		execv(s->program, s->argv);
	sigprocmask(SIG_BLOCK, &s->waits, NULL);
	snprintf(s->news, sizeof(s->news), "%.200s: not executed anew: %s",
	    *s->program != '\0' ? s->program : "the program", strerror(errno));
}

/* Pause before the next worker; false if a signal says that it is over. */
static bool
pause_between(struct supervisor *s)
{
	struct timespec left = { 0, 0 };
	unsigned int n = s->short_lives++;
	int sig;

	if (uptime_s() - s->born >= SHORT_LIFE)
		s->short_lives = n = 0;
	if (n > 0)
		left.tv_sec = n < 7 ? 1 << (n - 1) : PAUSE_MAX;
	do
		sig = sigtimedwait(&s->waits, NULL, &left);
	while (sig == SIGCHLD || sig == SIGHUP);
	s->stopping = sig > 0;
	return !s->stopping;
}

/* End as the worker has ended. */
static int
pass_on(const struct supervisor *s, int status)
{
	int sig = SIGTERM; /* told to go between two workers, or as one died */

	if (WIFEXITED(status) && WEXITSTATUS(status) != SUPERVISOR_AGAIN)
		return WEXITSTATUS(status);
	if (WIFSIGNALED(status) && is_passed_on(WTERMSIG(status)))
		sig = WTERMSIG(status);
	signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	raise(sig);
	return 128 + sig;
}

/* Is there to be another worker? */
static bool
goes_on(struct supervisor *s, int status)
{
	const bool again =
	    WIFEXITED(status) && WEXITSTATUS(status) == SUPERVISOR_AGAIN;
	const bool killed =
	    WIFSIGNALED(status) && !is_passed_on(WTERMSIG(status));

	if (s->stopping || (!again && !killed))
		return false;
	if (again)
		execute(s);
	else
		snprintf(s->news, sizeof(s->news), "process %d was killed: %s",
		    (int)s->worker, strsignal(WTERMSIG(status)));
	return pause_between(s);
}

int
supervise(char **argv, supervisor_work *work, void *arg)
{
	struct supervisor s = { .argv = argv };
	int status;

	if (!supervisor_program(s.program, sizeof(s.program)))
		s.program[0] = '\0';
	signal(SIGCHLD, SIG_DFL);
	block_signals(&s);
	do {
		if (!start(&s, work, arg)) {
			log_errno("worker", "fork");
			return 1;
		}
		status = await(&s);
	} while (goes_on(&s, status));
	return pass_on(&s, status);
}
