/*
 * store: see store.h.
 */
#include <string.h>

#include "dbfile.h"
#include "json.h"
#include "log.h"
#include "status.h"
#include "store.h"

/* How often to try a change while others are faster. */
#define TRIES 5

int
store_open(struct store *st, const struct datadir *dir)
{
	st->installations =
	    (struct book){ .dir = dir, .name = "installations" };
	st->tokens =
	    (struct book){ .dir = dir, .name = "tokens", .cache = true };
	st->settings = (struct book){ .dir = dir, .name = "settings" };
	st->hurried = false;
	return dbfile_check_library();
}

void
store_remember(struct store *st, struct memory *memory)
{
	st->installations.memory = memory;
	st->tokens.memory = memory;
	st->settings.memory = memory;
}

int
store_stamp(const struct store *st, const char *oauth_id, struct stamp *stamp)
{
	return book_stamp(&st->installations, oauth_id, stamp);
}

/* The installation, and its record as it is stored. */
static int
read_record(const struct store *st, const char *oauth_id,
    char record[BOOK_VALUE_MAX], struct installation *inst)
{
	const int status = book_get(&st->installations, oauth_id, record);
	const char *why;

	if (status != 0)
		return status;
	if ((why = installation_load(record, inst)) == NULL)
		return 0;
	log_line("%s: record of %s: %s", st->installations.name, oauth_id, why);
	return HTTP_INTERNAL_SERVER_ERROR;
}

int
store_find(const struct store *st, const char *oauth_id,
    struct installation *inst)
{
	char record[BOOK_VALUE_MAX];

	return read_record(st, oauth_id, record, inst);
}

int
store_ids(const struct store *st, char **ids)
{
	return book_keys(&st->installations, ids);
}

/* The record, if its secret ("" if there is none) is one of these two. */
static int
read_expected(const struct store *st, const char *oauth_id,
    char record[BOOK_VALUE_MAX], const char *secret, const char *or_secret)
{
	struct installation now = { .oauth_secret = "" };
	const int status = read_record(st, oauth_id, record, &now);

	if ((status != 0 && status != HTTP_NOT_FOUND) ||
	    strcmp(now.oauth_secret, secret) == 0 ||
	    strcmp(now.oauth_secret, or_secret) == 0)
		return status;
	log_line("%s was installed again: nothing done", oauth_id);
	return HTTP_CONFLICT;
}

/*
 * Replace the record, if it is as expected, or remove it with what depends on
 * it; if killed before it goes, the removal will be requested again.
 */
static int
swap_record(const struct store *st, const char *oauth_id, const char *expected,
    const char *value)
{
	const struct book_change changes[] = {
		{ &st->tokens, oauth_id, .any = true },
		{ &st->settings, oauth_id, .any = true },
		{ &st->installations, oauth_id, .expected = expected,
		    .value = value },
	};

	return value != NULL ? book_swap(&changes[2], 1, st->hurried) :
			       book_swap(changes, 3, st->hurried);
}

static int
give_up(const char *oauth_id)
{
	log_line("%s: others keep changing it", oauth_id);
	return HTTP_SERVICE_UNAVAILABLE;
}

/* Replace the record with one of these secrets, or remove it (value NULL). */
static int
change(const struct store *st, const char *oauth_id, const char *value,
    const char *secret, const char *or_secret)
{
	char record[BOOK_VALUE_MAX];
	int found, status, tries;

	for (tries = 0; tries < TRIES; tries++) {
		found = read_expected(st, oauth_id, record, secret, or_secret);
		if (found != 0 && found != HTTP_NOT_FOUND)
			return found;
		if (found == HTTP_NOT_FOUND && value == NULL)
			return 0;
		status = swap_record(st, oauth_id, found == 0 ? record : NULL,
		    value);
		if (status != HTTP_CONFLICT)
			return status;
	}
	return give_up(oauth_id);
}

int
store_put(const struct store *st, const struct installation *inst,
    const struct installation *old)
{
	struct json_object *doc = installation_json(inst);
	const int status = change(st, inst->oauth_id, json_text(doc),
	    inst->oauth_secret, old->oauth_secret);

	json_object_put(doc);
	return status;
}

int
store_remove(const struct store *st, const struct installation *inst)
{
	return change(st, inst->oauth_id, NULL, inst->oauth_secret, "");
}

int
store_find_token(const struct store *st, const char *oauth_id,
    struct token *token)
{
	char record[BOOK_VALUE_MAX];

	/* a cache: treat damaged as empty */
	return book_get(&st->tokens, oauth_id, record) == 0 &&
		token_load(record, token) ?
	    0 :
	    HTTP_NOT_FOUND;
}

/*
 * Read the record beside which something is to be stored.  A conflict if it is
 * gone or has another secret than this (NULL: any).
 */
static int
read_beside(const struct store *st, const char *oauth_id, const char *secret,
    char record[BOOK_VALUE_MAX])
{
	struct installation now;
	const int status = read_record(st, oauth_id, record, &now);

	if (status != HTTP_NOT_FOUND &&
	    (status != 0 || secret == NULL ||
		strcmp(now.oauth_secret, secret) == 0))
		return status;
	log_line("%s was removed or installed again: nothing stored", oauth_id);
	return HTTP_CONFLICT;
}

/* Make the change, if the installation's record is still this one. */
static int
swap_beside(const struct store *st, const char *record,
    const struct book_change *change)
{
	const struct book_change changes[] = {
		{ &st->installations, change->key, .expected = record,
		    .keep = true },
		*change,
	};

	return book_swap(changes, 2, st->hurried);
}

/* Make the change, if the installation is there, with this secret. */
static int
put_beside(const struct store *st, const char *secret,
    const struct book_change *change)
{
	char record[BOOK_VALUE_MAX];
	int status, tries;

	for (tries = 0; tries < TRIES; tries++) {
		status = read_beside(st, change->key, secret, record);
		if (status != 0)
			return status;
		status = swap_beside(st, record, change);
		if (status != HTTP_CONFLICT)
			return status;
	}
	return give_up(change->key);
}

int
store_put_token(const struct store *st, const struct installation *inst,
    const struct token *token)
{
	struct json_object *doc = token_json(token);
	const int status = put_beside(st, inst->oauth_secret,
	    &(struct book_change){ &st->tokens, inst->oauth_id, .any = true,
		.value = json_text(doc) });

	json_object_put(doc);
	return status;
}

/* The settings, and the record that holds them; "" if there is none. */
static int
read_settings(const struct store *st, const char *oauth_id,
    char record[BOOK_VALUE_MAX], struct json_object **settings)
{
	const int status = book_get(&st->settings, oauth_id, record);
	const char *why;

	*settings = NULL;
	if (status == HTTP_NOT_FOUND) {
		*record = '\0';
		*settings = json_new();
		return 0;
	}
	if (status != 0)
		return status;
	*settings = json_read(record, strlen(record), &why);
	if (*settings != NULL)
		return 0;
	log_line("%s: record of %s: %s", st->settings.name, oauth_id, why);
	return HTTP_INTERNAL_SERVER_ERROR;
}

int
store_settings(const struct store *st, const char *oauth_id,
    struct json_object **settings)
{
	char record[BOOK_VALUE_MAX];

	return read_settings(st, oauth_id, record, settings);
}

/* Write the settings, if both records are still the same. */
static int
write_settings(const struct store *st, const char *oauth_id,
    const char *installed, const char *record, struct json_object *settings)
{
	const char *text = json_text(settings);

	if (strlen(text) >= BOOK_VALUE_MAX) {
		log_line("%s: record of %s: too large", st->settings.name,
		    oauth_id);
		return HTTP_CONTENT_TOO_LARGE;
	}
	return swap_beside(st, installed,
	    &(struct book_change){ &st->settings, oauth_id,
		.expected = *record != '\0' ? record : NULL, .value = text });
}

int
store_set(const struct store *st, const char *oauth_id, const char *name,
    const char *value)
{
	char installed[BOOK_VALUE_MAX], record[BOOK_VALUE_MAX];
	struct json_object *settings;
	int status, tries;

	for (tries = 0; tries < TRIES; tries++) {
		status = read_beside(st, oauth_id, NULL, installed);
		if (status != 0)
			return status;
		status = read_settings(st, oauth_id, record, &settings);
		if (status != 0)
			return status;
		if (*value != '\0')
			json_add_string(settings, name, value);
		else
			json_object_object_del(settings, name);
		status =
		    write_settings(st, oauth_id, installed, record, settings);
		json_object_put(settings);
		if (status != HTTP_CONFLICT)
			return status;
	}
	return give_up(oauth_id);
}
