/*
 * test-journal: lines that many append and one reads, marks and throws away;
 * and what kills, power cuts and other people leave behind.
 */
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "capture.h"
#include "journal.h"
#include "scratch.h"
#include "segments.h"
#include "status.h"
#include "tap.h"

struct fixture {
	struct scratch s;
	struct journal j;
	struct journal_reader r;
};

static void
open_fixture(struct fixture *f)
{
	scratch_open(&f->s);
	journal_init(&f->j, &f->s.data, "box", "queue");
	if (journal_open(&f->j) != 0 || journal_begin(&f->r, &f->j, true) != 0)
		die("journal");
}

static void
close_fixture(struct fixture *f)
{
	journal_end(&f->r);
	journal_close(&f->j);
	scratch_close(&f->s);
}

/* Read from the start again, as the next reader would. */
static void
reread(struct fixture *f)
{
	journal_end(&f->r);
	if (journal_begin(&f->r, &f->j, true) != 0)
		die("journal_begin");
}

/* Append "q 1 {...}". */
static int
append(struct journal *j, int n)
{
	char head[32];

	snprintf(head, sizeof(head), "q %d ", n);
	return journal_append(j, head, "{\"text\":\"some words\"}");
}

/* Write to a file of the journal as nobody should. */
static void
scribble(const struct fixture *f, const char *name, int flags, const char *text,
    size_t len)
{
	char path[SCRATCH_PATH];
	const int fd = open(scratch_path(&f->s, name, path),
	    O_WRONLY | O_CLOEXEC | flags, 0600);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		die(name);
	close(fd);
}

/* The numbers of all lines that are left, such as "1 2 3", and "?" for others.
 */
static const char *
rest(struct fixture *f, char text[256])
{
	struct journal_place place;
	const char *line;
	size_t len = 0;
	int n;

	text[0] = '\0';
	while (journal_next(&f->r, &place, &line) == 0 && len < 240) {
		if (sscanf(line, "%*c %d {", &n) == 1)
			len += (size_t)sprintf(text + len, "%s%d",
			    len > 0 ? " " : "", n);
		else
			len += (size_t)sprintf(text + len, "%s?",
			    len > 0 ? " " : "");
		journal_release(&place);
	}
	return text;
}

/* Files in the folder, such as "queue queue.2". */
static const char *
files(const struct fixture *f, char text[256])
{
	struct dirent **list;
	char path[SCRATCH_PATH];
	const int n =
	    scandir(scratch_path(&f->s, "box", path), &list, NULL, alphasort);
	int i;

	text[0] = '\0';
	for (i = 0; i < n; i++) {
		if (*list[i]->d_name != '.') {
			strcat(text, *text != '\0' ? " " : "");
			strcat(text, list[i]->d_name);
		}
		free(list[i]);
	}
	free(list);
	return text;
}

/* ---- one after the other ---- */

static void
test_lines(void)
{
	struct journal_place place;
	struct capture log;
	struct fixture f;
	char text[256], *line;
	const char *next;

	capture_start(&log);
	open_fixture(&f);
	is_str(files(&f, text), "queue", "a journal is made");
	is_int(journal_next(&f.r, &place, &next), 404, "... and empty");
	append(&f.j, 1);
	append(&f.j, 2);
	is_int(journal_next(&f.r, &place, &next), 0, "a line is read");
	is_str(next, "q 1 {\"text\":\"some words\"}", "... as it was appended");
	is_int(sizeof(place), 16, "its place takes 16 bytes");
	is_int(journal_read(&place, &line), 0, "it is read again");
	is_str(line, "q 1 {\"text\":\"some words\"}", "... the same");
	free(line);
	is_str(rest(&f, text), "2", "then the next one");
	append(&f.j, 3);
	is_str(rest(&f, text), "3", "and what has come since");
	reread(&f);
	is_str(rest(&f, text), "1 2 3", "another reader gets all, in order");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

static void
test_refused(void)
{
	static char longest[JOURNAL_LINE_MAX + 2];
	char text[256];
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	is_int(journal_append(&f.j, "q 1 ", "{\n}"), 500, "two lines: refused");
	is_int(journal_append(&f.j, "q\n1 ", "{}"), 500, "... in the head");
	is_int(journal_append(&f.j, "q 1 ", "{\t}"), 500, "a tab: refused");
	is_int(journal_append(&f.j, "q 1 ", "x{}"), 500, "no text: refused");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '{';
	is_int(journal_append(&f.j, "q 1 ", longest), 500,
	    "one that is too long: refused");
	capture_stop(&log);
	longest[JOURNAL_LINE_MAX - 4] = '\0';
	is_int(journal_append(&f.j, "q 4 ", longest), 0, "the longest is not");
	append(&f.j, 5);
	is_str(rest(&f, text), "4 5", "... and is read, and what follows");
	close_fixture(&f);
}

/* ---- marks ---- */

static void
test_marks(void)
{
	struct journal_place place;
	struct capture log;
	struct fixture f;
	const char *next;
	char *line;

	open_fixture(&f);
	capture_start(&log);
	append(&f.j, 1);
	journal_next(&f.r, &place, &next);
	is_int(journal_mark(&place, "qx", 'c'), 0, "a line is marked");
	is_int(journal_mark(&place, "q", 'x'), 409,
	    "... and is not what it was any more");
	journal_read(&place, &line);
	is_str(line, "c 1 {\"text\":\"some words\"}", "... its text is");
	free(line);
	is_int(journal_blank(&place, "qc", 'd'), 0, "it is blanked");
	journal_read(&place, &line);
	is_str(line, "d 1 \t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t",
	    "... all but its head");
	free(line);
	is_int(journal_sync(&f.r), 0, "this is made durable");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

/* Several processes mark the same lines: each line is one's. */
static void
test_race(void)
{
	enum { LINES = 200, RACERS = 4 };
	int i, status, won = 0, odd = 0;
	struct fixture f;

	open_fixture(&f);
	for (i = 0; i < LINES; i++)
		append(&f.j, i);
	for (i = 0; i < RACERS; i++) {
		struct journal_place place;
		const char *line;

		if (fork() != 0)
			continue;
		reread(&f);
		while (journal_next(&f.r, &place, &line) == 0)
			won += journal_mark(&place, "q", 'x') == 0;
		_exit(won);
	}
	while (wait(&status) > 0) {
		odd += !WIFEXITED(status);
		won += WEXITSTATUS(status);
	}
	is_int(odd, 0, "%d processes mark the same lines", RACERS);
	is_int(won, LINES, "... and each line is marked by one of them");
	close_fixture(&f);
}

static void
test_held(void)
{
	struct journal_reader other;
	struct journal_place place;
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
	char path[SCRATCH_PATH];
	struct capture log;
	struct fixture f;
	const char *line;
	int fd;

	open_fixture(&f);
	append(&f.j, 1);
	journal_begin(&other, &f.j, false);
	journal_next(&other, &place, &line);
	fd = open(scratch_path(&f.s, "box/queue", path), O_RDWR | O_CLOEXEC);
	lock.l_start = place.offset;
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) != 0)
		die(path);
	capture_start(&log);
	is_int(journal_mark(&place, "q", 'c'), 503,
	    "a line that somebody holds is not waited for long");
	is_line(capture_stop(&log),
	    "box/queue: locking a line: ", "... which is logged");
	close(fd);
	is_int(journal_mark(&place, "q", 'c'), 0, "... and then it is free");
	journal_end(&other);
	close_fixture(&f);
}

/* ---- what is torn ---- */

static void
test_torn(void)
{
	static const char zeros[5000];
	static char endless[3 * JOURNAL_LINE_MAX];
	struct capture log;
	struct fixture f;
	char text[256];

	open_fixture(&f);
	capture_start(&log);
	append(&f.j, 1);
	scribble(&f, "box/queue", O_APPEND, "\nq 2 {\"te", 9);
	is_str(rest(&f, text), "1", "a line that has no end is not read yet");
	append(&f.j, 3);
	is_str(rest(&f, text), "2 3",
	    "... but ended by the next one, which is whole");
	scribble(&f, "box/queue", O_APPEND, zeros, sizeof(zeros));
	append(&f.j, 4);
	is_str(rest(&f, text), "? 4", "zeros hurt nobody");
	memset(endless, 'x', sizeof(endless));
	scribble(&f, "box/queue", O_APPEND, endless, sizeof(endless));
	append(&f.j, 5);
	append(&f.j, 6);
	is_str(rest(&f, text), "5 6", "nor does a line without end");
	append(&f.j, 7);
	is_str(rest(&f, text), "7", "... and it goes on from there");
	reread(&f);
	is_str(rest(&f, text), "1 2 3 ? 4 5 6 7",
	    "another reader sees the same");
	scribble(&f, "box/queue", O_TRUNC, "", 0);
	append(&f.j, 8);
	reread(&f);
	is_str(rest(&f, text), "8", "what was emptied is used on");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

/* The system takes only a part of a line. */
static void
test_short(void)
{
	struct journal_place place;
	struct rlimit limit, old;
	struct capture log;
	struct fixture f;
	char text[256];
	const char *line;

	open_fixture(&f);
	append(&f.j, 1);
	journal_next(&f.r, &place, &line);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = (rlim_t)journal_size(&f.r) + 12;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	capture_start(&log);
	is_int(append(&f.j, 2), 503, "a line of which only a part fits");
	is_int(append(&f.j, 3), 500, "... and one of which nothing does");
	capture_stop(&log);
	is_int(journal_mark(&place, "q", 'c'), 0, "a mark can be made");
	is_int(journal_blank(&place, "c", 'd'), 0, "... and a line blanked");
	setrlimit(RLIMIT_FSIZE, &old);
	is_int(append(&f.j, 4), 0, "when there is room again");
	is_str(rest(&f, text), "2 4", "... the part is a line of its own");
	close_fixture(&f);
}

/* ---- whatever is removed ---- */

static int
mode_of(const char *path)
{
	struct stat sb;

	return stat(path, &sb) == 0 ? (int)(sb.st_mode & 07777) : -1;
}

static void
test_removed(void)
{
	char path[SCRATCH_PATH], text[256];
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	append(&f.j, 1);
	rest(&f, text);
	unlink(scratch_path(&f.s, "box/queue", path));
	is_int(append(&f.j, 2), 0, "the file is made again");
	is_str(rest(&f, text), "2", "... and found");
	nftw(scratch_path(&f.s, "box", path), scratch_remove, 8,
	    FTW_DEPTH | FTW_PHYS);
	is_int(append(&f.j, 3), 0, "the folder is made again");
	is_str(rest(&f, text), "3", "... and found");
	is_int(mode_of(scratch_path(&f.s, "box", path)), 0700, "it is 0700");
	is_int(mode_of(scratch_path(&f.s, "box/queue", path)), 0600,
	    "the file is 0600");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	journal_close(&f.j);
	unlink(path);
	if (mkfifo(path, 0600) != 0)
		die(path);
	capture_start(&log);
	is_int(append(&f.j, 4), 500, "a FIFO in its place: refused");
	capture_stop(&log);
	close_fixture(&f);
}

/* ---- rotation ---- */

static void
test_rotation(void)
{
	char text[256];
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	append(&f.j, 1);
	append(&f.j, 2);
	is_int(journal_rotate(&f.r), 0, "a new segment");
	is_str(files(&f, text), "queue queue.2", "... takes over the name");
	append(&f.j, 3);
	is_str(rest(&f, text), "1 2 3", "all is read in order");
	is_int(journal_rotate(&f.r), 0, "and another one");
	append(&f.j, 4);
	reread(&f);
	is_str(rest(&f, text), "1 2 3 4", "another reader gets all, in order");
	is_str(files(&f, text), "queue queue.2 queue.3", "three files");
	journal_drop(&f.r, 100);
	is_str(files(&f, text), "queue queue.2 queue.3",
	    "... which stay while they are young");
	journal_drop(&f.r, -1);
	is_str(files(&f, text), "queue",
	    "... and go then, but the current one");
	append(&f.j, 5);
	is_str(rest(&f, text), "5", "it goes on");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

static void
test_kept(void)
{
	struct journal_place place;
	char text[256];
	const char *line;
	struct fixture f;

	open_fixture(&f);
	append(&f.j, 1);
	journal_next(&f.r, &place, &line);
	journal_rotate(&f.r);
	is_str(rest(&f, text), "", "nothing else");
	journal_drop(&f.r, -1);
	is_str(files(&f, text), "queue queue.2",
	    "a segment stays while one of its lines is held");
	ok(!journal_is_idle(&f.r), "... and the reader is not idle");
	journal_release(&place);
	ok(journal_is_idle(&f.r), "released");
	journal_drop(&f.r, -1);
	is_str(files(&f, text), "queue", "... it goes");
	close_fixture(&f);
}

/* No new segment can be made, because a disk is full of settled lines. */
static void
test_full(void)
{
	char path[SCRATCH_PATH], text[256];
	struct journal_place place;
	struct rlimit limit, old;
	struct capture log;
	struct fixture f;
	struct image image;
	const char *line;
	int i;

	open_fixture(&f);
	for (i = 0; i < 1000; i++) {
		append(&f.j, i);
		journal_next(&f.r, &place, &line);
		if (i != 500)
			journal_blank(&place, "q", 'd');
	}
	append(&f.j, 1000);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 1;
	setrlimit(RLIMIT_FSIZE, &limit);
	capture_start(&log);
	ok(journal_rotate(&f.r) != 0, "a new segment does not fit");
	capture_stop(&log);
	setrlimit(RLIMIT_FSIZE, &old);
	is_str(files(&f, text), "queue", "... and nothing is left of it");
	image = image_read(scratch_path(&f.s, "box/queue", path));
	ok(image.data[5000] == '\0' && image.data[25000] == '\0',
	    "... so the room of settled lines is given back");
	free(image.data);
	is_str(rest(&f, text), "1000", "... and it goes on");
	is_int(journal_rotate(&f.r), 0, "then there is one");
	append(&f.j, 1001);
	is_str(rest(&f, text), "1001", "... which is read");
	is_str(files(&f, text), "queue queue.2", "... after the old one");
	reread(&f);
	for (i = 0; journal_next(&f.r, &place, &line) == 0;)
		i += *line == 'q';
	is_int(i, 3, "another reader finds what was not settled");
	close_fixture(&f);
}

/* A line that begins where a block does, behind settled ones. */
static void
test_full_aligned(void)
{
	char text[256], long_text[8192] = "{\"text\":\"";
	struct journal_place place;
	struct rlimit limit, old;
	struct capture log;
	struct fixture f;
	const char *line;
	size_t len;

	open_fixture(&f);
	append(&f.j, 1);
	journal_next(&f.r, &place, &line);
	/* "q 2 " and the text, so that the next line is at 8192 */
	len = 8192 - 2 - (place.offset + place.len + 2) - strlen("q 2 ");
	memset(long_text + strlen(long_text), 'x', len - strlen(long_text));
	memcpy(long_text + len - 2, "\"}", 3);
	journal_append(&f.j, "q 2 ", long_text);
	append(&f.j, 3);
	journal_next(&f.r, &place, &line);
	journal_blank(&place, "q", 'd');
	journal_next(&f.r, &place, &line);
	is_int(place.offset, 8192, "a line begins where a block does");
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 1;
	setrlimit(RLIMIT_FSIZE, &limit);
	capture_start(&log);
	journal_rotate(&f.r);
	capture_stop(&log);
	setrlimit(RLIMIT_FSIZE, &old);
	reread(&f);
	is_str(rest(&f, text), "1 2 3",
	    "what is given back before it leaves the line whole");
	close_fixture(&f);
}

/* The disk fails for a moment: nothing counts as read that was not. */
static void
test_read_error(void)
{
	struct capture log;
	struct fixture f;
	char text[256];
	int fd, kept, null;

	open_fixture(&f);
	append(&f.j, 1);
	is_str(rest(&f, text), "1", "one line");
	journal_rotate(&f.r);
	scribble(&f, "box/queue.2", O_APPEND, "\nq 2 {\"a\":1}\n", 14);
	fd = f.r.segments[0]->fd;
	kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null, fd);
	close(null);
	capture_start(&log);
	is_str(rest(&f, text), "", "what can't be read");
	capture_stop(&log);
	dup2(kept, fd);
	close(kept);
	is_str(rest(&f, text), "2", "... is read when it can");
	close_fixture(&f);
}

/* A reader looks while a writer is about to make the first segment. */
static void
test_half_made(void)
{
	char text[256], path[SCRATCH_PATH], current[SCRATCH_PATH];
	struct fixture f;

	open_fixture(&f);
	unlink(scratch_path(&f.s, "box/queue", current));
	scribble(&f, "box/queue.5", O_CREAT, "# 5\n", 4);
	reread(&f);
	is_str(rest(&f, text), "", "a segment that is not current yet");
	rename(scratch_path(&f.s, "box/queue.5", path), current);
	append(&f.j, 1);
	is_str(rest(&f, text), "1", "... is read when it is");
	close_fixture(&f);
}

/* A writer that has found the segment current, and writes after that. */
static void
test_late(void)
{
	char path[SCRATCH_PATH], text[256];
	struct fixture f;
	int fd;

	open_fixture(&f);
	append(&f.j, 1);
	fd = open(scratch_path(&f.s, "box/queue", path),
	    O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_SH) != 0)
		die(path);
	journal_rotate(&f.r);
	is_str(rest(&f, text), "1", "all is read");
	journal_drop(&f.r, -1);
	is_str(files(&f, text), "queue queue.2",
	    "a segment stays while a writer holds it");
	if (write(fd, "\nq 2 {}\n", 8) != 8)
		die(path);
	append(&f.j, 3);
	is_str(rest(&f, text), "2 3",
	    "what it adds comes before what came later");
	close(fd);
	is_str(rest(&f, text), "", "nothing else");
	journal_drop(&f.r, -1);
	is_str(files(&f, text), "queue", "then it goes");
	close_fixture(&f);
}

/* Each step of a rotation, and of the first making, may be the last. */
static void
test_interrupted(void)
{
	char path[SCRATCH_PATH], text[256];
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	capture_start(&log);
	append(&f.j, 1);
	scribble(&f, "box/queue.2", O_CREAT, "", 0);
	reread(&f);
	is_str(rest(&f, text), "1", "a new one without its first line");
	scribble(&f, "box/queue.2", O_CREAT, "# 2\n", 4);
	reread(&f);
	is_str(rest(&f, text), "1", "... or before it is exchanged");
	append(&f.j, 2);
	is_str(rest(&f, text), "2", "... changes nothing");
	is_int(journal_rotate(&f.r), 0, "the next one has another name");
	append(&f.j, 3);
	rest(&f, text);
	journal_drop(&f.r, -1);
	is_str(files(&f, text), "queue", "... and the remains go");

	/* the first one, whose second name a power cut has taken */
	append(&f.j, 4);
	rename(scratch_path(&f.s, "box/queue", path),
	    scratch_path(&f.s, "box/queue.3", text));
	is_int(append(&f.j, 5), 0, "one without its name is replaced");
	reread(&f);
	is_str(rest(&f, text), "3 4 5", "... and read before");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	close_fixture(&f);
}

/* ---- all at once ---- */

/* Append EACH lines "WRITER * 1000 + I", some with a new handle. */
static _Noreturn void
write_all(const struct fixture *f, int writer, int each)
{
	struct journal j;
	int i, failed = 0;

	journal_init(&j, &f->s.data, "box", "queue");
	for (i = 0; i < each; i++) {
		if (i % 7 == 0)
			journal_close(&j);
		failed += append(&j, writer * 1000 + i) != 0;
	}
	_exit(failed);
}

static void
test_many(void)
{
	enum { WRITERS = 8, EACH = 150 };
	int last[WRITERS], got = 0, wrong = 0, running = WRITERS, i, n, status;
	struct journal_place place;
	struct capture log;
	struct fixture f;
	const char *line;
	char text[256];

	open_fixture(&f);
	capture_start(&log);
	for (i = 0; i < WRITERS; i++) {
		last[i] = -1;
		if (fork() == 0)
			write_all(&f, i, EACH);
	}
	while (running > 0 || got < WRITERS * EACH) {
		if (running > 0 && waitpid(-1, &status, WNOHANG) > 0) {
			wrong += status != 0;
			running--;
		}
		if (journal_next(&f.r, &place, &line) != 0) {
			if (running == 0)
				break;
			journal_rotate(&f.r);
			journal_drop(&f.r, -1);
			continue;
		}
		n = sscanf(line, "q %d {", &i) == 1 ? i : 999999;
		if (n >= WRITERS * 1000 || n % 1000 != last[n / 1000] + 1)
			wrong++;
		else
			last[n / 1000]++;
		got++;
		journal_release(&place);
	}
	capture_stop(&log);
	is_int(got, WRITERS * EACH, "%d writers, while segments come and go",
	    WRITERS);
	is_int(wrong, 0, "... each in its order, none twice");
	is_str(log.text, "", "nothing of this is logged");
	rest(&f, text);
	journal_drop(&f.r, -1);
	is_str(files(&f, text), "queue", "... and all go");
	close_fixture(&f);
}

int
main(void)
{
	const int before = open_files();

	test_lines();
	test_refused();
	test_marks();
	test_race();
	test_held();
	test_torn();
	test_short();
	test_removed();
	test_rotation();
	test_kept();
	test_full();
	test_full_aligned();
	test_read_error();
	test_half_made();
	test_late();
	test_interrupted();
	test_many();
	is_int(open_files(), before, "no file is left open");
	return done();
}
