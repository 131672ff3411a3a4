/*
 * test-store: records in and out, the directory, the lock.  What happens to
 * damaged files and on a full disk is in test-store-damage, to killed writers
 * in kill-store.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "capture.h"
#include "json.h"
#include "scratch.h"
#include "store.h"
#include "tap.h"

#define NOBODY 65534

/* ---- records ---- */

static void
test_installations(void)
{
	struct installation one = sample(1, 1), other = sample(2, 1), got;
	struct capture log;
	struct scratch s;

	scratch_open(&s);
	capture_start(&log);
	is_int(store_find(&s.st, one.oauth_id, &got), 404,
	    "nothing is found before the first put");
	is_int(store_remove(&s.st, &one), 0, "to remove nothing is success");
	is_int(put_over(&s.st, &one), 0, "an installation is put");
	is_int(put_over(&s.st, &other), 0, "... and another");
	is_int(store_find(&s.st, one.oauth_id, &got), 0, "it is found");
	ok(sample_same(&got, &one), "... every member of it");
	is_int(store_find(&s.st, "f3100c47", &got), 404, "a prefix is not");

	one = sample(1, 2);
	one.room_id = 0;
	one.group_id = INT64_MAX - 1;
	is_int(put_over(&s.st, &one), 0, "it is replaced");
	is_int(store_find(&s.st, one.oauth_id, &got), 0, "... and found");
	ok(sample_same(&got, &one), "... as it is now, without a room");

	is_int(store_remove(&s.st, &one), 0, "it is removed");
	is_int(store_find(&s.st, one.oauth_id, &got), 404, "... and gone");
	is_int(store_remove(&s.st, &one), 0, "... which it may be twice");
	ok(sample_stored(&s.st, 2, 1), "the other one is still there");
	is_line(capture_stop(&log), "", "nothing of this is logged");
	scratch_close(&s);
}

static void
test_mismatch(void)
{
	const struct installation inst = sample(1, 2), old = sample(1, 1);
	const struct token token = { "token", 4102444800 };
	struct capture log;
	struct token got;
	struct scratch s;

	scratch_open(&s);
	put_over(&s.st, &inst);
	store_put_token(&s.st, &inst, &token);
	capture_start(&log);
	is_int(store_remove(&s.st, &old), 409,
	    "with another secret it is not removed");
	is_line(capture_stop(&log), inst.oauth_id, "... which is logged");
	ok(sample_stored(&s.st, 1, 2), "... and it is still there");
	is_int(store_find_token(&s.st, inst.oauth_id, &got), 0,
	    "... and so is its token");
	scratch_close(&s);
}

/* A token is for the installation that it was asked for. */
static void
test_late_token(void)
{
	const struct installation one = sample(1, 1), other = sample(2, 1);
	const struct installation again = sample(1, 2);
	const struct token token = { "late", 4102444800 };
	struct capture log;
	struct token got;
	struct scratch s;

	scratch_open(&s);
	capture_start(&log);
	is_int(store_put_token(&s.st, &one, &token), 409,
	    "no token is stored where nothing is installed");
	is_line(capture_stop(&log), one.oauth_id, "... which is logged");
	put_over(&s.st, &one);
	put_over(&s.st, &other);
	capture_start(&log);
	put_over(&s.st, &again);
	is_int(store_put_token(&s.st, &one, &token), 409,
	    "... nor after another installation");
	store_remove(&s.st, &again);
	is_int(store_put_token(&s.st, &again, &token), 409,
	    "... nor after a removal");
	capture_stop(&log);
	is_int(store_find_token(&s.st, one.oauth_id, &got), 404,
	    "... and there is none");
	is_int(store_put_token(&s.st, &other, &token), 0,
	    "... but for one that is there");
	scratch_close(&s);
}

/*
 * One process stores tokens and another removes and installs, as fast as they
 * can; after each removal, there is none.
 */
static void
test_token_race(void)
{
	enum { ROUNDS = 200 };
	const struct installation inst = sample(1, 1);
	const struct token token = { "token", 4102444800 };
	int i, stored = 0, wrong = 0;
	struct capture log;
	struct token got;
	struct scratch s;
	pid_t pid;

	scratch_open(&s);
	capture_start(&log);
	if ((pid = fork()) < 0)
		die("fork");
	while (pid == 0)
		store_put_token(&s.st, &inst, &token);
	for (i = 0; i < ROUNDS || (stored == 0 && i < 100 * ROUNDS); i++) {
		wrong += sample_put(&s.st, 1, 1) != 0;
		stored += store_find_token(&s.st, inst.oauth_id, &got) == 0;
		wrong += store_remove(&s.st, &inst) != 0;
		wrong += store_find_token(&s.st, inst.oauth_id, &got) != 404;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	wrong += store_find_token(&s.st, inst.oauth_id, &got) != 404;
	capture_stop(&log);
	is_int(wrong, 0, "no token is left by %d removals", i);
	ok(stored > 0, "... before which %d were stored", stored);
	scratch_close(&s);
}

static void
test_stamp(void)
{
	const struct token token = { "token", 4102444800 };
	const struct installation inst = sample(1, 1);
	const struct stamp none = { 0 };
	struct stamp before, after;
	char path[SCRATCH_PATH];
	struct capture log;
	struct scratch s;

	scratch_open(&s);
	capture_start(&log);
	is_int(store_stamp(&s.st, inst.oauth_id, &before), 404,
	    "no stamp where there is no folder");
	is_str(capture_stop(&log), "", "... and nothing is logged");
	put_over(&s.st, &inst);
	is_int(store_stamp(&s.st, inst.oauth_id, &before), 0, "a stamp");
	store_put_token(&s.st, &inst, &token);
	store_set(&s.st, inst.oauth_id, "a", "1");
	is_int(store_stamp(&s.st, inst.oauth_id, &after), 0, "another");
	ok(memcmp(&before, &after, sizeof(before)) == 0,
	    "... is the same while the installation is");
	sample_put(&s.st, 1, 3);
	is_int(store_stamp(&s.st, inst.oauth_id, &after), 0, "... and one");
	ok(memcmp(&before, &after, sizeof(before)) != 0,
	    "... after another installation is another");
	unlink(sample_path(&s, 1, path));
	is_int(store_stamp(&s.st, inst.oauth_id, &after), 0, "... and one");
	ok(memcmp(&after, &none, sizeof(none)) == 0,
	    "... without a file is zero");
	capture_start(&log);
	rmdir(scratch_path(&s, "installations", path));
	is_int(store_stamp(&s.st, inst.oauth_id, &after), 404,
	    "none if the folder is missing");
	is_str(capture_stop(&log), "", "... which is not logged");
	scratch_close(&s);
}

static void
test_tokens(void)
{
	const struct installation one = sample(1, 1), other = sample(2, 1);
	static const int64_t moments[] = { 1, INT32_MAX, 2147483648, 4294967296,
		(int64_t)1 << 41 };
	struct token token = { "first", 1 }, got;
	struct scratch s;
	size_t i;

	scratch_open(&s);
	put_over(&s.st, &one);
	put_over(&s.st, &other);
	is_int(store_find_token(&s.st, one.oauth_id, &got), 404,
	    "no token is found before the first");
	for (i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		snprintf(token.text, sizeof(token.text), "token-%zu", i);
		token.expires = moments[i];
		store_put_token(&s.st, &one, &token);
		ok(store_find_token(&s.st, one.oauth_id, &got) == 0 &&
			strcmp(got.text, token.text) == 0 &&
			got.expires == moments[i],
		    "a token that expires at %" PRId64, moments[i]);
	}
	memset(token.text, 'x', sizeof(token.text) - 1);
	token.text[sizeof(token.text) - 1] = '\0';
	is_int(store_put_token(&s.st, &other, &token), 0,
	    "the longest token is put");
	ok(store_find_token(&s.st, other.oauth_id, &got) == 0 &&
		strcmp(got.text, token.text) == 0,
	    "... and found");
	is_int(store_remove(&s.st, &one), 0, "an installation goes");
	is_int(store_find_token(&s.st, one.oauth_id, &got), 404,
	    "... and its token with it");
	is_int(store_find_token(&s.st, other.oauth_id, &got), 0,
	    "... and no other token");
	scratch_close(&s);
}

/* The setting of that name; "" for none, NULL on failure.  Static. */
static const char *
setting(const struct store *st, const char *oauth_id, const char *name)
{
	static char value[BOOK_VALUE_MAX];
	struct json_object *settings;
	const char *text = "";

	if (store_settings(st, oauth_id, &settings) != 0)
		return NULL;
	json_string(settings, name, sizeof(value) - 1, &text);
	snprintf(value, sizeof(value), "%s", text);
	json_object_put(settings);
	return value;
}

static void
test_settings(void)
{
	const struct installation one = sample(1, 1), other = sample(2, 1);
	char large[BOOK_VALUE_MAX];
	struct capture log;
	struct scratch s;

	scratch_open(&s);
	put_over(&s.st, &one);
	put_over(&s.st, &other);
	ok(strcmp(setting(&s.st, one.oauth_id, "a"), "") == 0,
	    "no setting before the first");
	is_int(store_set(&s.st, one.oauth_id, "a", "1"), 0, "one is set");
	is_int(store_set(&s.st, one.oauth_id, "b", "\xc3\xa9\"\n"), 0,
	    "... and another");
	ok(strcmp(setting(&s.st, one.oauth_id, "a"), "1") == 0 &&
		strcmp(setting(&s.st, one.oauth_id, "b"), "\xc3\xa9\"\n") == 0,
	    "... and both are kept");
	ok(strcmp(setting(&s.st, other.oauth_id, "a"), "") == 0,
	    "... for this installation only");
	store_set(&s.st, one.oauth_id, "a", "");
	ok(strcmp(setting(&s.st, one.oauth_id, "a"), "") == 0, "it is removed");

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	capture_start(&log);
	is_int(store_set(&s.st, one.oauth_id, "a", large), 413,
	    "a value that is too large");
	is_line(capture_stop(&log), "settings: record", "... which is logged");
	ok(strcmp(setting(&s.st, one.oauth_id, "b"), "\xc3\xa9\"\n") == 0,
	    "... changes nothing");

	store_set(&s.st, other.oauth_id, "a", "2");
	is_int(store_remove(&s.st, &one), 0, "an installation goes");
	ok(strcmp(setting(&s.st, one.oauth_id, "b"), "") == 0,
	    "... and its settings with it");
	capture_start(&log);
	is_int(store_set(&s.st, one.oauth_id, "b", "1"), 409,
	    "... and no more can be set");
	is_line(capture_stop(&log), one.oauth_id, "... which is logged");
	ok(strcmp(setting(&s.st, other.oauth_id, "a"), "2") == 0,
	    "... and no other's");
	scratch_close(&s);
}

/* Processes that set a name of their own each, at the same time. */
static void
test_settings_at_once(void)
{
	const struct installation inst = sample(1, 1);
	struct scratch s;
	int i, status, wrong = 0;
	char name[16];

	scratch_open(&s);
	put_over(&s.st, &inst);
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		if (fork() == 0)
			_exit(store_set(&s.st, inst.oauth_id, name, name));
	}
	while (wait(&status) > 0)
		wrong += status != 0;
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		wrong += strcmp(setting(&s.st, inst.oauth_id, name), name) != 0;
	}
	is_int(wrong, 0, "four set at once are all kept");
	scratch_close(&s);
}

static void
fill(char *text, size_t size, char c)
{
	memset(text, c, size - 1);
	text[size - 1] = '\0';
}

static void
test_largest(void)
{
	struct installation inst, got;
	struct scratch s;

	scratch_open(&s);
	memset(&inst, 0, sizeof(inst));
	fill(inst.oauth_id, sizeof(inst.oauth_id), '~');
	fill(inst.oauth_secret, sizeof(inst.oauth_secret), '"');
	fill(inst.capabilities_url, sizeof(inst.capabilities_url), '\\');
	fill(inst.token_url, sizeof(inst.token_url), '/');
	fill(inst.api_url, sizeof(inst.api_url), '"');
	inst.group_id = inst.room_id = INT64_MAX - 1;
	is_int(put_over(&s.st, &inst), 0, "every member at its largest");
	is_int(store_find(&s.st, inst.oauth_id, &got), 0, "... is found");
	ok(sample_same(&got, &inst), "... and the same");
	scratch_close(&s);
}

/* Several pages of records, and some removed. */
static void
test_many(void)
{
	enum { MANY = 200 };
	struct scratch s;
	int i, wrong = 0;

	scratch_open(&s);
	for (i = 0; i < MANY; i++)
		wrong += sample_put(&s.st, i, 1) != 0;
	is_int(wrong, 0, "%d installations are put", MANY);
	for (i = 0; i < MANY; i += 3) {
		const struct installation inst = sample(i, 1);

		wrong += store_remove(&s.st, &inst) != 0;
	}
	is_int(wrong, 0, "every third one is removed");
	for (i = 0; i < MANY; i++)
		wrong += sample_stored(&s.st, i, 1) != (i % 3 != 0);
	is_int(wrong, 0, "the others are there, and only those");
	scratch_close(&s);
}

/* ---- records that are not ours, in a sound file ---- */

static void
test_records(void)
{
	static const char start[] =
	    "{\"oauthId\":\"i\",\"oauthSecret\":\"s\","
	    "\"capabilitiesUrl\":\"u\",\"groupId\":1";
	static const char *const ends[] = { "", ",\"tokenUrl\":\"t\"}",
		",\"tokenUrl\":\"t\",\"apiUrl\":null}",
		",\"tokenUrl\":\"\",\"apiUrl\":\"a\"}" };
	char value[20000], path[SCRATCH_PATH];
	struct installation got;
	struct capture log;
	struct scratch s;
	size_t i;

	scratch_open(&s);
	if (mkdir(scratch_path(&s, "installations", path), 0700) != 0)
		die(path);
	scratch_record(s.dir, "installations", "i", path);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(value, sizeof(value), "%s%s", start, ends[i]);
		unlink(path);
		plant_record(path, "i", value);
		capture_start(&log);
		is_int(store_find(&s.st, "i", &got), 500, "no record: ...%s",
		    ends[i]);
		is_line(capture_stop(&log),
		    "installations: ", "... which is logged");
	}
	memset(value, ' ', sizeof(value));
	strcpy(value + sizeof(value) - 3, "{}");
	unlink(path);
	plant_record(path, "i", value);
	capture_start(&log);
	is_int(store_find(&s.st, "i", &got), 500, "a record of 20,000 bytes");
	is_line(capture_stop(&log), "installations/", "... which is logged");
	snprintf(value, sizeof(value),
	    "%s,\"tokenUrl\":\"t\","
	    "\"apiUrl\":\"a\",\"later\":{\"member\":[1]}}",
	    start);
	unlink(path);
	plant_record(path, "i", value);
	is_int(store_find(&s.st, "i", &got), 0,
	    "a record with members of a later version is fine");
	scratch_close(&s);
}

/* ---- the directory ---- */

/* In a process of its own, for it ceases to be root. */
static int
put_unwritable(const struct scratch *s)
{
	struct installation inst = sample(1, 1);
	struct datadir data;
	struct store st;
	int status;

	if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
		return 1;
	if (datadir_open(&data, s->dir) != 0 || store_open(&st, &data) != 0)
		return 2;
	status = store_put(&st, &inst, &inst);
	if (status == 500)
		status = store_remove(&st, &inst);
	if (status == 500 && store_find(&st, inst.oauth_id, &inst) != 0)
		return 3;
	return status == 500 ? 0 : 4;
}

static void
test_unwritable(void)
{
	struct capture log;
	struct scratch s;
	char path[SCRATCH_PATH];
	int status = -1;
	pid_t pid;

	scratch_open(&s);
	sample_put(&s.st, 1, 1);
	if (unlink(scratch_path(&s, "lock", path)) != 0 ||
	    chmod(s.dir, 0500) != 0 ||
	    (geteuid() == 0 &&
		(chown(s.dir, NOBODY, NOBODY) != 0 ||
		    chown(scratch_path(&s, "installations", path), NOBODY,
			NOBODY) != 0 ||
		    chown(sample_path(&s, 1, path), NOBODY, NOBODY) != 0)))
		die(s.dir);
	capture_start(&log);
	if ((pid = fork()) == 0)
		_exit(put_unwritable(&s));
	waitpid(pid, &status, 0);
	is_int(status, 0, "an unwritable directory: 500, and reading goes on");
	is_str(capture_stop(&log),
	    "hipchat-cgi: lock: opening: Permission denied\n"
	    "hipchat-cgi: lock: opening: Permission denied\n",
	    "... and each is logged once");
	if (chmod(s.dir, 0700) != 0)
		die(s.dir);
	scratch_close(&s);
}

static void
test_umask(mode_t mask)
{
	const struct installation inst = sample(1, 1);
	const struct token token = { "token", 1 };
	static const struct {
		const char *name;
		mode_t mode;
	} table[] = { { "installations", 0700 }, { "tokens", 0700 },
		{ "lock", 0600 } };
	char path[SCRATCH_PATH];
	struct scratch s;
	struct stat sb;
	mode_t before;
	size_t i;

	scratch_open(&s);
	datadir_close(&s.data);
	before = umask(mask);
	if (datadir_open(&s.data, s.dir) != 0)
		die(s.dir);
	is_int(sample_put(&s.st, 1, 1), 0, "umask %03o: put",
	    (unsigned int)mask);
	store_put_token(&s.st, &inst, &token);
	is_int(sample_put(&s.st, 2, 1), 0, "... and put again");
	ok(sample_stored(&s.st, 1, 1), "... and found");
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (stat(scratch_path(&s, table[i].name, path), &sb) != 0)
			die(path);
		is_int(sb.st_mode & 07777, table[i].mode, "... %s is private",
		    table[i].name);
	}
	if (stat(sample_path(&s, 1, path), &sb) != 0)
		die(path);
	is_int(sb.st_mode & 07777, 0600, "... and so is what is in it");
	scratch_close(&s);
	umask(before);
}

/*
 * DB_CONFIG is Berkeley DB's own: nobody here writes one.  One that is there,
 * in the current directory or in the data directory, is not looked at.
 */
static void
test_db_config(void)
{
	static const char *const configs[] = { "nonsense\n",
		"set_data_dir sub\n", "set_cachesize 0 1 1\n",
		"set_create_dir sub\n", "set_verbose DB_VERB_RECOVERY on\n" };
	char path[SCRATCH_PATH], cwd[4096];
	struct capture log;
	struct scratch s;
	int i, n = (int)(sizeof(configs) / sizeof(configs[0]));

	scratch_open(&s);
	sample_put(&s.st, 1, 1);
	if (getcwd(cwd, sizeof(cwd)) == NULL ||
	    mkdir(scratch_path(&s, "sub", path), 0700) != 0 ||
	    mkdir(scratch_path(&s, "cwd", path), 0700) != 0 || chdir(path) != 0)
		die(path);
	scratch_path(&s, "DB_CONFIG", path);
	capture_start(&log);
	for (i = 0; i < n; i++) {
		image_write("DB_CONFIG", configs[i], strlen(configs[i]));
		image_write(path, configs[i], strlen(configs[i]));
		ok(sample_stored(&s.st, 1, i + 1) &&
			sample_put(&s.st, 1, i + 2) == 0,
		    "found and put in spite of a stray DB_CONFIG, %.*s",
		    (int)strcspn(configs[i], "\n"), configs[i]);
	}
	is_line(capture_stop(&log), "", "... and nothing is logged");
	unlink(path);
	ok(sample_stored(&s.st, 1, n + 1), "without it, all is there");
	if (chdir(cwd) != 0)
		die(cwd);
	scratch_close(&s);
}

static void
test_leftovers(void)
{
	static const char *const names[] = { "installations/new",
		"installations/__db.new", "tokens/new", "tokens/__db.new" };
	const struct installation inst = sample(1, 1);
	const struct token token = { "token", 1 };
	char path[SCRATCH_PATH];
	struct image db;
	struct scratch s;
	size_t i;

	scratch_open(&s);
	sample_put(&s.st, 1, 1);
	store_put_token(&s.st, &inst, &token);
	db = image_read(sample_path(&s, 1, path));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		image_write(scratch_path(&s, names[i], path), "", 0);
		ok(put_over(&s.st, &inst) == 0 &&
			store_put_token(&s.st, &inst, &token) == 0,
		    "an empty %s is no obstacle", names[i]);
		ok(access(path, F_OK) != 0, "... and gone");
		image_write(path, db.data, db.len);
		ok(put_over(&s.st, &inst) == 0 &&
			store_put_token(&s.st, &inst, &token) == 0,
		    "nor is a whole one");
		ok(access(path, F_OK) != 0, "... and gone");
	}
	free(db.data);
	scratch_close(&s);
}

/* ---- the lock ---- */

/* A process that holds the lock until it is killed. */
static pid_t
hold_lock(const struct scratch *s)
{
	char path[SCRATCH_PATH], held;
	int fds[2], fd;
	pid_t pid;

	if (pipe(fds) != 0 || (pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		fd = open(scratch_path(s, "lock", path), O_RDWR);
		if (flock(fd, LOCK_EX) == 0 && write(fds[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(fds[1]);
	if (read(fds[0], &held, 1) != 1)
		die("the lock");
	close(fds[0]);
	return pid;
}

/* The slow one: a put, a removal and a token, which all wait in vain. */
static void
test_lock(void)
{
	const struct token token = { "token", 1 };
	const struct installation inst = sample(1, 1);
	struct scratch s;
	struct capture log;
	int i, status[3] = { -1, -1, -1 };
	pid_t holder, waiters[3];

	scratch_open(&s);
	sample_put(&s.st, 1, 1);
	holder = hold_lock(&s);
	capture_start(&log);
	for (i = 0; i < 3; i++)
		if ((waiters[i] = fork()) == 0)
			_exit((i == 0	     ? sample_put(&s.st, 1, 2) :
				      i == 1 ? store_remove(&s.st, &inst) :
					       store_put_token(&s.st, &inst,
						   &token)) == 503 ?
				0 :
				1);
	ok(sample_stored(&s.st, 1, 1), "readers do not wait for the lock");
	for (i = 0; i < 3; i++)
		waitpid(waiters[i], &status[i], 0);
	is_str(capture_stop(&log),
	    "hipchat-cgi: lock: not free for 10 s\n"
	    "hipchat-cgi: lock: not free for 10 s\n"
	    "hipchat-cgi: lock: not free for 10 s\n",
	    "a lock that stays taken is logged");
	is_int(status[0], 0, "... a put answers 503");
	is_int(status[1], 0, "... a removal answers 503");
	is_int(status[2], 0, "... a token answers 503");
	ok(sample_stored(&s.st, 1, 1), "... and nothing has changed");
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	is_int(sample_put(&s.st, 1, 2), 0,
	    "the lock of a killed process is free");
	scratch_close(&s);
}

/* Whoever is in a hurry does not wait. */
static void
test_hurried(void)
{
	const struct token token = { "token", 1 };
	const struct installation inst = sample(1, 1);
	struct capture log;
	struct scratch s;
	pid_t holder;

	scratch_open(&s);
	put_over(&s.st, &inst);
	s.st.hurried = true;
	holder = hold_lock(&s);
	capture_start(&log);
	alarm(5); /* half as long as others wait */
	is_int(store_put_token(&s.st, &inst, &token), 503,
	    "in a hurry, a token is not stored while the lock is taken");
	is_int(store_remove(&s.st, &inst), 503, "... and nothing removed");
	alarm(0);
	is_str(capture_stop(&log), "", "... and nothing is logged");
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	is_int(store_put_token(&s.st, &inst, &token), 0,
	    "when it is free, the token is stored");
	is_int(store_remove(&s.st, &inst), 0, "... and all removed");
	scratch_close(&s);
}

/* Put an installation where none was, n at once; how many end so? */
static int
put_at_once(bool same_secret, int n, int expected)
{
	const struct installation none = { .oauth_secret = "" };
	struct capture log;
	struct scratch s;
	int i, status, got = 0;

	scratch_open(&s);
	capture_start(&log);
	for (i = 0; i < n; i++) {
		const struct installation inst = sample(1, same_secret ? 1 : i);

		if (fork() == 0)
			_exit(
			    store_put(&s.st, &inst, &none) == expected ? 0 : 1);
	}
	while (wait(&status) > 0)
		got += status == 0;
	capture_stop(&log);
	scratch_close(&s);
	return got;
}

static void
test_race(void)
{
	is_int(put_at_once(true, 8, 0), 8,
	    "the same installation, eight times at once, is put each time");
	is_int(put_at_once(false, 8, 409), 7,
	    "of eight with secrets of their own, seven are refused");
}

/* ---- nothing is left open ---- */

static void
test_files(void)
{
	const struct installation inst = sample(1, 1);
	const int before = open_files();
	struct installation got;
	struct token token = { "token", 1 };
	struct scratch s;

	scratch_open(&s);
	put_over(&s.st, &inst);
	store_put_token(&s.st, &inst, &token);
	store_find(&s.st, inst.oauth_id, &got);
	store_find_token(&s.st, inst.oauth_id, &token);
	store_remove(&s.st, &inst);
	store_find(&s.st, inst.oauth_id, &got);
	scratch_close(&s);
	is_int(open_files(), before, "no file is left open");
}

/* In a process of its own, which takes all descriptors that there are. */
static int
without_descriptors(const struct scratch *s)
{
	const struct rlimit limit = { 64, 64 };
	const struct installation inst = sample(1, 1);
	struct installation got;
	struct datadir data;

	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1;
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	if (store_find(&s->st, inst.oauth_id, &got) != 503)
		return 2;
	if (store_put_token(&s->st, &inst, &(struct token){ "token", 1 }) !=
	    503)
		return 3;
	return datadir_open(&data, s->dir) == 503 ? 0 : 4;
}

static void
test_descriptors(void)
{
	struct capture log;
	struct scratch s;
	int status = -1;
	pid_t pid;

	scratch_open(&s);
	sample_put(&s.st, 1, 1);
	capture_start(&log);
	if ((pid = fork()) == 0)
		_exit(without_descriptors(&s));
	waitpid(pid, &status, 0);
	capture_stop(&log);
	is_int(WEXITSTATUS(status), 0, "without a descriptor all is 503");
	ok(strstr(log.text, "reading: Too many open files\n") != NULL,
	    "... and the log says why");
	scratch_close(&s);
}

int
main(void)
{
	test_installations();
	test_mismatch();
	test_tokens();
	test_late_token();
	test_token_race();
	test_stamp();
	test_settings();
	test_settings_at_once();
	test_largest();
	test_many();
	test_records();
	test_unwritable();
	test_umask(0);
	test_umask(0777);
	test_db_config();
	test_leftovers();
	test_files();
	test_descriptors();
	test_lock();
	test_hurried();
	test_race();
	return done();
}
