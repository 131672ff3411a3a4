/*
 * notify: see notify.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistr.h>

#include "json.h"
#include "log.h"
#include "notify.h"

static const char ellipsis[] = "\xe2\x80\xa6";

/* The message, cut if necessary, as a JSON string. */
static struct json_object *
message_json(const char *message)
{
	const uint8_t *end = (const uint8_t *)message;
	struct json_object *json;
	size_t characters = 0, keep = 0;
	char *cut;

	for (; *end != '\0'; characters++) {
		if (characters == NOTIFY_CHARACTERS - 1)
			keep = (size_t)(end - (const uint8_t *)message);
		end += u8_strmblen(end);
	}
	if (characters <= NOTIFY_CHARACTERS)
		return json_object_new_string(message);
	cut = need(malloc(keep + sizeof(ellipsis)));
	memcpy(cut, message, keep);
	memcpy(cut + keep, ellipsis, sizeof(ellipsis));
	json = json_object_new_string(cut);
	free(cut);
	return json;
}

/* The notification in HipChat's form; the caller releases it. */
static struct json_object *
notification_json(const struct notification *n)
{
	const char *color = n->color != NULL ? n->color : "yellow";
	const char *format = n->format != NULL ? n->format : "text";
	struct json_object *doc = json_new();

	json_add_string(doc, "color", color);
	json_add(doc, "message", message_json(n->message));
	json_add_string(doc, "message_format", format);
	json_add(doc, "notify", json_object_new_boolean(n->notify));
	if (n->card != NULL)
		json_add(doc, "card", json_object_get(n->card));
	return doc;
}

/* Put it into the outbox, under a key that a repeated webhook has, too. */
static int
put(struct webhook *hook, struct json_object *notification)
{
	struct outbox_message msg = { .room_id = hook->inst.room_id };
	int status;

	if (msg.room_id == 0)
		msg.room_id = hook->room_id;
	strcpy(msg.oauth_id, hook->inst.oauth_id);
	snprintf(msg.webhook, sizeof(msg.webhook), "%s", hook->message_id);
	if (*hook->message_id != '\0')
		outbox_key(msg.key, msg.oauth_id, hook->program,
		    hook->message_id, hook->notified++);
	status = outbox_put(hook->outbox, &msg, notification);
	if (status != 0)
		return status;
	/* the courier's lines have both ids, too: one grep finds all */
	log_line("%s: queued, room %lld of %s, webhook %s", msg.id,
	    (long long)msg.room_id, msg.oauth_id, msg.webhook);
	wake_courier(hook->wake, WAKE_NEW);
	return 0;
}

/* What is wrong with it; NULL if nothing is. */
static const char *
complaint(const struct webhook *hook, const struct notification *n)
{
	if (n->message == NULL || *n->message == '\0')
		return "no message";
	if (u8_check((const uint8_t *)n->message, strlen(n->message)) != NULL)
		return "the message is not UTF-8";
	if (hook->inst.room_id == 0 && hook->room_id == 0)
		return "no room to say it in";
	return NULL;
}

int
notify_room(struct webhook *hook, const struct notification *notification)
{
	const char *why = complaint(hook, notification);
	struct json_object *doc;
	int status;

	if (why != NULL) {
		log_line("no notification: %s", why);
		return HTTP_INTERNAL_SERVER_ERROR;
	}
	doc = notification_json(notification);
	status = put(hook, doc);
	json_object_put(doc);
	return status;
}

static const char *
entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

const char *
html_escape(struct webhook *hook, const char *text)
{
	char *escaped = NULL;
	const char *kept;
	size_t len;
	FILE *out = need(open_memstream(&escaped, &len));

	for (; *text != '\0'; text++)
		if (entity(*text) != NULL)
			fputs(entity(*text), out);
		else
			putc(*text, out);
	if (fclose(out) != 0)
		need(NULL);
	kept = webhook_format(hook, "%s", escaped);
	free(escaped);
	return kept;
}
