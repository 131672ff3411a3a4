/*
 * test-datadir: which data directories are refused.
 */
#include "capture.h"
#include "datadir.h"
#include "scratch.h"
#include "tap.h"

#define NOBODY 65534

static void
test_bad_directory(const char *dir, const char *what)
{
	struct capture log;
	struct datadir data;

	capture_start(&log);
	is_int(datadir_open(&data, dir), 500, "%s is refused", what);
	datadir_close(&data);
	is_line(capture_stop(&log), dir, "... and named in the log");
}

static void
test_directory(void)
{
	char path[SCRATCH_PATH];
	struct scratch s;

	scratch_open(&s);
	scratch_path(&s, "sub", path);
	test_bad_directory(path, "a missing directory");
	image_write(path, "", 0);
	test_bad_directory(path, "a file");
	if (chmod(s.dir, 0770) != 0)
		die(s.dir);
	test_bad_directory(s.dir, "a directory that the group may write to");
	if (chmod(s.dir, 0702) != 0)
		die(s.dir);
	test_bad_directory(s.dir, "a directory that anybody may write to");
	if (chmod(s.dir, 01777) != 0)
		die(s.dir);
	test_bad_directory(s.dir, "... in spite of its sticky bit");
	if (chmod(s.dir, 0755) != 0)
		die(s.dir);
	is_int(sample_put(&s.st, 1, 1), 0, "that others may read it is fine");

	/* root's, for an ordinary user; else somebody else's */
	if (geteuid() != 0) {
		test_bad_directory("/usr", "a directory of somebody else");
	} else {
		if (chown(s.dir, NOBODY, NOBODY) != 0)
			die(s.dir);
		test_bad_directory(s.dir, "a directory of somebody else");
	}
	scratch_close(&s);
}

int
main(void)
{
	test_directory();
	return done();
}
