/*
 * test-durable: what the outbox does is on disk in the right order, so that a
 * power cut takes no acknowledged message.
 *
 * The functions below stand in for those of the C library.  The only way to
 * them is a variable.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "box.h"
#include "capture.h"
#include "status.h"
#include "tap.h"

static struct {
	char trace[256]; /* what was done, a word each */
	int number;	 /* of the call that fails, counting down; 0: none */
	int error;	 /* then */
} disk;

static void
start(int number, int error)
{
	disk.trace[0] = '\0';
	disk.number = number;
	disk.error = error;
}

/* Note a call; true if it is the one to fail. */
static bool
note(const char *word)
{
	const size_t len = strlen(disk.trace);

	snprintf(disk.trace + len, sizeof(disk.trace) - len, "%s%s",
	    len > 0 ? " " : "", word);
	errno = disk.error;
	return disk.number > 0 && --disk.number == 0;
}

static bool
is_directory(int fd)
{
	struct stat sb;

	return fstat(fd, &sb) == 0 && S_ISDIR(sb.st_mode);
}

int
mkdirat(int fd, const char *path, mode_t mode)
{
	return note("mkdir") ? -1 : (int)syscall(SYS_mkdirat, fd, path, mode);
}

int
fsync(int fd)
{
	return note(is_directory(fd) ? "sync-directory" : "sync") ?
	    -1 :
	    (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return note("sync") ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
renameat2(int fd, const char *from, int to_fd, const char *to,
    unsigned int flags)
{
	return note("rename") ?
	    -1 :
	    (int)syscall(SYS_renameat2, fd, from, to_fd, to, flags);
}

ssize_t
writev(int fd, const struct iovec *parts, int n)
{
	return note("append") ? -1 : syscall(SYS_writev, fd, parts, n);
}

ssize_t
pwrite(int fd, const void *p, size_t len, off_t offset)
{
	return note(len > 1 ? "blank" : "mark") ?
	    -1 :
	    syscall(SYS_pwrite64, fd, p, len, offset);
}

static void
test_making(void)
{
	struct outbox box;
	struct scratch s;

	scratch_open(&s);
	start(0, 0);
	is_int(outbox_open(&box, &s.data), 0, "an outbox is made");
	is_str(disk.trace,
	    "mkdir sync-directory sync sync-directory rename sync-directory",
	    "... and all that it is in is on disk, before it has its name");
	outbox_close(&box);
	start(0, 0);
	is_int(outbox_open(&box, &s.data), 0, "it is opened again");
	is_str(disk.trace, "", "... and nothing is synced for that");
	outbox_close(&box);
	scratch_close(&s);
}

static void
test_failing(void)
{
	int i;

	for (i = 1; i <= 5; i++) {
		struct capture log;
		struct outbox box;
		struct scratch s;

		scratch_open(&s);
		start(i, ENOSPC);
		capture_start(&log);
		is_int(outbox_open(&box, &s.data), 503, "step %d fails: 503",
		    i);
		capture_stop(&log);
		ok(strstr(log.text, "No space left") != NULL, "... logged");
		start(0, 0);
		is_int(outbox_open(&box, &s.data), 0, "... the next one works");
		is_int(put(&box, ID, "", "hello"), 0, "... and is used");
		is_str(texts(&box, OUTBOX_QUEUE), "hello", "... as it should");
		outbox_close(&box);
		scratch_close(&s);
	}
}

static void
test_put(void)
{
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	start(0, 0);
	is_int(put(&f.box, ID, "", "one"), 0, "a message is put");
	is_str(disk.trace, "append sync", "... and on disk");
	start(1, ENOSPC);
	capture_start(&log);
	is_int(put(&f.box, ID, "", "two"), 503, "the disk is full: 503");
	start(2, EIO);
	is_int(put(&f.box, ID, "", "three"), 500, "the disk is broken: 500");
	capture_stop(&log);
	start(0, 0);
	is_int(put(&f.box, ID, "", "four"), 0, "then it is not");
	is_str(texts(&f.box, OUTBOX_QUEUE), "one three four",
	    "what was acknowledged is there");
	close_fixture(&f);
}

static void
test_ends(void)
{
	struct outbox_message msg;
	struct outbox_entry entry;
	struct capture log;
	struct fixture f;

	open_fixture(&f);
	put(&f.box, ID, "", "one");
	put(&f.box, ID, "", "two");
	outbox_begin(&f.box);
	outbox_next(&f.box, &entry);
	start(1, EIO);
	capture_start(&log);
	is_int(outbox_claim(&f.box, &entry.place, &msg), 500,
	    "what can't be marked is not claimed");
	capture_stop(&log);
	is_str(texts(&f.box, OUTBOX_QUEUE), "one two", "... but stays queued");
	start(0, 0);
	outbox_claim(&f.box, &entry.place, &msg);
	is_str(disk.trace, "mark", "a claim is nothing but a mark");
	start(0, 0);
	outbox_settle(&f.box, &entry.place, &msg, OUTBOX_GIVEN_UP, "why");
	is_str(disk.trace,
	    "mkdir sync-directory sync sync-directory rename sync-directory "
	    "append sync blank",
	    "what has failed is in the list, before it leaves the queue");
	outbox_release(&msg);
	start(0, 0);
	outbox_forget(&f.box, ID);
	is_str(disk.trace, "blank sync blank sync",
	    "what is forgotten is so on disk");
	close_fixture(&f);
}

/* Rotate: the message after it must not be lost, whatever the cut keeps. */
static void
test_rotation(void)
{
	struct journal_reader r;
	struct fixture f;

	open_fixture(&f);
	put(&f.box, ID, "", "one");
	journal_begin(&r, &f.box.queue, true);
	start(0, 0);
	is_int(journal_rotate(&r), 0, "a new segment");
	is_str(disk.trace, "sync sync-directory rename sync-directory",
	    "... is on disk before anybody can find it");
	journal_end(&r);
	close_fixture(&f);
}

int
main(void)
{
	test_making();
	test_failing();
	test_put();
	test_ends();
	test_rotation();
	return done();
}
