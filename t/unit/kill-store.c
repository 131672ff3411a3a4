/*
 * kill-store: writers that are killed at random moments, while readers go on.
 *
 *	kill-store [KILLS [SEED]]
 *
 * Each writer has installations of its own, and puts, replaces and removes
 * them and their tokens, one step after the other.  Through a pipe it tells
 * the parent of each step before it and, with the result, after it.  So when
 * the parent has killed it, it knows what must be there (acknowledged), and
 * which one step may have happened or not (in flight).  It looks, holds the
 * store to it, and starts the next writer, which goes on from there.
 *
 * Some installations are an older version's at first, so the first writers are
 * killed while they take these over.
 *
 * It fails if an acknowledged record is missing or a removed one is back, if
 * a step or a reader gets an error or a record that nobody wrote, if a record
 * that nobody touches is not found, or if anybody has to wait for more than
 * ten seconds.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "capture.h"
#include "scratch.h"
#include "store.h"
#include "tap.h"

#define KILLS 500
#define WRITERS 3
#define READERS 2
#define OWN 4	  /* installations of each writer */
#define ANCHORS 8 /* installations that stay as they are */
#define LONGEST_LIFE_MS 30
#define LONGEST_WAIT_MS 10000

enum kind {
	STEP_PUT,    /* put or replace the installation */
	STEP_REMOVE, /* remove it, and its token */
	STEP_TOKEN,  /* put its token; it must be there */
	STEP_KINDS   /* how many there are */
};

/* What a writer tells; short enough for one write(2). */
struct note {
	enum kind kind;
	int item;    /* 0 to OWN - 1 */
	int version; /* of what is put */
	bool finished;
	int status; /* when finished */
	long ms;    /* it took, when finished */
};

/* What must be in the store of one installation; version 0: nothing. */
struct item {
	int installation;
	int token;
};

struct writer {
	pid_t pid;
	int notes; /* read end of its pipe */
	int first; /* number of its first installation */
	struct item items[OWN];
	int version;	     /* the last one that was given out */
	long long killed_at; /* moment at which it will be */
};

struct score {
	long kills;
	long in_flight;
	long taken; /* steps in flight that had happened */
	long acknowledged[STEP_KINDS];
	long errors;  /* steps that failed */
	long wrong;   /* records that were not as they must be */
	long slowest; /* milliseconds of any step */
};

/* What a reader reports at its end. */
struct reading {
	long found;
	long missing;
	long wrong;
	long slowest;
};

static long long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct token
sample_token(int number, int version)
{
	struct token token = { .expires = 4102444800 + version };

	snprintf(token.text, sizeof(token.text), "token-%d-%d", number,
	    version);
	return token;
}

/* ---- a writer ---- */

static int
run_step(const struct store *st, int number, const struct item *item,
    const struct note *note)
{
	const int version =
	    note->kind == STEP_PUT ? note->version : item->installation;
	const struct installation inst = sample(number, version);
	struct token token;

	switch (note->kind) {
	case STEP_PUT:
		return put_over(st, &inst);
	case STEP_REMOVE:
		return store_remove(st, &inst);
	default:
		token = sample_token(number, note->version);
		return store_put_token(st, &inst, &token);
	}
}

/* What a step makes of an item. */
static void
apply(struct item *item, const struct note *note)
{
	switch (note->kind) {
	case STEP_PUT:
		item->installation = note->version;
		break;
	case STEP_REMOVE:
		item->token = 0;
		item->installation = 0;
		break;
	default:
		item->token = note->version;
		break;
	}
}

static void
tell(int fd, const struct note *note)
{
	if (write(fd, note, sizeof(*note)) != (ssize_t)sizeof(*note))
		_exit(1);
}

/* For ever; w is this process's own copy. */
static void __attribute__((noreturn))
write_on(const struct store *st, struct writer *w, int fd)
{
	struct note note;
	long long begin;

	srandom((unsigned int)getpid());
	for (;;) {
		memset(&note, 0, sizeof(note));
		note.kind = (enum kind)(random() % STEP_KINDS);
		note.item = (int)(random() % OWN);
		if (note.kind == STEP_TOKEN &&
		    w->items[note.item].installation == 0)
			note.kind = STEP_PUT;
		note.version = ++w->version;
		tell(fd, &note);
		begin = now_ms();
		note.status = run_step(st, w->first + note.item,
		    &w->items[note.item], &note);
		note.ms = (long)(now_ms() - begin);
		note.finished = true;
		if (note.status == 0)
			apply(&w->items[note.item], &note);
		tell(fd, &note);
	}
}

static void
start_writer(const struct store *st, struct writer *w)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0 || (w->pid = fork()) < 0)
		die("fork");
	if (w->pid == 0) {
		close(fds[0]);
		write_on(st, w, fds[1]);
	}
	close(fds[1]);
	w->notes = fds[0];
	w->killed_at = now_ms() + random() % (LONGEST_LIFE_MS + 1);
}

/* ---- a reader ---- */

/* Is it a record that some writer may have put? */
static bool
plausible(const struct installation *inst, int number)
{
	struct installation expected;
	int version;

	if (sscanf(inst->oauth_secret, "secret-%*d-%d", &version) != 1)
		return false;
	expected = sample(number, version);
	return sample_same(inst, &expected);
}

static void
read_one(const struct store *st, int number, struct reading *r)
{
	const struct installation asked = sample(number, 0);
	const long long begin = now_ms();
	struct installation inst;
	struct token token;
	const int status = store_find(st, asked.oauth_id, &inst);
	const int cached = store_find_token(st, asked.oauth_id, &token);
	const long ms = (long)(now_ms() - begin);

	r->found += status == 0;
	r->missing += status == 404;
	r->wrong += status != 0 && status != 404;
	r->wrong += status == 0 && !plausible(&inst, number);
	r->wrong += status == 404 && number < ANCHORS;
	r->wrong += cached != 0 && cached != 404;
	if (ms > r->slowest)
		r->slowest = ms;
}

/* Until the other end of stop is closed. */
static void __attribute__((noreturn))
read_on(const struct store *st, int stop, int report)
{
	struct pollfd pfd = { .fd = stop, .events = POLLIN };
	struct reading r = { 0 };

	srandom((unsigned int)getpid());
	while (poll(&pfd, 1, 1) == 0) /* leave writers some CPU */
		read_one(st, (int)(random() % (ANCHORS + WRITERS * OWN)), &r);
	_exit(write(report, &r, sizeof(r)) == (ssize_t)sizeof(r) ? 0 : 1);
}

/* ---- the parent ---- */

/* What is in the store: the version, 0 for none, -1 for an error. */
static int
stored_version(const struct store *st, int number)
{
	const struct installation asked = sample(number, 0);
	struct installation inst;
	const int status = store_find(st, asked.oauth_id, &inst);

	if (status == 404)
		return 0;
	if (status != 0 || !plausible(&inst, number))
		return -1;
	return (int)strtol(strrchr(inst.oauth_secret, '-') + 1, NULL, 10);
}

static int
stored_token(const struct store *st, int number)
{
	const struct installation asked = sample(number, 0);
	struct token token;
	const int status = store_find_token(st, asked.oauth_id, &token);

	if (status != 0)
		return status == 404 ? 0 : -1;
	return (int)strtol(strrchr(token.text, '-') + 1, NULL, 10);
}

/* Take in what a writer has told; *last is its last note. */
static bool
read_notes(struct writer *w, struct score *score, struct note *last)
{
	bool any = false;

	while (read(w->notes, last, sizeof(*last)) == (ssize_t)sizeof(*last)) {
		any = true;
		w->version = last->version;
		if (!last->finished)
			continue;
		if (last->ms > score->slowest)
			score->slowest = last->ms;
		if (last->status != 0) {
			score->errors++;
			diag("a step ended with %d", last->status);
			continue;
		}
		score->acknowledged[last->kind]++;
		apply(&w->items[last->item], last);
	}
	close(w->notes);
	return any && !last->finished;
}

/*
 * Compare an item with the store.  Where a step was in flight, it may have
 * happened or not; a removal may have got as far as the token.  From then on
 * the item is what is stored.
 */
static void
check_item(const struct store *st, int number, struct item *item,
    const struct note *in_flight, struct score *score)
{
	const struct item got = { stored_version(st, number),
		stored_token(st, number) };
	struct item after = *item;

	if (in_flight != NULL)
		apply(&after, in_flight);
	if ((got.installation != item->installation &&
		got.installation != after.installation) ||
	    (got.token != item->token && got.token != after.token) ||
	    (got.token != 0 && got.installation == 0)) {
		score->wrong++;
		diag(
		    "installation %d is of version %d, token %d; expected "
		    "%d, %d or %d, %d",
		    number, got.installation, got.token, item->installation,
		    item->token, after.installation, after.token);
	}
	score->taken +=
	    in_flight != NULL && memcmp(&got, item, sizeof(got)) != 0;
	*item = got;
}

static void
kill_writer(const struct store *st, struct writer *w, struct score *score)
{
	struct note last;
	bool in_flight;
	int i, status;

	kill(w->pid, SIGKILL);
	waitpid(w->pid, &status, 0);
	score->kills += WIFSIGNALED(status);
	score->errors += !WIFSIGNALED(status);
	in_flight = read_notes(w, score, &last);
	score->in_flight += in_flight;
	for (i = 0; i < OWN; i++)
		check_item(st, w->first + i, &w->items[i],
		    in_flight && last.item == i ? &last : NULL, score);
}

static void
sleep_until(long long moment)
{
	const long long ms = moment - now_ms();
	const struct timespec pause = { (time_t)(ms / 1000),
		(long)(ms % 1000) * 1000000 };

	if (ms > 0)
		nanosleep(&pause, NULL);
}

/*
 * A writer that is not killed in the midst of it: nothing that dead ones left
 * is in its way.  It is killed when it has been waited for in vain.
 */
static void
write_once(const struct store *st, int number, int version, struct score *score)
{
	const long long begin = now_ms();
	long ms = 0;
	int status;
	const pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		_exit(sample_put(st, number, version) == 0 ? 0 : 1);
	while (waitpid(pid, &status, WNOHANG) == 0 && ms <= LONGEST_WAIT_MS) {
		sleep_until(now_ms() + 1);
		ms = (long)(now_ms() - begin);
	}
	if (ms > LONGEST_WAIT_MS) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	if (ms > score->slowest)
		score->slowest = ms;
	if (status == 0 && stored_version(st, number) == version)
		return;
	score->wrong++;
	diag("a put that was not killed: %d after %ld ms", status, ms);
}

static void
kill_on(const struct store *st, long kills, struct score *score)
{
	const int mine = ANCHORS + WRITERS * OWN;
	struct writer writers[WRITERS], *next;
	int i;

	memset(writers, 0, sizeof(writers));
	for (i = 0; i < WRITERS; i++) {
		writers[i].first = ANCHORS + i * OWN;
		start_writer(st, &writers[i]);
	}
	while (score->kills + score->errors < kills) {
		next = &writers[0];
		for (i = 1; i < WRITERS; i++)
			if (writers[i].killed_at < next->killed_at)
				next = &writers[i];
		sleep_until(next->killed_at);
		kill_writer(st, next, score);
		if (score->kills % 100 == 0)
			write_once(st, mine, (int)score->kills + 1, score);
		start_writer(st, next);
	}
	for (i = 0; i < WRITERS; i++)
		kill_writer(st, &writers[i], score);
	write_once(st, mine, 1, score);
	for (i = 0; i < WRITERS * OWN; i++)
		check_item(st, ANCHORS + i, &writers[i / OWN].items[i % OWN],
		    NULL, score);
	for (i = 0; i < ANCHORS; i++)
		score->wrong += stored_version(st, i) != 1;
}

/* Is there nothing that writers leave when they are killed? */
static bool
tidy(const struct scratch *s)
{
	static const char *const leftovers[] = { "installations.db",
		"installations/new", "installations/__db.new", "tokens/new",
		"tokens/__db.new" };
	const struct installation inst = sample(0, 1);
	const struct token token = sample_token(0, 1);
	char path[SCRATCH_PATH];
	bool found = false;
	size_t i;

	if (sample_put(&s->st, 0, 1) != 0 ||
	    store_put_token(&s->st, &inst, &token) != 0)
		return false;
	for (i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]); i++)
		found |= access(scratch_path(s, leftovers[i], path), F_OK) == 0;
	return !found;
}

static bool
only_takeovers(const char *log)
{
	const char *line, *end;

	for (line = log; (end = strchr(line, '\n')) != NULL; line = end + 1)
		if (memmem(line, (size_t)(end - line), "now in installations/",
			21) == NULL)
			return false;
	return line > log;
}

static struct reading
end_readers(int stop, int report, const pid_t *readers)
{
	struct reading sum = { 0 }, r;
	struct pollfd pfd = { .fd = report, .events = POLLIN };
	int i;

	close(stop);
	for (i = 0; i < READERS; i++) {
		if (poll(&pfd, 1, LONGEST_WAIT_MS) != 1 ||
		    read(report, &r, sizeof(r)) != (ssize_t)sizeof(r)) {
			sum.wrong++;
			diag("a reader does not end");
			break;
		}
		sum.found += r.found;
		sum.missing += r.missing;
		sum.wrong += r.wrong;
		if (r.slowest > sum.slowest)
			sum.slowest = r.slowest;
	}
	for (i = 0; i < READERS; i++) {
		kill(readers[i], SIGKILL);
		waitpid(readers[i], NULL, 0);
	}
	return sum;
}

static void
judge(const struct score *score, const struct reading *r, long kills)
{
	ok(score->kills >= kills, "%ld writers were killed", score->kills);
	ok(score->in_flight > score->kills / 4,
	    "%ld of them within a step, which had taken effect %ld times",
	    score->in_flight, score->taken);
	ok(score->acknowledged[STEP_PUT] > 0 &&
		score->acknowledged[STEP_REMOVE] > 0 &&
		score->acknowledged[STEP_TOKEN] > 0,
	    "acknowledged: %ld puts, %ld removals, %ld tokens",
	    score->acknowledged[STEP_PUT], score->acknowledged[STEP_REMOVE],
	    score->acknowledged[STEP_TOKEN]);
	is_int(score->errors, 0, "no writer got an error");
	is_int(score->wrong, 0,
	    "nothing acknowledged is missing, nothing "
	    "removed is back");
	ok(r->found > 0 && r->missing > 0,
	    "readers found %ld records, and "
	    "%ld times that there is none",
	    r->found, r->missing);
	is_int(r->wrong, 0, "no reader got an error or a wrong record");
	ok(score->slowest <= LONGEST_WAIT_MS && r->slowest <= LONGEST_WAIT_MS,
	    "nobody waited for more than 10 s "
	    "(writers %ld ms, readers %ld ms)",
	    score->slowest, r->slowest);
}

int
main(int argc, char *argv[])
{
	const long kills = argc > 1 ? strtol(argv[1], NULL, 10) : KILLS;
	const long seed =
	    argc > 2 ? strtol(argv[2], NULL, 10) : (long)time(NULL);
	struct score score = { 0 };
	struct reading reading;
	int i, stop[2], report[2];
	pid_t readers[READERS];
	struct capture log;
	struct scratch s;

	diag("kill-store %ld %ld", kills, seed);
	srandom((unsigned int)seed);
	scratch_open(&s);
	capture_start(&log);
	plant_old(&s, 0, ANCHORS, 1);
	if (pipe2(stop, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0)
		die("pipe");
	for (i = 0; i < READERS; i++) {
		if ((readers[i] = fork()) == 0) {
			close(stop[1]);
			read_on(&s.st, stop[0], report[1]);
		}
	}
	kill_on(&s.st, kills, &score);
	reading = end_readers(stop[1], report[0], readers);
	judge(&score, &reading, kills);
	/* where something is wrong, another put might never end */
	ok(score.wrong == 0 && tidy(&s),
	    "what killed writers left behind is gone");
	ok(only_takeovers(capture_stop(&log)),
	    "nothing was logged but that the old file was taken over");
	scratch_close(&s);
	return done();
}
