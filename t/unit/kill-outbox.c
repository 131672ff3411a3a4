/*
 * kill-outbox: writers and a courier that are killed at random moments.
 *
 *	kill-outbox [KILLS [SEED]]
 *
 * Each writer has a room of its own, puts 1, 2, 3, ... into the outbox, and
 * tells the parent through a pipe what was acknowledged.  When the parent has
 * killed it, it starts the next one, which goes on with the number after the
 * last acknowledged one; so a number that was in flight may come twice.  The
 * courier claims and settles, tells of each message before it settles it, as
 * HipChat would know of it, rotates and throws away all the time, and is killed
 * as well.
 *
 * It fails if what was acknowledged does not come, if in a room a number comes
 * that is greater than the one before it by more than one (one is lost, or
 * late) or smaller by more than one (more than what was in flight is repeated),
 * if a step gets an error, or if anything is logged but torn lines.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "box.h"
#include "capture.h"
#include "status.h"
#include "tap.h"

#define KILLS 400
#define WRITERS 4
#define LONGEST_LIFE_MS 20

struct child {
	pid_t pid;
	int notes; /* read end of its pipe */
	long long killed_at;
};

/* What a child tells; short enough for one write(2). */
struct note {
	int writer;
	int number; /* -1: an error */
	int status;
};

struct score {
	long kills, acknowledged, delivered, again, errors, wrong;
};

static struct world {
	struct scratch s;
	struct child writers[WRITERS], courier;
	int acknowledged[WRITERS]; /* the last number */
	int delivered[WRITERS];
	struct score score;
} world;

static long long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
tell(int fd, int writer, int number, int status)
{
	const struct note note = { writer, number, status };

	if (write(fd, &note, sizeof(note)) != sizeof(note))
		_exit(0);
}

/* ---- a writer ---- */

static _Noreturn void
run_writer(int fd, int writer, int number)
{
	struct outbox box;
	char text[32];
	int status = outbox_open(&box, &world.s.data);

	while (status == 0) {
		snprintf(text, sizeof(text), "%d %d", writer, ++number);
		status = put(&box, ID, "", text);
		tell(fd, writer, number, status);
		if (number % 5 == 0) {
			outbox_close(&box);
			status = outbox_open(&box, &world.s.data);
		}
	}
	tell(fd, writer, -1, status);
	_exit(1);
}

/* ---- the courier ---- */

static int
deliver(struct outbox *box, int fd, const struct journal_place *place)
{
	struct outbox_message msg;
	int writer, number, status = outbox_claim(box, place, &msg);

	if (status != 0)
		return status == HTTP_BAD_REQUEST ? 0 : status;
	if (sscanf(text_of(&msg), "%d %d", &writer, &number) == 2)
		tell(fd, writer, number, 0);
	status = outbox_settle(box, place, &msg, OUTBOX_DONE, NULL);
	outbox_release(&msg);
	return status;
}

static _Noreturn void
run_courier(int fd)
{
	const struct timespec pause = { .tv_nsec = 500000 };
	struct outbox_entry entry;
	struct outbox box;
	int status = outbox_open(&box, &world.s.data);

	if (status == 0)
		status = outbox_begin(&box);
	while (status == 0) {
		while (status == 0 && outbox_next(&box, &entry) == 0)
			status = deliver(&box, fd, &entry.place);
		if (journal_size(&box.reader) > 4000)
			status = journal_rotate(&box.reader);
		journal_drop(&box.reader, 0);
		nanosleep(&pause, NULL);
	}
	tell(fd, 0, -1, status);
	_exit(1);
}

/* ---- the parent ---- */

static void
start(struct child *child, int writer)
{
	int fds[2];

	if (pipe(fds) != 0 || (child->pid = fork()) < 0)
		die("starting");
	if (child->pid == 0) {
		close(fds[0]);
		if (writer >= 0)
			run_writer(fds[1], writer, world.acknowledged[writer]);
		run_courier(fds[1]);
	}
	close(fds[1]);
	child->notes = fds[0];
	child->killed_at = now_ms() + rand() % LONGEST_LIFE_MS;
}

static void
came(const struct note *note)
{
	int *last = &world.delivered[note->writer];

	if (note->number == *last + 1) {
		*last = note->number;
		world.score.delivered++;
	} else if (note->number == *last) {
		world.score.again++;
	} else {
		diag("writer %d: %d after %d", note->writer, note->number,
		    *last);
		world.score.wrong++;
		*last = note->number;
	}
}

/* Take what a child has told; false at its end. */
static bool
hear(const struct child *child)
{
	struct note note;

	if (read(child->notes, &note, sizeof(note)) != sizeof(note))
		return false;
	if (note.status != 0 || note.number < 0) {
		diag("status %d", note.status);
		world.score.errors++;
	} else if (child == &world.courier) {
		came(&note);
	} else {
		world.acknowledged[note.writer] = note.number;
		world.score.acknowledged++;
	}
	return true;
}

static void
end(struct child *child)
{
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	while (hear(child))
		;
	close(child->notes);
}

/* Listen to all for a moment. */
static void
listen_to_all(void)
{
	struct pollfd fds[WRITERS + 1];
	int i;

	for (i = 0; i <= WRITERS; i++)
		fds[i] = (struct pollfd){ .events = POLLIN,
			.fd = i < WRITERS ? world.writers[i].notes :
					    world.courier.notes };
	if (poll(fds, WRITERS + 1, 1) <= 0)
		return;
	for (i = 0; i <= WRITERS; i++)
		if (fds[i].revents != 0)
			hear(i < WRITERS ? &world.writers[i] : &world.courier);
}

static void
run(long kills)
{
	int i;

	for (i = 0; i < WRITERS; i++)
		start(&world.writers[i], i);
	start(&world.courier, -1);
	while (world.score.kills < kills) {
		listen_to_all();
		for (i = 0; i <= WRITERS; i++) {
			struct child *child =
			    i < WRITERS ? &world.writers[i] : &world.courier;

			if (now_ms() < child->killed_at)
				continue;
			end(child);
			world.score.kills++;
			start(child, i < WRITERS ? i : -1);
		}
	}
	for (i = 0; i < WRITERS; i++)
		end(&world.writers[i]);
}

/* Let the last courier deliver the rest; true if all has come. */
static bool
finish(void)
{
	const long long limit = now_ms() + 20000;
	bool all = false;
	int i;

	end(&world.courier);
	start(&world.courier, -1);
	while (!all && now_ms() < limit) {
		struct pollfd pfd = { world.courier.notes, POLLIN, 0 };

		if (poll(&pfd, 1, 100) > 0)
			hear(&world.courier);
		all = true;
		for (i = 0; i < WRITERS; i++)
			all =
			    all && world.delivered[i] >= world.acknowledged[i];
	}
	end(&world.courier);
	return all;
}

int
main(int argc, char **argv)
{
	const long kills = argc > 1 ? atol(argv[1]) : KILLS;
	const unsigned int seed =
	    argc > 2 ? (unsigned int)atol(argv[2]) : (unsigned int)time(NULL);
	const struct score *score = &world.score;
	struct capture log;
	char *line, *rest;
	int odd = 0;

	srand(seed);
	scratch_open(&world.s);
	capture_start(&log);
	run(kills);
	ok(finish(), "all that was acknowledged has come");
	capture_stop(&log);
	is_int(score->wrong, 0, "... in the order of each room");
	is_int(score->errors, 0, "no step has failed");
	for (rest = log.text; (line = strsep(&rest, "\n")) != NULL;)
		if (*line != '\0' && strstr(line, ": a torn line") == NULL) {
			diag("%s", line);
			odd++;
		}
	is_int(odd, 0, "nothing is logged but torn lines");
	diag("seed %u: %ld kills, %ld acknowledged, %ld delivered, %ld again",
	    seed, score->kills, score->acknowledged, score->delivered,
	    score->again);
	scratch_close(&world.s);
	return done();
}
