/*
 * test-store-damage: damaged files, and a disk that is full or fails.
 *
 * A record is found as it was put, or the answer is an error: never "not
 * installed" because a bit has flipped.  What can't be read is not rewritten.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "capture.h"
#include "leaks.h"
#include "scratch.h"
#include "store.h"
#include "tap.h"

/* Records in the damaged file, which fill several pages. */
#define RECORDS 60

/* Their installations, all in the file of the first, which is 1. */
static int records[RECORDS];

/* An installation in another file. */
#define OTHER 2

#define PAGE 4096
#define PAGE_USED 512 /* of the first one, the meta page */

static const struct token token = { "token", 4102444800 };

/* ---- a failing disk ---- */

/*
 * The functions below stand in for those of the C library, for the program
 * and for Berkeley DB alike.  The only way to them is a variable.
 */
static struct {
	long left; /* calls that succeed; -1: all of them */
	int error;
	bool struck;
	bool directory; /* first to fail was fsync of a directory */
	bool kill;	/* in place of an error */
} disk = { .left = -1 };

static bool
disk_fails(void)
{
	if (disk.left != 0) {
		disk.left -= disk.left > 0;
		return false;
	}
	if (disk.kill)
		raise(SIGKILL);
	disk.struck = true;
	errno = disk.error;
	return true;
}

/* ISO C has no cast from dlsym()'s result to a function. */
static void
real(const char *name, void *function, size_t size)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	if (symbol == NULL)
		die(name);
	memcpy(function, &symbol, size);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
	ssize_t (*function)(int, const void *, size_t, off_t);

	if (disk_fails())
		return -1;
	real("pwrite", &function, sizeof(function));
	return function(fd, data, len, at);
}

/* Berkeley DB tries this if pwrite(2) fails.  The log is not on the disk. */
ssize_t
write(int fd, const void *data, size_t len)
{
	ssize_t (*function)(int, const void *, size_t);

	if (fd != STDERR_FILENO && disk_fails())
		return -1;
	real("write", &function, sizeof(function));
	return function(fd, data, len);
}

int
fsync(int fd)
{
	int (*function)(int);
	const bool first = !disk.struck;
	struct stat sb;

	if (disk_fails()) {
		if (first && fstat(fd, &sb) == 0)
			disk.directory = S_ISDIR(sb.st_mode);
		errno = disk.error;
		return -1;
	}
	real("fsync", &function, sizeof(function));
	return function(fd);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	int (*function)(int, const char *, int, const char *);

	if (disk_fails())
		return -1;
	real("renameat", &function, sizeof(function));
	return function(from_fd, from, to_fd, to);
}

int
unlinkat(int dirfd, const char *name, int flags)
{
	int (*function)(int, const char *, int);

	if (disk_fails())
		return -1;
	real("unlinkat", &function, sizeof(function));
	return function(dirfd, name, flags);
}

int
mkdirat(int dirfd, const char *name, mode_t mode)
{
	int (*function)(int, const char *, mode_t);

	if (disk_fails())
		return -1;
	real("mkdirat", &function, sizeof(function));
	return function(dirfd, name, mode);
}

int
fchmodat(int dirfd, const char *name, mode_t mode, int flags)
{
	int (*function)(int, const char *, mode_t, int);

	if (disk_fails())
		return -1;
	real("fchmodat", &function, sizeof(function));
	return function(dirfd, name, mode, flags);
}

int
syncfs(int fd)
{
	int (*function)(int);

	if (disk_fails())
		return -1;
	real("syncfs", &function, sizeof(function));
	return function(fd);
}

/* What a change does, and whether the store is then as before or after. */
struct step {
	const char *name;
	void (*prepare)(const struct scratch *s);
	int (*run)(const struct store *st);
	bool (*before)(const struct store *st);
	bool (*after)(const struct store *st);
};

/* Installation 1, its token, and one that is always there. */
static void
put_two(const struct scratch *s, int other)
{
	const struct installation inst = sample(1, 1);

	if (sample_put(&s->st, 1, 1) != 0 ||
	    sample_put(&s->st, other, 1) != 0 ||
	    store_put_token(&s->st, &inst, &token) != 0)
		die(s->dir);
}

static void
put_together(const struct scratch *s)
{
	put_two(s, records[1]);
}

static void
put_apart(const struct scratch *s)
{
	put_two(s, OTHER);
}

/* As an older version has left it, and a takeover that was killed. */
static void
put_old(const struct scratch *s)
{
	put_apart(s);
	plant_old(s, 0, 10, 1);
}

static int
replace(const struct store *st)
{
	return sample_put(st, 1, 2);
}

static bool
old_version(const struct store *st)
{
	return sample_stored(st, 1, 1);
}

static bool
new_version(const struct store *st)
{
	return sample_stored(st, 1, 2);
}

static int
take_out(const struct store *st)
{
	const struct installation inst = sample(1, 1);

	return store_remove(st, &inst);
}

static bool
is_gone(const struct store *st)
{
	const struct installation inst = sample(1, 1);
	struct installation got;

	return store_find(st, inst.oauth_id, &got) == 404;
}

static const struct step steps[] = {
	{ "a replacement", put_together, replace, old_version, new_version },
	{ "a removal", put_together, take_out, old_version, is_gone },
	{ "a file's last removal", put_apart, take_out, old_version, is_gone },
	{ "a replacement that takes over", put_old, replace, old_version,
	    new_version },
	{ "a removal that takes over", put_old, take_out, old_version,
	    is_gone },
};

/* Is what nobody touches still there? */
static bool
others_stored(const struct step *step, const struct store *st)
{
	int i;

	if (step->prepare == put_together)
		return sample_stored(st, records[1], 1);
	for (i = 2; step->prepare == put_old && i < 10; i++)
		if (!sample_stored(st, i, 1))
			return false;
	return sample_stored(st, OTHER, 1);
}

/* It works again, and then there is no trouble left. */
static bool
goes_on(const struct step *step, const struct scratch *s)
{
	char path[SCRATCH_PATH];

	return sample_put(&s->st, 1, 3) == 0 && sample_stored(&s->st, 1, 3) &&
	    others_stored(step, &s->st) &&
	    access(scratch_path(s, "installations.db", path), F_OK) != 0 &&
	    access(scratch_path(s, "installations/new", path), F_OK) != 0 &&
	    access(sample_path(s, 1, path), F_OK) == 0 &&
	    access(strcat(path, ".new"), F_OK) != 0;
}

/* One step, with the disk failing from its n-th call on. */
static bool
fail_at(const struct step *step, int error, int status, int n)
{
	struct capture log, later;
	struct scratch s;
	bool right;
	int got;

	scratch_open(&s);
	step->prepare(&s);
	disk.struck = disk.directory = false;
	disk.error = error;
	capture_start(&log);
	disk.left = n;
	got = step->run(&s.st);
	disk.left = -1;
	capture_stop(&log);
	capture_start(&later);
	if (!disk.struck)
		right = got == 0 && step->after(&s.st);
	else
		right = got == status && *log.text != '\0' &&
		    (step->before(&s.st) ||
			(disk.directory && step->after(&s.st)));
	right = others_stored(step, &s.st) && right;
	right = goes_on(step, &s) && right;
	capture_stop(&later);
	if (!right)
		diag("failing from call %d on: %d%s%s\n%s", n, got,
		    disk.directory ? ", in the directory's fsync" : "",
		    disk.struck ? "" : " (no failure)", log.text);
	scratch_close(&s);
	return right;
}

/* One step, in a process that is killed in its n-th call; *struck: it was. */
static bool
kill_at(const struct step *step, int n, bool *struck)
{
	struct capture log;
	struct scratch s;
	int status = -1;
	bool right;
	pid_t pid;

	scratch_open(&s);
	capture_start(&log);
	step->prepare(&s);
	if ((pid = fork()) == 0) {
		disk.kill = true;
		disk.left = n;
		_exit(step->run(&s.st) == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	*struck = WIFSIGNALED(status);
	right = (*struck && step->before(&s.st)) || step->after(&s.st);
	right = others_stored(step, &s.st) && right;
	right = goes_on(step, &s) && right;
	capture_stop(&log);
	if (!right)
		diag("killed in call %d: wait status %#x\n%s", n,
		    (unsigned int)status, log.text);
	scratch_close(&s);
	return right;
}

static void
test_killed(const struct step *step)
{
	bool right = true, struck;
	int n = 0;

	do {
		right = kill_at(step, n, &struck) && right;
	} while (struck && ++n < 1000);
	ok(right && n > 4 && n < 1000,
	    "%s: killed in each of %d calls, it has happened or not",
	    step->name, n);
}

static void
test_failing(const struct step *step, int error, int status)
{
	bool right = true;
	int n = 0;

	do {
		right = fail_at(step, error, status, n) && right;
	} while (disk.struck && ++n < 1000);
	ok(right && n > 4 && n < 1000,
	    "%s: %s at each of %d calls is %d and "
	    "changes nothing",
	    step->name, strerror(error), n, status);
}

/* Larger than Berkeley DB's cache, which it can't write, as one file is that
 * has two hundred times what it is made for. */
static void
test_large(void)
{
	const int last = records[RECORDS - 1];
	struct installation inst;
	struct capture log;
	struct scratch s;
	int i, status;

	scratch_open(&s);
	for (i = 0; i < RECORDS; i++) {
		inst = sample(records[i], 1);
		memset(inst.api_url + 27, 'x', STORE_URL_MAX - 28);
		memset(inst.token_url + 27, 'x', STORE_URL_MAX - 28);
		memset(inst.capabilities_url + 27, 'x', STORE_URL_MAX - 28);
		if (put_over(&s.st, &inst) != 0)
			die(s.dir);
	}
	disk.error = ENOSPC;
	capture_start(&log);
	disk.left = 10;
	status = sample_put(&s.st, last, 2);
	disk.left = -1;
	capture_stop(&log);
	if (!is_int(status, 503, "a large file: a full disk is 503"))
		diag("%s", log.text);
	scratch_close(&s);
}

static void
test_token_cache(void)
{
	const struct installation inst = sample(1, 1);
	struct capture log;
	struct scratch s;
	struct token got;

	scratch_open(&s);
	put_over(&s.st, &inst);
	store_put_token(&s.st, &inst, &token);
	disk.error = ENOSPC;
	disk.left = 5; /* an older version's, and a killed writer's */
	capture_start(&log);
	is_int(store_put_token(&s.st, &inst, &(struct token){ "other", 1 }),
	    503, "a token on a full disk");
	disk.left = -1;
	is_line(capture_stop(&log), "tokens/new: ", "... is logged");
	ok(store_find_token(&s.st, inst.oauth_id, &got) == 0 &&
		strcmp(got.text, token.text) == 0,
	    "... and the old one still there: a full disk is no damage");
	scratch_close(&s);
}

/* ---- a disk that is really full ---- */

/* Steps of the child's work; its exit status tells the one that failed. */
enum full {
	FULL_RIGHT,  /* all as it should be */
	FULL_MOUNT,  /* no tmpfs can be mounted here */
	FULL_SETUP,  /* the first put failed */
	FULL_STATUS, /* the full disk was not a 503 */
	FULL_LOST,   /* the records were not as before */
	FULL_STUCK   /* with space again, it did not work */
};

static bool
write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const bool written =
	    fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return written;
}

/* A small tmpfs on the directory, for this process alone. */
static bool
mount_small(const char *dir)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	char map[64];

	if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return false;
	if (uid != 0) {
		snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		if (!write_file("/proc/self/uid_map", map) ||
		    !write_file("/proc/self/setgroups", "deny"))
			return false;
		snprintf(map, sizeof(map), "%u %u 1", gid, gid);
		if (!write_file("/proc/self/gid_map", map))
			return false;
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0700") == 0;
}

static enum full
run_full(const char *dir)
{
	char path[SCRATCH_PATH], block[PAGE] = "";
	struct datadir data;
	struct store st;
	enum full result = FULL_RIGHT;
	int fd;

	if (!mount_small(dir))
		return FULL_MOUNT;
	if (datadir_open(&data, dir) != 0 || store_open(&st, &data) != 0 ||
	    sample_put(&st, 1, 1) != 0)
		return FULL_SETUP;
	snprintf(path, sizeof(path), "%s/filler", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	if (sample_put(&st, 1, 2) != 503 || take_out(&st) != 503)
		result = FULL_STATUS;
	else if (!sample_stored(&st, 1, 1))
		result = FULL_LOST;
	else if (unlink(path) != 0 || sample_put(&st, 1, 2) != 0 ||
	    !sample_stored(&st, 1, 2))
		result = FULL_STUCK;
	datadir_close(&data);
	return result;
}

static void
test_full(void)
{
	static const char name[] = "a full file system is 503, and harmless";
	struct capture log;
	struct scratch s;
	int status = -1;
	pid_t pid;

	scratch_open(&s);
	capture_start(&log);
	if ((pid = fork()) == 0) {
		const enum full full = run_full(s.dir);

		_exit((int)full);
	}
	waitpid(pid, &status, 0);
	capture_stop(&log);
	if (WIFEXITED(status) && WEXITSTATUS(status) == FULL_MOUNT)
		skip(name, "a tmpfs can't be mounted here");
	else if (!is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		     FULL_RIGHT, "%s", name))
		diag("%s", log.text);
	scratch_close(&s);
}

/* ---- damaged installations ---- */

static void
make_records(struct scratch *s, struct image *db)
{
	char path[SCRATCH_PATH];
	int i;

	scratch_open(s);
	for (i = 0; i < RECORDS; i++)
		if (sample_put(&s->st, records[i], 1) != 0)
			die(s->dir);
	*db = image_read(sample_path(s, 1, path));
}

/* Are all records there, as far as there is an answer? */
static bool
all_or_error(const struct store *st, int *errors)
{
	struct installation got;
	int i, status;

	*errors = 0;
	for (i = 0; i < RECORDS; i += 7) {
		const struct installation inst = sample(records[i], 1);

		status = store_find(st, inst.oauth_id, &got);
		if (status == 500)
			++*errors;
		else if (status != 0 || !sample_same(&got, &inst))
			return false;
	}
	return true;
}

/*
 * Put this image in the place of the database, and look and write.  Returns
 * whether the answers were right; *noticed tells whether writing failed, which
 * reads every record.
 */
static bool
judge(const struct scratch *s, const struct image *image, bool *noticed)
{
	char path[SCRATCH_PATH];
	struct capture log;
	int errors, put, removal;
	bool right;

	image_write(sample_path(s, 1, path), image->data, image->len);
	capture_start(&log);
	right = all_or_error(&s->st, &errors);
	put = sample_put(&s->st, 1, 1);
	*noticed = put == 500;
	if (*noticed) {
		const struct installation inst =
		    sample(records[RECORDS - 1], 1);

		removal = store_remove(&s->st, &inst);
		right = right && removal == 500 && image_same(path, image);
	} else {
		right = right && put == 0 && errors == 0;
	}
	capture_stop(&log);
	if (!right)
		diag("%d errors, put %d\n%s", errors, put, log.text);
	return right;
}

static void
test_whole_damage(void)
{
	static const struct {
		const char *name;
		size_t keep;  /* bytes of the file */
		char more;    /* what follows, up to the old length */
		bool shorter; /* nothing follows */
	} table[] = {
		{ "an empty file", 0, 0, true },
		{ "one byte", 1, 0, true },
		{ "half a meta page", PAGE_USED / 2, 0, true },
		{ "a meta page without its padding", PAGE_USED, 0, true },
		{ "the meta page alone", PAGE, 0, true },
		{ "one page and a half", PAGE + PAGE / 2, 0, true },
		{ "two pages", 2 * PAGE, 0, true },
		{ "a text", 0, 'x', false },
		{ "zeros", 0, 0, false },
		{ "a meta page, then a text", PAGE, 'x', false },
	};
	struct image db, damaged;
	struct scratch s;
	bool right, noticed;
	size_t i;

	make_records(&s, &db);
	damaged.data = malloc(db.len);
	if (damaged.data == NULL)
		die("malloc");
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		memset(damaged.data, table[i].more, db.len);
		memcpy(damaged.data, db.data, table[i].keep);
		damaged.len = table[i].shorter ? table[i].keep : db.len;
		right = judge(&s, &damaged, &noticed);
		ok(right && noticed,
		    "%s in place of %zu pages is 500 and "
		    "stays",
		    table[i].name, db.len / PAGE);
	}
	memcpy(damaged.data, db.data, db.len);
	damaged.len = db.len - 1;
	right = judge(&s, &damaged, &noticed);
	ok(right && noticed, "so is a file without its last byte");
	free(damaged.data);
	free(db.data);
	scratch_close(&s);
}

/* A search that has no end is to end after all (the store uses the alarm). */
static void
limit_cpu(rlim_t seconds)
{
	const struct rlimit limit = { seconds, seconds };

	if (setrlimit(RLIMIT_CPU, &limit) != 0)
		die("setrlimit");
}

/* judge() in a process of its own, for Berkeley DB may go round for ever. */
static bool
judge_apart(const struct scratch *s, const struct image *image)
{
	int status = -1;
	bool noticed;
	pid_t pid;

	if ((pid = fork()) == 0) {
		limit_cpu(10);
		_exit(judge(s, image, &noticed) && noticed ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		diag("waited for in vain: %s", strsignal(WTERMSIG(status)));
	return status == 0;
}

/*
 * Whole pages that are wrong, where no checksum tells: a page of zeros, which
 * Berkeley DB takes for a fresh one and which a power cut may leave, and pages
 * in each other's place.
 */
static void
test_pages(void)
{
	struct image db, damaged;
	struct scratch s;
	size_t page;

	make_records(&s, &db);
	damaged.len = db.len;
	if ((damaged.data = malloc(db.len)) == NULL)
		die("malloc");
	for (page = 0; page < db.len / PAGE; page++) {
		memcpy(damaged.data, db.data, db.len);
		memset(damaged.data + page * PAGE, 0, PAGE);
		ok(judge_apart(&s, &damaged),
		    "page %zu of zeros is 500 and stays", page);
	}
	for (page = 1; page + 1 < db.len / PAGE; page++) {
		memcpy(damaged.data, db.data, db.len);
		memcpy(damaged.data + page * PAGE, db.data + (page + 1) * PAGE,
		    PAGE);
		memcpy(damaged.data + (page + 1) * PAGE, db.data + page * PAGE,
		    PAGE);
		ok(judge_apart(&s, &damaged),
		    "pages %zu and %zu in each "
		    "other's place are 500 and stay",
		    page, page + 1);
		memcpy(damaged.data, db.data, db.len);
		memcpy(damaged.data + page * PAGE, db.data + (page + 1) * PAGE,
		    PAGE);
		ok(judge_apart(&s, &damaged), "so is page %zu twice", page + 1);
	}
	free(damaged.data);
	free(db.data);
	scratch_close(&s);
}

/* Flip single bits of a page; a checksum covers all of it that is used. */
static void
test_flips(const struct scratch *s, const struct image *db, size_t page)
{
	const size_t used = page == 0 ? PAGE_USED : PAGE;
	const size_t stride = page == 0 ? 3 : 61;
	int flips = 0, seen = 0, wrong = 0;
	size_t at;

	for (at = 0; at < used; at += stride, flips++) {
		char *const byte = db->data + page * PAGE + at;
		const char was = *byte;
		bool noticed;

		*byte = (char)(was ^ (1 << at % 8));
		if (!judge(s, db, &noticed)) {
			diag("page %zu, byte %zu", page, at);
			wrong++;
		}
		seen += noticed;
		*byte = was;
	}
	ok(wrong == 0 && seen == flips,
	    "page %zu: each of %d flipped bits is "
	    "500 and stays",
	    page, flips);
	if (seen != flips)
		diag("%d were not noticed", flips - seen);
}

static void
test_bits(void)
{
	struct image db;
	struct scratch s;
	size_t page;
	bool noticed;

	make_records(&s, &db);
	ok(judge(&s, &db, &noticed) && !noticed, "undamaged, it is fine");
	ok(db.len % PAGE == 0 && db.len > 3 * PAGE, "it has %zu pages",
	    db.len / PAGE);
	for (page = 0; page < db.len / PAGE; page++)
		test_flips(&s, &db, page);
	db.data[PAGE - 1] ^= 1;
	ok(judge(&s, &db, &noticed) && !noticed,
	    "the padding of the meta page may hold anything");
	free(db.data);
	scratch_close(&s);
}

/* ---- damaged tokens ---- */

static void
test_damaged_tokens(void)
{
	static const struct {
		const char *name;
		size_t keep;
	} table[] = { { "an empty file", 0 }, { "half a page", PAGE / 2 },
		{ "one page and a half", PAGE + PAGE / 2 } };
	const struct installation inst = sample(1, 1);
	char path[SCRATCH_PATH];
	struct token got;
	struct capture log;
	struct scratch s;
	struct image db;
	size_t i;

	scratch_open(&s);
	sample_put(&s.st, 1, 1);
	store_put_token(&s.st, &inst, &token);
	db = image_read(scratch_record(s.dir, "tokens", inst.oauth_id, path));
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		image_write(path, db.data, table[i].keep);
		capture_start(&log);
		is_int(store_find_token(&s.st, inst.oauth_id, &got), 404,
		    "tokens, %s: as good as none", table[i].name);
		capture_stop(&log);
		capture_start(&log);
		is_int(store_put_token(&s.st, &inst, &token), 0,
		    "... a new one is put");
		ok(strstr(capture_stop(&log), ".db: damaged; a cache") != NULL,
		    "... and the loss logged");
		is_int(store_find_token(&s.st, inst.oauth_id, &got), 0,
		    "... and found");
	}
	image_write(path, "damaged", 7);
	capture_start(&log);
	is_int(take_out(&s.st), 0, "damaged tokens keep no removal");
	capture_stop(&log);
	ok(is_gone(&s.st), "... the installation is gone");
	free(db.data);
	scratch_close(&s);
}

int
main(void)
{
	static const struct {
		int error;
		int status;
	} errors[] = { { ENOSPC, 503 }, { EDQUOT, 503 }, { EIO, 500 },
		{ EFBIG, 500 } };
	size_t i, step;

	limit_cpu(300);
	for (i = 1, records[0] = 1; i < RECORDS; i++)
		records[i] = sample_neighbor(records[i - 1]);
	for (step = 0; step < sizeof(steps) / sizeof(steps[0]); step++)
		for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
			test_failing(&steps[step], errors[i].error,
			    errors[i].status);
	for (step = 0; step < sizeof(steps) / sizeof(steps[0]); step++)
		test_killed(&steps[step]);
	test_token_cache();
	test_large();
	test_full();
	test_whole_damage();
	test_pages();
	test_bits();
	test_damaged_tokens();
	return done();
}
