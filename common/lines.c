/*
 * lines: see lines.h, and outbox.h for what they look like.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "lines.h"

/* Largest head of a line, terminating NUL included. */
#define HEAD_MAX (STORE_ID_MAX + 256)

bool
line_key_fits(const char *key)
{
	return key[strspn(key, "0123456789abcdef")] == '\0';
}

bool
line_id_fits(const char *id)
{
	return strspn(id, "0123456789") >= 10 &&
	    id[strspn(id, "0123456789-")] == '\0' && strlen(id) < OUTBOX_ID_MAX;
}

int64_t
line_arrival(const char *id)
{
	char seconds[11];

	snprintf(seconds, sizeof(seconds), "%.10s", id);
	return strtoll(seconds, NULL, 10);
}

/* Copy the next word; false if there is none, or it is too long. */
static bool
take_word(const char **p, char *out, size_t size)
{
	const size_t len = strcspn(*p, " ");

	if (len == 0 || len >= size || (*p)[len] != ' ')
		return false;
	memcpy(out, *p, len);
	out[len] = '\0';
	*p += len + 1;
	return true;
}

/*
 * Take the head of a line apart; returns where the text begins, or NULL if it
 * is not one of ours.
 */
static const char *
read_head(const char *line, struct outbox_entry *entry)
{
	char mark[2], kind[2], room[20];

	if (!take_word(&line, mark, sizeof(mark)) ||
	    !take_word(&line, kind, sizeof(kind)) ||
	    !take_word(&line, entry->id, sizeof(entry->id)) ||
	    !take_word(&line, entry->oauth_id, sizeof(entry->oauth_id)) ||
	    !take_word(&line, room, sizeof(room)) ||
	    !take_word(&line, entry->key, sizeof(entry->key)))
		return NULL;
	if (strcmp(entry->key, "-") == 0)
		*entry->key = '\0';
	entry->kind = *kind == 'r' ? OUTBOX_REMOVAL : OUTBOX_MESSAGE;
	entry->room_id = strtoll(room, NULL, 10);
	if (strchr("mr", *kind) == NULL || !line_id_fits(entry->id) ||
	    !installation_id_fits(entry->oauth_id) ||
	    !line_key_fits(entry->key) ||
	    room[strspn(room, "0123456789")] != '\0' ||
	    (entry->room_id == 0) != (entry->kind == OUTBOX_REMOVAL))
		return NULL;
	entry->arrived = line_arrival(entry->id);
	return line;
}

enum line
line_read(const char *line, const struct journal_place *place,
    struct outbox_entry *entry)
{
	const char *text = read_head(line, entry);
	const size_t len = strlen(line);

	entry->place = *place;
	entry->claimed = *line == 'c';
	if (text == NULL) {
		*entry->key = '\0';
		entry->arrived = 0;
	}
	if (strchr(SETTLED, *line) != NULL)
		return LINE_SETTLED;
	if (text == NULL || (*line != 'q' && *line != 'c'))
		return LINE_ODD;
	if (strchr(text, '\t') != NULL)
		return LINE_BLANK;
	/* whoever was killed while writing it has not acknowledged it */
	return len == place->len && *text == '{' && line[len - 1] == '}' ?
	    LINE_OPEN :
	    LINE_ODD;
}

/* Take the members of the text; NULL, or what is wrong. */
static const char *
read_text(const char *text, struct outbox_message *msg)
{
	struct json_object *doc, *part;
	const char *why, *word;

	if ((doc = json_read(text, strlen(text), &why)) == NULL)
		return why;
	if (json_string(doc, "webhook", sizeof(msg->webhook) - 1, &word) == 1)
		strcpy(msg->webhook, word);
	if (json_string(doc, "reason", sizeof(msg->reason) - 1, &word) == 1)
		strcpy(msg->reason, word);
	if (msg->kind == OUTBOX_REMOVAL)
		why = NULL;
	else if (!json_object_object_get_ex(doc, "notification", &part) ||
	    !json_object_is_type(part, json_type_object))
		why = "no notification";
	else
		msg->notification = json_object_get(part);
	json_object_put(doc);
	return why;
}

const char *
line_message(const char *line, const struct outbox_entry *entry,
    struct outbox_message *msg)
{
	msg->kind = entry->kind;
	strcpy(msg->id, entry->id);
	strcpy(msg->oauth_id, entry->oauth_id);
	msg->room_id = entry->room_id;
	strcpy(msg->key, entry->key);
	return read_text(line + strcspn(line, "{"), msg);
}

int
line_append(struct journal *j, const struct outbox_message *msg,
    struct json_object *notification, const char *reason)
{
	struct json_object *doc = json_new();
	char head[HEAD_MAX];
	int status;

	snprintf(head, sizeof(head), "q %c %s %s %lld %s ",
	    msg->kind == OUTBOX_REMOVAL ? 'r' : 'm', msg->id, msg->oauth_id,
	    (long long)msg->room_id, *msg->key != '\0' ? msg->key : "-");
	if (*msg->webhook != '\0')
		json_add_string(doc, "webhook", msg->webhook);
	if (*reason != '\0')
		json_add_string(doc, "reason", reason);
	if (notification != NULL)
		json_add(doc, "notification", json_object_get(notification));
	status = journal_append(j, head, json_text(doc));
	json_object_put(doc);
	return status;
}
