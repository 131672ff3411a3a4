/*
 * test-supervisor: what becomes of a worker's end.
 *
 * This program is the daemon, too: called as "PROGRAM DIR ACTS" it supervises
 * workers of which the n-th does what the n-th letter says; see work().  Each
 * of them adds a line to DIR/log.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "capture.h"
#include "scratch.h"
#include "daemons/supervisor.h"
#include "tap.h"

/* ---- the daemon ---- */

/* Add "PID PPID MASK NEWS" to the log; returns how many lines there were. */
static size_t
write_log(const char *dir, const char *news)
{
	char path[SCRATCH_PATH], line[512];
	size_t n = 0;
	sigset_t mask;
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", dir);
	if ((log = fopen(path, "a+e")) == NULL)
		die(path);
	while (fgets(line, sizeof(line), log) != NULL)
		n++;
	rewind(log); /* from reading to writing, which is at the end */
	sigprocmask(SIG_BLOCK, NULL, &mask);
	fprintf(log, "%d %d %s %s\n", (int)getpid(), (int)getppid(),
	    sigismember(&mask, SIGTERM) ? "blocked" : "free",
	    news != NULL ? news : "none");
	if (fclose(log) != 0)
		die(path);
	return n;
}

static _Noreturn void
leave_in_order(int sig)
{
	(void)sig;
	_exit(3);
}

static int
work(void *arg, const char *news)
{
	char **argv = arg;
	char program[SCRATCH_PATH], act;

	if (*argv[2] == 't')
		signal(SIGTERM, leave_in_order);
	switch (act = argv[2][write_log(argv[1], news)]) {
	case 'u': /* the program goes */
		if (supervisor_program(program, sizeof(program)))
			unlink(program);
		return SUPERVISOR_AGAIN;
	case 'a':
		return SUPERVISOR_AGAIN;
	case 'k':
		raise(SIGKILL);
		return 1;
	case 't':
	case 'w':
		break;
	default:
		return act - '0';
	}
	for (;;)
		pause();
}

/* ---- the tests ---- */

static char own[SCRATCH_PATH];

/* Start a daemon, from this path; returns its pid. */
static pid_t
begin(const struct scratch *s, const char *program, const char *acts)
{
	char path[SCRATCH_PATH], name[] = "daemon", dir[SCRATCH_PATH];
	char arg[16], *argv[] = { name, dir, arg, NULL };
	pid_t pid;

	unlink(scratch_path(s, "log", path));
	strcpy(dir, s->dir);
	strcpy(arg, acts);
	if ((pid = fork()) == 0) {
		execv(program, argv);
		die(program);
	}
	return pid;
}

/* Its n-th worker's pid and what it said, or 0 if there is none in time. */
static pid_t
worker(const struct scratch *s, int n, char said[512])
{
	char path[SCRATCH_PATH];
	int i, line, pid = 0;
	FILE *log;

	scratch_path(s, "log", path);
	for (i = 0; i < 1000; i++, usleep(10000)) {
		if ((log = fopen(path, "re")) == NULL)
			continue;
		for (line = 0; line <= n && fgets(said, 512, log) != NULL;)
			line++;
		fclose(log);
		if (line == n + 1 && strchr(said, '\n') != NULL &&
		    sscanf(said, "%d", &pid) == 1)
			return (pid_t)pid;
	}
	strcpy(said, "");
	return 0;
}

/* The n-th worker said "PID PPID REST". */
static bool
said(const struct scratch *s, int n, pid_t parent, const char *rest)
{
	char line[512], expected[512];
	const pid_t pid = worker(s, n, line);

	snprintf(expected, sizeof(expected), "%d %d %s", (int)pid, (int)parent,
	    rest);
	line[strcspn(line, "\n")] = '\0';
	return is_str(line, expected, "... worker %d is this process's child",
	    n);
}

/* Its exit status, or minus the signal. */
static int
end_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
test_ends(void)
{
	struct scratch s;
	pid_t pid;

	scratch_open(&s);
	pid = begin(&s, own, "7");
	is_int(end_of(pid), 7, "the worker's status is the daemon's");
	said(&s, 0, pid, "free none");

	pid = begin(&s, own, "aa4");
	is_int(end_of(pid), 4, "again and again");
	said(&s, 0, pid, "free none");
	said(&s, 1, pid, "free none");
	said(&s, 2, pid, "free none");
	scratch_close(&s);
}

static void
test_kills(void)
{
	char text[512], rest[64];
	struct scratch s;
	pid_t pid, killed;

	scratch_open(&s);
	pid = begin(&s, own, "kk4");
	is_int(end_of(pid), 4, "a worker that is killed has a successor");
	killed = worker(&s, 0, text);
	snprintf(rest, sizeof(rest), "free process %d was killed: Killed",
	    (int)killed);
	said(&s, 1, pid, rest);
	killed = worker(&s, 1, text);
	snprintf(rest, sizeof(rest), "free process %d was killed: Killed",
	    (int)killed);
	said(&s, 2, pid, rest);
	scratch_close(&s);
}

static void
test_signals(void)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP };
	struct scratch s;
	char text[512];
	pid_t pid, its;
	size_t i;

	scratch_open(&s);
	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		pid = begin(&s, own, "w");
		its = worker(&s, 0, text);
		kill(pid, sigs[i]);
		is_int(end_of(pid), -sigs[i], "it dies of signal %d", sigs[i]);
		ok(kill(its, 0) != 0 && errno == ESRCH, "... with its worker");
		pid = begin(&s, own, "w");
		kill(worker(&s, 0, text), sigs[i]);
		is_int(end_of(pid), -sigs[i], "... or if that does");
	}
	pid = begin(&s, own, "t");
	worker(&s, 0, text);
	kill(pid, SIGTERM);
	is_int(end_of(pid), 3, "a worker may leave in order");

	pid = begin(&s, own, "w");
	its = worker(&s, 0, text);
	kill(pid, SIGKILL);
	is_int(end_of(pid), -SIGKILL, "the parent is killed");
	is_int(end_of(its), -SIGTERM, "... and the worker told");
	scratch_close(&s);
}

/* "make install" while it runs, and "make uninstall". */
static void
test_replaced(void)
{
	static const char script[] = "#!/bin/sh\necho \"$0 $2\" >\"$1/new\"\n";
	char program[SCRATCH_PATH], path[SCRATCH_PATH], rest[512];
	const struct image image = image_read(own);
	struct scratch s;
	struct image new;
	pid_t pid;

	scratch_open(&s);
	scratch_path(&s, "program", program);
	image_write(program, image.data, image.len);
	chmod(program, 0700);
	pid = begin(&s, program, "wa");
	worker(&s, 0, rest);
	image_write(scratch_path(&s, "script", path), script,
	    sizeof(script) - 1);
	chmod(path, 0700);
	if (rename(path, program) != 0)
		die(program);
	kill(worker(&s, 0, rest), SIGKILL); /* the next one leaves */
	is_int(end_of(pid), 0, "a program that is replaced");
	new = image_read(scratch_path(&s, "new", path));
	snprintf(rest, sizeof(rest), "%s wa\n", program);
	new.data[new.len] = '\0';
	is_str(new.data, rest, "... is executed, with the same arguments");
	free(new.data);

	unlink(program);
	image_write(program, image.data, image.len);
	chmod(program, 0700);
	pid = begin(&s, program, "u5");
	is_int(end_of(pid), 5, "a program that is gone goes on");
	snprintf(rest, sizeof(rest),
	    "free %s: not executed anew: No such file or directory", program);
	said(&s, 1, pid, rest);
	free(image.data);
	scratch_close(&s);
}

int
main(int argc, char **argv)
{
	ssize_t n;

	if (argc == 3)
		return supervise(argv, work, argv);
	if ((n = readlink("/proc/self/exe", own, sizeof(own) - 1)) < 0)
		die("/proc/self/exe");
	own[n] = '\0';
	/* whoever loses its parent is ours */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	test_ends();
	test_kills();
	test_signals();
	test_replaced();
	return done();
}
