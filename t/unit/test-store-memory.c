/*
 * test-store-memory: what a FastCGI process remembers of the store.  To see
 * whether a file is read, it is damaged in place, and its stamp restored.
 */
#include "capture.h"
#include "leaks.h"
#include "scratch.h"
#include "store.h"
#include "tap.h"

/* Two installations in one file, a third which would be there, and one in
 * another. */
static int one, two, third, other;

/* A store with a memory. */
struct fixture {
	struct scratch s;
	struct memory memory;
	struct capture log;
	int aged;
};

/* Set the time at which the file was changed. */
static void
set_time(const char *path, struct timespec at)
{
	const struct timespec times[2] = { at, at };

	if (utimensat(AT_FDCWD, path, times, 0) != 0)
		die(path);
}

/* Make it so old that it is remembered; each time a little less, for one file
 * may get the inode of another. */
static void
age(struct fixture *f, int i)
{
	char path[SCRATCH_PATH];

	set_time(sample_path(&f->s, i, path),
	    (struct timespec){ 1500000000 + f->aged++, 0 });
}

static void
begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	scratch_open(&f->s);
	store_remember(&f->s.st, &f->memory);
	capture_start(&f->log);
	if (sample_put(&f->s.st, one, 1) != 0 ||
	    sample_put(&f->s.st, two, 1) != 0 ||
	    sample_put(&f->s.st, other, 1) != 0)
		die(f->s.dir);
	age(f, one);
	age(f, other);
}

static void
end(struct fixture *f)
{
	capture_stop(&f->log);
	memory_free(&f->memory);
	scratch_close(&f->s);
}

/* Nobody who reads the file finds anything in it. */
static void
damage(struct fixture *f, int i)
{
	char path[SCRATCH_PATH], zeros[8192] = "";
	struct stat sb;
	const int fd = open(sample_path(&f->s, i, path), O_WRONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &sb) != 0 ||
	    write(fd, zeros, sizeof(zeros)) != (ssize_t)sizeof(zeros))
		die(path);
	close(fd);
	set_time(path, sb.st_mtim);
}

static int
find(struct fixture *f, int i)
{
	const struct installation inst = sample(i, 0);
	struct installation got;

	return store_find(&f->s.st, inst.oauth_id, &got);
}

static void
test_unchanged(void)
{
	struct fixture f;

	begin(&f);
	is_int(find(&f, one), 0, "one is found");
	is_int(find(&f, third), 404, "... a third is not");
	damage(&f, one);
	ok(sample_stored(&f.s.st, one, 1), "one is remembered");
	is_int(find(&f, third), 404, "... that there is no third as well");
	is_int(find(&f, two), 500, "... what was not asked for is read");
	is_int(sample_put(&f.s.st, one, 2), 500, "a writer reads the file");
	is_int(find(&f, other), 0, "another file is another matter");
	end(&f);
}

static void
test_changed(void)
{
	const struct installation inst = sample(one, 2);
	struct fixture f;

	begin(&f);
	is_int(find(&f, one), 0, "one is found");
	is_int(find(&f, third), 404, "... a third is not");
	is_int(sample_put(&f.s.st, third, 1), 0, "it is put");
	ok(sample_stored(&f.s.st, third, 1), "... and found at once");
	is_int(sample_put(&f.s.st, one, 2), 0, "one is replaced");
	ok(sample_stored(&f.s.st, one, 2), "... and so it is found");
	age(&f, one);
	is_int(find(&f, one), 0, "... again, now that it is old");
	is_int(store_remove(&f.s.st, &inst), 0, "it is removed");
	is_int(find(&f, one), 404, "... and gone at once");
	age(&f, two);
	is_int(find(&f, one), 404, "... again, now that it is old");
	is_int(sample_put(&f.s.st, one, 1), 0, "it is back");
	ok(sample_stored(&f.s.st, one, 1), "... at once");
	damage(&f, one);
	is_int(find(&f, one), 500, "what is young is not remembered");
	end(&f);
}

static void
test_replaced(void)
{
	const struct installation inst = sample(other, 1);
	char path[SCRATCH_PATH], copy[SCRATCH_PATH];
	struct fixture f;
	struct image image;
	struct stat sb;

	begin(&f);
	is_int(find(&f, other), 0, "the only one of its file is found");
	is_int(store_remove(&f.s.st, &inst), 0, "it is removed");
	is_int(find(&f, other), 404, "... gone, as the file is");
	is_int(sample_put(&f.s.st, other, 1), 0, "... it is back");
	age(&f, other);
	is_int(find(&f, other), 0, "... and found");

	image = image_read(sample_path(&f.s, other, path));
	if (stat(path, &sb) != 0)
		die(path);
	image.data[image.len - 1] ^= 1;
	image_write(scratch_path(&f.s, "copy", copy), image.data, image.len);
	set_time(copy, sb.st_mtim);
	if (rename(copy, path) != 0)
		die(path);
	is_int(find(&f, other), 500,
	    "a file of the same size and time in its place is read");
	free(image.data);
	end(&f);
}

static void
test_older_version(void)
{
	struct fixture f;
	char path[SCRATCH_PATH];

	begin(&f);
	is_int(find(&f, one), 0, "one is found");
	plant_old(&f.s, one, 1, 7);
	set_time(scratch_path(&f.s, "installations.db", path),
	    (struct timespec){ 1500000000, 0 });
	ok(sample_stored(&f.s.st, one, 7), "an older version's file is seen");
	ok(sample_stored(&f.s.st, two, 1), "... what is not in it is found");
	is_int(sample_put(&f.s.st, two, 2), 0, "it is taken over");
	ok(sample_stored(&f.s.st, one, 7) && sample_stored(&f.s.st, two, 2),
	    "... and all are found");
	end(&f);
}

/* More than there is room for. */
static void
test_many(void)
{
	struct fixture f;
	int i, wrong = 0;

	begin(&f);
	for (i = 0; i < 10 * MEMORY_RECORDS; i++)
		wrong += find(&f, i) !=
		    (i == one || i == two || i == other ? 0 : 404);
	is_int(wrong, 0, "%d are asked for", i);
	is_int(find(&f, one), 0, "... and one is still found");
	end(&f);
}

int
main(void)
{
	one = 1;
	two = sample_neighbor(one);
	third = sample_neighbor(two);
	other = 2;
	test_unchanged();
	test_changed();
	test_replaced();
	test_older_version();
	test_many();
	return done();
}
