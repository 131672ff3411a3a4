/*
 * test-watch: which changes of a file are seen, and when.
 */
#include <sys/time.h>

#include "scratch.h"
#include "tap.h"
#include "watch.h"

static char path[SCRATCH_PATH], other[SCRATCH_PATH];

static void
begin(struct watch *w)
{
	w->n = 0;
	watch_add(w, path);
	is_str(watch_changed(w), NULL, "nothing changes at first");
}

static void
is_seen(struct watch *w, const char *what)
{
	is_str(watch_changed(w), NULL, "%s: maybe it is not over yet", what);
	is_str(watch_changed(w), path, "... it is: changed");
	is_str(watch_changed(w), path, "... and stays so");
}

static void
touch(time_t when)
{
	const struct timeval times[2] = { { when, 0 }, { when, 0 } };

	if (utimes(path, times) != 0)
		die(path);
}

static void
test_changes(void)
{
	struct watch w;

	image_write(path, "one", 3);
	touch(1000000);
	begin(&w);
	image_write(other, "two", 3);
	if (rename(other, path) != 0)
		die(path);
	is_seen(&w, "another file of that name");

	touch(1000000);
	begin(&w);
	touch(1000001);
	is_seen(&w, "the time");

	begin(&w);
	image_write(path, "three", 5);
	touch(1000001);
	is_seen(&w, "the size");

	begin(&w);
	unlink(path);
	is_seen(&w, "a file that goes");

	begin(&w);
	image_write(path, "four", 4);
	is_seen(&w, "a file that comes");
}

static void
test_unstable(void)
{
	struct watch w;
	int i;

	touch(1000000);
	begin(&w);
	for (i = 1; i < 4; i++) {
		touch(1000000 + i);
		is_str(watch_changed(&w), NULL, "still being written");
	}
	touch(1000000);
	is_str(watch_changed(&w), NULL, "as it was at first");
	is_str(watch_changed(&w), NULL, "... has not changed");
	unlink(path);
	is_str(watch_changed(&w), NULL, "a name between two files");
	image_write(path, "fifth", 5);
	touch(1000000);
	is_str(watch_changed(&w), NULL, "... of which the second");
	is_str(watch_changed(&w), path, "... is another one");
}

static bool
is_watched(const struct watch *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->n && strcmp(w->files[i].path, name) != 0; i++)
		;
	return i < w->n;
}

/* A daemon's own list, in which the settings file comes first. */
static void
test_list(void)
{
	struct watch w;
	size_t n;

	setenv("HIPCHAT_CONFIG", path, 1);
	watch_begin(&w, other);
	is_str(w.files[0].path, path, "the settings file is watched");
	is_str(w.files[1].path, other, "... the program");
	ok(is_watched(&w, "/etc/hosts") && is_watched(&w, "/etc/gai.conf") &&
		is_watched(&w, "/etc/ssl/certs/ca-certificates.crt") &&
		is_watched(&w, "/etc/pki/tls/certs/ca-bundle.crt"),
	    "... the name service's files, and certificates");
	n = w.n;
	watch_add(&w, NULL);
	ok(w.n == n, "... but no CA file if there is none");
	watch_add(&w, "/etc/ssl/certs");
	ok(w.n == n + 1, "... or that, too");
	is_str(watch_changed(&w), NULL, "nothing changes at first");
	touch(2000000);
	is_seen(&w, "the settings");
	watch_begin(&w, other);
	image_write(other, "new", 3);
	watch_changed(&w);
	is_str(watch_changed(&w), other, "the program is seen, too");
	for (n = 0; n < WATCH_FILES; n++)
		watch_add(&w, path);
	is_int((long long)w.n, WATCH_FILES, "there is a limit");
}

int
main(void)
{
	struct scratch s;

	scratch_open(&s);
	scratch_path(&s, "file", path);
	scratch_path(&s, "other", other);
	test_changes();
	test_unstable();
	test_list();
	scratch_close(&s);
	return done();
}
