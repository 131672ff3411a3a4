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
	log_line("%s: record of %s: %s", st->installations.file, oauth_id,
	    why);
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

/* Without a token there is nothing to write. */
static int
remove_token(const struct store *st, const char *oauth_id)
{
	struct token token;

	if (store_find_token(st, oauth_id, &token) != 0)
		return 0;
	return book_set(&st->tokens, oauth_id, NULL);
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
		found = read_expected(st, oauth_id, record, secret,
		    or_secret);
		if (found != 0 && found != HTTP_NOT_FOUND)
			return found;
		if (found == HTTP_NOT_FOUND && value == NULL)
			return 0;
		/* if killed after the token, only a cached item is lost */
		status = value == NULL ? remove_token(st, oauth_id) : 0;
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
	    token_load(record, token) ? 0 : HTTP_NOT_FOUND;
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
