/*
 * test-store-takeover: what an older version has left is there, before it is
 * taken over and afterwards.  That it may be killed or fail at any call while
 * it does that is test-store-damage's.
 */
#include "capture.h"
#include "json.h"
#include "scratch.h"
#include "store.h"
#include "tap.h"

static const struct token token = { "token", 4102444800 };

static bool
is_there(const struct scratch *s, const char *name)
{
	char path[SCRATCH_PATH];

	return access(scratch_path(s, name, path), F_OK) == 0;
}

/* How many installations are listed; *sorted: in order, and each once. */
static int
listed(const struct store *st, bool *sorted)
{
	const char *id, *last = "";
	char *ids;
	int n = 0;

	*sorted = true;
	if (store_ids(st, &ids) != 0)
		return -1;
	for (id = ids; *id != '\0'; id += strlen(id) + 1, n++) {
		*sorted = *sorted && strcmp(last, id) < 0;
		last = id;
	}
	free(ids);
	return n;
}

static void
test_reading(void)
{
	const struct installation inst = sample(3, 1);
	struct stamp before, after;
	struct capture log;
	struct scratch s;
	bool sorted;

	scratch_open(&s);
	plant_old(&s, 1, 5, 1);
	capture_start(&log);
	ok(sample_stored(&s.st, 3, 1), "an older version's record is found");
	ok(!sample_stored(&s.st, 6, 1), "... and no other");
	is_int(store_stamp(&s.st, inst.oauth_id, &before), 0, "it has a stamp");
	is_int(listed(&s.st, &sorted), 5, "five are listed");
	ok(!is_there(&s, "installations"), "none of that takes them over");
	is_int(store_stamp(&s.st, inst.oauth_id, &after), 0, "... the stamp");
	ok(memcmp(&before, &after, sizeof(after)) == 0, "... is the same");
	is_str(capture_stop(&log), "", "... and nothing was logged");

	capture_start(&log);
	is_int(sample_put(&s.st, 6, 1), 0, "a change takes them over");
	is_line(capture_stop(&log),
	    "installations.db: 5 records, now in installations/",
	    "... which is logged");
	ok(!is_there(&s, "installations.db"), "... the old file is gone");
	ok(sample_stored(&s.st, 3, 1), "... what was in it is found");
	is_int(listed(&s.st, &sorted), 6, "... six are listed");
	ok(sorted, "... in order");
	store_stamp(&s.st, inst.oauth_id, &after);
	ok(memcmp(&before, &after, sizeof(after)) != 0,
	    "... and the stamp is another");
	scratch_close(&s);
}

/* As a program of the older version writes it that is still running. */
static void
test_both(void)
{
	struct capture log;
	struct scratch s;
	bool sorted;

	scratch_open(&s);
	sample_put(&s.st, 1, 1);
	sample_put(&s.st, 2, 1);
	plant_old(&s, 2, 2, 7);
	ok(sample_stored(&s.st, 2, 7), "with both, the old file's counts");
	ok(sample_stored(&s.st, 1, 1), "... then the folder's");
	is_int(listed(&s.st, &sorted), 3, "... all are listed");
	ok(sorted, "... each once, in order");
	capture_start(&log);
	is_int(sample_put(&s.st, 4, 1), 0, "a change takes over");
	capture_stop(&log);
	ok(sample_stored(&s.st, 1, 1) && sample_stored(&s.st, 2, 7) &&
		sample_stored(&s.st, 3, 7) && sample_stored(&s.st, 4, 1),
	    "... and all are there");
	scratch_close(&s);
}

static void
test_damaged(void)
{
	const struct installation inst = sample(1, 1);
	char path[SCRATCH_PATH];
	struct image whole, damaged;
	struct installation got;
	struct capture log;
	struct scratch s;

	scratch_open(&s);
	plant_old(&s, 1, 50, 1);
	whole = image_read(scratch_path(&s, "installations.db", path));
	memset(whole.data + 2 * 4096, 0, 4096);
	image_write(path, whole.data, whole.len);
	damaged = image_read(path);
	capture_start(&log);
	is_int(store_find(&s.st, inst.oauth_id, &got), 500,
	    "a damaged old file: 500");
	is_int(sample_put(&s.st, 60, 1), 500, "... to change it: 500");
	is_int(store_remove(&s.st, &inst), 500, "... to remove it: 500");
	is_int(store_put_token(&s.st, &inst, &token), 500, "... a token: 500");
	ok(strstr(capture_stop(&log), "installations.db: reading: ") != NULL,
	    "... the log says why");
	ok(image_same(path, &damaged) && !is_there(&s, "installations"),
	    "... and it stays as it is");
	free(whole.data);
	free(damaged.data);
	scratch_close(&s);
}

static void
test_others(void)
{
	const struct installation inst = sample(1, 1);
	char path[SCRATCH_PATH];
	struct json_object *settings;
	struct capture log;
	struct scratch s;
	struct token got;

	scratch_open(&s);
	plant_old(&s, 1, 1, 1);
	plant_record(scratch_path(&s, "settings.db", path), inst.oauth_id,
	    "{\"a\":\"1\"}");
	plant_record(scratch_path(&s, "tokens.db", path), inst.oauth_id,
	    "{\"token\":\"old\",\"expires\":4102444800}");
	image_write(scratch_path(&s, "tokens.db.tmp", path), "", 0);
	is_int(store_find_token(&s.st, inst.oauth_id, &got), 404,
	    "an older version's tokens are not used");
	capture_start(&log);
	is_int(store_put_token(&s.st, &inst, &token), 0, "... nor kept");
	ok(!is_there(&s, "tokens.db") && !is_there(&s, "tokens.db.tmp"),
	    "... nor is what a killed one has left");
	is_int(store_set(&s.st, inst.oauth_id, "b", "2"), 0, "its settings");
	capture_stop(&log);
	is_int(store_settings(&s.st, inst.oauth_id, &settings), 0, "... are");
	is_str(json_text(settings), "{\"a\":\"1\",\"b\":\"2\"}", "... kept");
	json_object_put(settings);
	ok(!is_there(&s, "settings.db"), "... and taken over");
	scratch_close(&s);
}

/* Some records are so large that they are on pages of their own. */
static void
test_many(int n)
{
	struct installation large = sample(n, 1);
	char path[SCRATCH_PATH];
	struct json_object *doc;
	int i, wrong = 0;
	struct capture log;
	struct scratch s;
	bool sorted;

	scratch_open(&s);
	plant_old(&s, 0, n, 1);
	memset(large.api_url + 27, 'x', STORE_URL_MAX - 28);
	memset(large.token_url + 27, 'x', STORE_URL_MAX - 28);
	doc = installation_json(&large);
	plant_record(scratch_path(&s, "installations.db", path), large.oauth_id,
	    json_text(doc));
	json_object_put(doc);
	capture_start(&log);
	is_int(sample_put(&s.st, n + 1, 1), 0, "%d are taken over", n + 1);
	capture_stop(&log);
	is_int(listed(&s.st, &sorted), n + 2, "... all are listed");
	for (i = 0; i < n; i += 1 + n / 500)
		wrong += !sample_stored(&s.st, i, 1);
	is_int(wrong, 0, "... and there");
	is_int(put_over(&s.st, &large), 0, "... the large one as well");
	is_int(store_remove(&s.st, &large), 0, "one is removed");
	is_int(listed(&s.st, &sorted), n + 1, "... and no other");
	scratch_close(&s);
}

/* A folder that a killed writer has made: its name is to be made durable. */
static void
test_bit(void)
{
	char path[SCRATCH_PATH];
	struct scratch s;
	struct stat sb;

	scratch_open(&s);
	if (mkdir(scratch_path(&s, "installations", path), 01700) != 0)
		die(path);
	is_int(sample_put(&s.st, 1, 1), 0, "into a folder with its bit set");
	is_int(stat(path, &sb) == 0 ? sb.st_mode & 07777 : 0, 0700,
	    "... the bit goes");
	scratch_close(&s);
}

int
main(void)
{
	test_reading();
	test_both();
	test_damaged();
	test_others();
	test_many(1);
	test_many(10000);
	test_bit();
	return done();
}
