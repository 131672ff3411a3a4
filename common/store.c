/*
 * store: see store.h.
 */
#include <string.h>

#include "json.h"
#include "log.h"
#include "status.h"
#include "store.h"

/* How often to try a change while others are faster. */
#define TRIES 5

int
store_open(struct store *st, const struct datadir *dir)
{
	st->installations = (struct book){ dir, "installations.db", false };
	st->tokens = (struct book){ dir, "tokens.db", true };
	st->settings = (struct book){ dir, "settings.db", false };
	return book_check_library();
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
	log_line("%s: record of %s: %s", st->installations.file, oauth_id, why);
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

/* What depends on the installation; if there is nothing, write nothing. */
static int
remove_rest(const struct store *st, const char *oauth_id)
{
	char record[BOOK_VALUE_MAX];
	struct token token;
	int status = 0;

	if (store_find_token(st, oauth_id, &token) == 0)
		status = book_set(&st->tokens, oauth_id, NULL);
	if (status == 0)
		status = book_get(&st->settings, oauth_id, record);
	if (status == 0)
		return book_set(&st->settings, oauth_id, NULL);
	return status == HTTP_NOT_FOUND ? 0 : status;
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
		/* if killed here, the removal will be requested again */
		status = value == NULL ? remove_rest(st, oauth_id) : 0;
		if (status == 0)
			status = book_swap(&st->installations, oauth_id,
			    found == 0 ? record : NULL, value);
		if (status != HTTP_CONFLICT)
			return status;
	}
	log_line("%s: others keep changing it", oauth_id);
	return HTTP_SERVICE_UNAVAILABLE;
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

int
store_put_token(const struct store *st, const char *oauth_id,
    const struct token *token)
{
	struct json_object *doc = token_json(token);
	const int status = book_set(&st->tokens, oauth_id, json_text(doc));

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
	log_line("%s: record of %s: %s", st->settings.file, oauth_id, why);
	return HTTP_INTERNAL_SERVER_ERROR;
}

int
store_settings(const struct store *st, const char *oauth_id,
    struct json_object **settings)
{
	char record[BOOK_VALUE_MAX];

	return read_settings(st, oauth_id, record, settings);
}

/* Write the settings, if the record is still the same. */
static int
write_settings(const struct store *st, const char *oauth_id, const char *record,
    struct json_object *settings)
{
	const char *text = json_text(settings);

	if (strlen(text) >= BOOK_VALUE_MAX) {
		log_line("%s: record of %s: too large", st->settings.file,
		    oauth_id);
		return HTTP_CONTENT_TOO_LARGE;
	}
	return book_swap(&st->settings, oauth_id,
	    *record != '\0' ? record : NULL, text);
}

int
store_set(const struct store *st, const char *oauth_id, const char *name,
    const char *value)
{
	char record[BOOK_VALUE_MAX];
	struct json_object *settings;
	int status, tries;

	for (tries = 0; tries < TRIES; tries++) {
		status = read_settings(st, oauth_id, record, &settings);
		if (status != 0)
			return status;
		if (*value != '\0')
			json_add_string(settings, name, value);
		else
			json_object_object_del(settings, name);
		status = write_settings(st, oauth_id, record, settings);
		json_object_put(settings);
		if (status != HTTP_CONFLICT)
			return status;
	}
	log_line("%s: others change it all the time", oauth_id);
	return HTTP_SERVICE_UNAVAILABLE;
}
