/*
 * test-durable: what makes the outbox is on disk before anything is put into
 * it, so that a power cut does not take an acknowledged message with its
 * directory.
 *
 * The functions below stand in for those of the C library.  The only way to
 * them is a variable.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "capture.h"
#include "outbox.h"
#include "scratch.h"
#include "tap.h"

static struct {
	int made;	     /* directories, since one was synced */
	int synced;	     /* directories, since one was made */
	bool before_trigger; /* all were, when the trigger was made */
	int error;	     /* of fsync(2); 0: it works */
} disk;

int
mkdirat(int fd, const char *path, mode_t mode)
{
	disk.made++;
	disk.synced = 0;
	return (int)syscall(SYS_mkdirat, fd, path, mode);
}

int
mkfifoat(int fd, const char *path, mode_t mode)
{
	disk.before_trigger = disk.synced == 2;
	return (int)syscall(SYS_mknodat, fd, path, mode | S_IFIFO, 0);
}

int
fsync(int fd)
{
	errno = disk.error;
	disk.synced++;
	return disk.error == 0 ? (int)syscall(SYS_fsync, fd) : -1;
}

static void
test_making(void)
{
	struct outbox box;
	struct scratch s;

	scratch_open(&s);
	is_int(outbox_open(&box, &s.data), 0, "an outbox is made");
	is_int(disk.made, 5, "... of five directories");
	ok(disk.before_trigger,
	    "... which are in their parents, on disk, "
	    "before the trigger says so");
	outbox_close(&box);
	disk.synced = 0;
	is_int(outbox_open(&box, &s.data), 0, "it is opened again");
	is_int(disk.synced, 0, "... and nothing is synced for that");
	outbox_close(&box);
	scratch_close(&s);
}

static void
test_failing(void)
{
	char path[SCRATCH_PATH];
	struct capture log;
	struct outbox box;
	struct scratch s;

	scratch_open(&s);
	disk.error = ENOSPC;
	capture_start(&log);
	is_int(outbox_open(&box, &s.data), 503, "a disk that is full is 503");
	is_line(capture_stop(&log), "outbox: fsync", "... and logged");
	ok(access(scratch_path(&s, "outbox/trigger", path), F_OK) != 0,
	    "... and the next one will try again");
	disk.error = 0;
	is_int(outbox_open(&box, &s.data), 0, "... with success");
	ok(disk.before_trigger, "... all of it synced");
	outbox_close(&box);
	scratch_close(&s);
}

int
main(void)
{
	test_making();
	test_failing();
	return done();
}
