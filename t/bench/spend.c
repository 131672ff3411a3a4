/*
 * spend: what a CGI program costs, in CPU time and memory, with all that it
 * starts and leaves behind.
 *
 *	spend [-r RATE] COUNT CLIENTS PROGRAM REQUEST...
 *
 * Runs the program COUNT times, CLIENTS at once, each time with the next of
 * the REQUEST files: its first line is the Authorization header, the rest the
 * body.  In a body, each sixteen zeros are replaced by the time in
 * microseconds, so that no message id comes twice.  With -r, it runs not as
 * often as it can, but so many times a second.  The environment is the
 * caller's.  Then it waits for what the program left behind (the courier),
 * whose parent it becomes, so that the kernel's own accounts tell about that,
 * too.
 *
 * Prints four numbers: CPU time in microseconds, user and system, of all runs
 * of the program, and of what was left behind; and the largest resident sizes
 * in KiB of the one and the other.  Any answer but 204 is fatal.
 *
 * Is to be linked statically: a child's largest size counts from before it
 * execs, when it is the size of this.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define REQUEST_MAX 4096 /* so that it fits into a pipe */
#define PLACEHOLDER "0000000000000000"

/* A run under way; pid 0: none. */
struct client {
	pid_t pid;
	int answer; /* the pipe's end that it is read from */
};

struct account {
	long long us;
	long kib;
};

/* In microseconds. */
static long long
now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

/* Read the file to text, which has REQUEST_MAX + 1 bytes. */
static void
read_request(const char *path, char *text)
{
	FILE *in = fopen(path, "r");
	size_t len;

	if (in == NULL)
		err(1, "%s", path);
	len = fread(text, 1, REQUEST_MAX, in);
	text[len] = '\0';
	if (ferror(in) || fgetc(in) != EOF)
		errx(1, "%s: not read, or too large", path);
	fclose(in);
}

/* Take the header off into the environment, and number the body. */
static char *
prepare(const char *path, char *text)
{
	char *body, *zeros, number[32];

	read_request(path, text);
	if ((body = strchr(text, '\n')) == NULL ||
	    strstr(body, PLACEHOLDER) == NULL)
		errx(1, "%s: no request", path);
	*body++ = '\0';
	snprintf(number, sizeof(number), "%016lld", now(CLOCK_REALTIME));
	while ((zeros = strstr(body, PLACEHOLDER)) != NULL)
		memcpy(zeros, number, strlen(PLACEHOLDER));
	snprintf(number, sizeof(number), "%zu", strlen(body));
	if (setenv("HTTP_AUTHORIZATION", text, 1) != 0 ||
	    setenv("CONTENT_LENGTH", number, 1) != 0)
		err(1, "setenv");
	return body;
}

static void
make_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) != 0)
		err(1, "pipe");
}

static void
start(struct client *client, char *program, const char *body)
{
	char *argv[] = { program, NULL };
	posix_spawn_file_actions_t actions;
	int in[2], out[2], error;

	make_pipe(in);
	make_pipe(out);
	if (write(in[1], body, strlen(body)) != (ssize_t)strlen(body))
		err(1, "pipe");
	if (posix_spawn_file_actions_init(&actions) != 0 ||
	    posix_spawn_file_actions_adddup2(&actions, in[0], 0) != 0 ||
	    posix_spawn_file_actions_adddup2(&actions, out[1], 1) != 0)
		errx(1, "out of memory");
	error =
	    posix_spawn(&client->pid, program, &actions, NULL, argv, environ);
	if (error != 0)
		errx(1, "%s: %s", program, strerror(error));
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(in[1]);
	close(out[1]);
	client->answer = out[0];
}

static void
finish(struct client *client)
{
	static const char good[] = "Status: 204 ";
	char answer[sizeof(good)] = "";

	if (read(client->answer, answer, sizeof(good) - 1) < 0)
		err(1, "pipe");
	if (strcmp(answer, good) != 0)
		errx(1, "another answer than 204: %s", answer);
	close(client->answer);
	client->pid = 0;
}

static void
add(struct account *account, const struct rusage *usage)
{
	account->us += usage->ru_utime.tv_usec + usage->ru_stime.tv_usec +
	    1000000LL * (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec);
	if (account->kib < usage->ru_maxrss)
		account->kib = usage->ru_maxrss;
}

/* The client that runs as this process (0: that is free), or NULL. */
static struct client *
find(struct client *clients, long n, pid_t pid)
{
	long i;

	for (i = 0; i < n; i++)
		if (clients[i].pid == pid)
			return &clients[i];
	return NULL;
}

/* Wait for a child's end; false when there are none. */
static bool
reap(struct client *clients, long n, struct account *program,
    struct account *left)
{
	struct client *client;
	struct rusage usage;
	int status;
	const pid_t pid = wait4(-1, &status, 0, &usage);

	if (pid < 0)
		return errno == EINTR;
	if ((client = find(clients, n, pid)) == NULL) {
		add(left, &usage);
		return true;
	}
	add(program, &usage);
	finish(client);
	return true;
}

/* Sleep until the run's time has come; rate 0: it has. */
static void
wait_for(long run, long rate, long long start)
{
	const long long us = rate > 0 ?
	    start + run * 1000000LL / rate - now(CLOCK_MONOTONIC) :
	    0;

	if (us > 0)
		usleep((useconds_t)us);
}

int
main(int argc, char *argv[])
{
	struct client clients[CLIENTS_MAX] = { { 0, -1 } }, *client;
	struct account program = { 0, 0 }, left = { 0, 0 };
	const long long begun = now(CLOCK_MONOTONIC);
	const long rate = argc > 2 && strcmp(argv[1], "-r") == 0 ?
	    strtol(argv[2], NULL, 10) :
	    0;
	char **args = argv + (rate > 0 ? 2 : 0), text[REQUEST_MAX + 1];
	const int requests = argc - (rate > 0 ? 2 : 0) - 4;
	const long count = requests > 0 ? strtol(args[1], NULL, 10) : 0;
	const long n = requests > 0 ? strtol(args[2], NULL, 10) : 0;
	const char *body;
	long run;

	if (count < 1 || n < 1 || n > CLIENTS_MAX)
		errx(2,
		    "usage: spend [-r RATE] COUNT CLIENTS PROGRAM "
		    "REQUEST...");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		err(1, "prctl");
	for (run = 0; run < count; run++) {
		wait_for(run, rate, begun);
		while ((client = find(clients, n, 0)) == NULL)
			reap(clients, n, &program, &left);
		body = prepare(args[4 + run % requests], text);
		start(client, args[3], body);
	}
	while (reap(clients, n, &program, &left))
		;
	printf("%lld %lld %ld %ld\n", program.us, left.us, program.kib,
	    left.kib);
	return 0;
}
