/*
 * fill: a store with many installations, as an older version of the add-on kept
 * them: one file, which the endpoints take over at their first change.
 *
 *	fill DATA_DIR COUNT HIPCHAT
 *
 * The installations fill-000000 and so on are for the whole group of the
 * HipChat that has this URL, a sink (sink.c), and their secret is "secret".
 */
#include <db.h>
#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "installation.h"
#include "json.h"

static void
check(const char *path, int ret)
{
	if (ret != 0)
		errx(1, "%s: %s", path, db_strerror(ret));
}

static DB *
create(const char *path)
{
	DB *db;

	check(path, db_create(&db, NULL, 0));
	check(path, db->set_flags(db, DB_CHKSUM));
	check(path, db->set_pagesize(db, 4096));
	check(path,
	    db->open(db, NULL, path, NULL, DB_BTREE, DB_CREATE | DB_EXCL,
		0600));
	return db;
}

static void
make(struct installation *inst, long number, const char *hipchat)
{
	*inst = (struct installation){ .oauth_secret = "secret",
		.group_id = 1,
		.installed = 1500000000 };
	snprintf(inst->oauth_id, sizeof(inst->oauth_id), "fill-%06ld", number);
	snprintf(inst->capabilities_url, STORE_URL_MAX, "%s/capabilities",
	    hipchat);
	snprintf(inst->token_url, STORE_URL_MAX, "%s/oauth/token", hipchat);
	snprintf(inst->api_url, STORE_URL_MAX, "%s", hipchat);
}

static void
put(DB *db, const char *path, const struct installation *inst)
{
	struct json_object *doc = installation_json(inst);
	const char *id = inst->oauth_id, *text = json_text(doc);
	DBT key = { .size = (u_int32_t)strlen(id) };
	DBT data = { .size = (u_int32_t)strlen(text) };

	memcpy(&key.data, &id, sizeof(id)); /* data is not const */
	memcpy(&data.data, &text, sizeof(text));
	check(path, db->put(db, NULL, &key, &data, 0));
	json_object_put(doc);
}

int
main(int argc, char *argv[])
{
	struct installation inst;
	char path[PATH_MAX];
	long i, count;
	DB *db;

	if (argc != 4)
		errx(2, "usage: fill DATA_DIR COUNT HIPCHAT");
	snprintf(path, sizeof(path), "%s/installations.db", argv[1]);
	count = strtol(argv[2], NULL, 10);
	db = create(path);
	for (i = 0; i < count; i++) {
		make(&inst, i, argv[3]);
		put(db, path, &inst);
	}
	check(path, db->close(db, 0));
	return 0;
}
