/*
 * What this HipChat knows: people, rooms with their conversations,
 * installations with their tokens, documents waiting to be fetched.  All in
 * memory, all owned by struct state, all under the server's lock: pointers
 * into it are good only while the lock is held.
 */
#ifndef HIPCHATD_STATE_H
#define HIPCHATD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "limit.h"
#include "pattern.h"
#include "util.h"

#define GROUP_ID 46617
#define GROUP_NAME "Stand-in HipChat"

struct user {
	int64_t id;
	char *name;
	char *mention_name;
	struct user *next;
};

struct message {
	char *id;
	char date[DATE_SIZE];
	bool notification;	/* an add-on's, not a person's */
	char *from;		/* the name shown */
	int64_t user_id;	/* of a person, else 0 */
	char *text;
	char *color;		/* these five: notifications only, else NULL */
	char *format;
	char *attach_to;	/* or NULL */
	struct json_object *card;	/* or NULL */
	bool notify;
};

struct room {
	int64_t id;
	char *name;
	char *topic;
	char created[DATE_SIZE];
	struct message **messages;	/* oldest first */
	size_t nmessages;
	size_t size;
	struct window flood;
	struct room *next;
};

/* A webhook from a descriptor. */
struct hook {
	int64_t id;
	char *url;
	char *event;
	struct pattern *pattern;	/* NULL: every message */
	bool jwt;			/* calls are signed */
};

/* What a descriptor says of an add-on, as far as it matters here. */
struct addon {
	char *key;
	char *name;
	char *from_name;	/* NULL: name */
	char *callback;		/* the four URLs: NULL when not declared */
	char *update_callback;
	char *uninstalled;
	bool allow_global;
	bool allow_room;
	unsigned scopes;
	struct hook *hooks;
	size_t nhooks;
};

/* An OAuth client, one per installation. */
struct installation {
	char id[UUID_SIZE];
	char secret[SECRET_SIZE];
	char *url;		/* of the descriptor */
	int64_t room_id;	/* 0: global */
	bool confirmed;		/* the add-on took the credentials */
	bool revoked;		/* the client is refused from now on */
	struct addon addon;
	struct window rate;
	struct installation *next;
};

struct token {
	char text[SECRET_SIZE];
	char client[UUID_SIZE];
	unsigned scopes;
	int64_t expires;	/* mono_ms() */
	struct token *next;
};

/* An installable_url's document: served once, then only remembered. */
struct document {
	char id[SECRET_SIZE];
	char *text;
	bool fetched;
	struct document *next;
};

struct state {
	struct user *users;
	struct room *rooms;
	struct installation *installations;
	struct token *tokens;
	struct document *documents;
	int64_t last_id;	/* of users, rooms and webhooks alike */
};

void state_init(struct state *s);
void state_free(struct state *s);

/* The person of that name, made known when new.  mention may be NULL. */
struct user *state_user(struct state *s, const char *name,
			const char *mention);

struct room *state_add_room(struct state *s, const char *name);
struct room *state_room(struct state *s, int64_t id);		/* or NULL */
struct room *state_room_named(struct state *s, const char *name);

/* By number if the text is one and such a room exists, else by name. */
struct room *state_find_room(struct state *s, const char *id_or_name);

/* The state takes i, whose id must be unused, over. */
void state_add_installation(struct state *s, struct installation *i);
struct installation *state_installation(struct state *s, const char *id);

/* Forget it and its tokens. */
void state_remove_installation(struct state *s, const char *id);

/* A fresh token that lives for ttl seconds, however many they are. */
const struct token *state_add_token(struct state *s, const char *client,
				    unsigned scopes, int64_t ttl);

/* A token that exists and has not expired, or NULL. */
const struct token *state_token(struct state *s, const char *text);
void state_remove_token(struct state *s, const char *text);
void state_remove_tokens(struct state *s, const char *client);

/* A copy of text under a name that can't be guessed. */
const struct document *state_add_document(struct state *s, const char *text);
struct document *state_document(struct state *s, const char *id);
void state_remove_document(struct state *s, const char *id);

/* Release what an add-on holds, not the struct itself. */
void addon_free(struct addon *a);
void installation_free(struct installation *i);

#endif
