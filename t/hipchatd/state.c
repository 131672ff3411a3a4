/*
 * The state's lists.  They are short (a few rooms, a few installations), so
 * plain linked lists, searched from the front, will do; tokens are added at
 * the front because the newest are the ones in use.
 */
#include "state.h"

#include <stdlib.h>
#include <string.h>

/* Room numbers of HipChat Cloud had seven digits. */
#define FIRST_ID 2589170

void
state_init(struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->last_id = FIRST_ID;
}

static void
user_free(struct user *u)
{
	free(u->name);
	free(u->mention_name);
	free(u);
}

static void
message_free(struct message *m)
{
	free(m->id);
	free(m->from);
	free(m->text);
	free(m->color);
	free(m->format);
	free(m->attach_to);
	json_object_put(m->card);
	free(m);
}

static void
room_free(struct room *r)
{
	for (size_t i = 0; i < r->nmessages; i++)
		message_free(r->messages[i]);
	free(r->messages);
	free(r->name);
	free(r->topic);
	free(r);
}

static void
document_free(struct document *d)
{
	free(d->text);
	free(d);
}

void
addon_free(struct addon *a)
{
	for (size_t i = 0; i < a->nhooks; i++) {
		free(a->hooks[i].url);
		free(a->hooks[i].event);
		pattern_free(a->hooks[i].pattern);
	}
	free(a->hooks);
	free(a->key);
	free(a->name);
	free(a->from_name);
	free(a->callback);
	free(a->update_callback);
	free(a->uninstalled);
	memset(a, 0, sizeof(*a));
}

void
installation_free(struct installation *i)
{
	addon_free(&i->addon);
	free(i->url);
	free(i);
}

void
state_free(struct state *s)
{
	while (s->users) {
		struct user *u = s->users;

		s->users = u->next;
		user_free(u);
	}
	while (s->rooms) {
		struct room *r = s->rooms;

		s->rooms = r->next;
		room_free(r);
	}
	while (s->installations)
		state_remove_installation(s, s->installations->id);
	while (s->documents)
		state_remove_document(s, s->documents->id);
}

/* "Ada Lovelace" is mentioned as @AdaLovelace. */
static char *
default_mention(const char *name)
{
	char *mention = xcalloc(strlen(name) + 1, 1), *p = mention;

	for (; *name; name++)
		if (*name != ' ')
			*p++ = *name;
	return mention;
}

struct user *
state_user(struct state *s, const char *name, const char *mention)
{
	struct user *u;

	for (u = s->users; u; u = u->next)
		if (!strcmp(u->name, name))
			break;
	if (!u) {
		u = xcalloc(1, sizeof(*u));
		u->id = ++s->last_id;
		u->name = xstrdup(name);
		u->mention_name = default_mention(name);
		u->next = s->users;
		s->users = u;
	}
	if (mention) {
		free(u->mention_name);
		u->mention_name = xstrdup(mention);
	}
	return u;
}

struct room *
state_add_room(struct state *s, const char *name)
{
	struct room *r = xcalloc(1, sizeof(*r)), **end = &s->rooms;

	r->id = ++s->last_id;
	r->name = xstrdup(name);
	r->topic = xstrdup("");
	format_date(now_us(), r->created);
	while (*end)
		end = &(*end)->next;
	*end = r;
	return r;
}

struct room *
state_room(struct state *s, int64_t id)
{
	struct room *r = s->rooms;

	while (r && r->id != id)
		r = r->next;
	return r;
}

struct room *
state_room_named(struct state *s, const char *name)
{
	struct room *r = s->rooms;

	while (r && strcmp(r->name, name))
		r = r->next;
	return r;
}

struct room *
state_find_room(struct state *s, const char *id_or_name)
{
	struct room *r = NULL;
	int64_t id;

	if (parse_number(id_or_name, 1, INT64_MAX, &id))
		r = state_room(s, id);
	return r ? r : state_room_named(s, id_or_name);
}

void
state_add_installation(struct state *s, struct installation *i)
{
	struct installation **end = &s->installations;

	while (*end)
		end = &(*end)->next;
	*end = i;
}

struct installation *
state_installation(struct state *s, const char *id)
{
	struct installation *i = s->installations;

	while (i && strcmp(i->id, id))
		i = i->next;
	return i;
}

void
state_remove_installation(struct state *s, const char *id)
{
	struct installation **p = &s->installations, *i;

	while (*p && strcmp((*p)->id, id))
		p = &(*p)->next;
	i = *p;
	if (!i)
		return;
	*p = i->next;
	state_remove_tokens(s, i->id);
	installation_free(i);
}

/*
 * Remove the tokens with that text, or that client, whichever is given, and
 * those that have expired.
 */
static void
drop_tokens(struct state *s, const char *text, const char *client)
{
	struct token **p = &s->tokens;
	int64_t now = mono_ms();

	while (*p) {
		struct token *t = *p;

		if (t->expires <= now ||
		    (text && !strcmp(t->text, text)) ||
		    (client && !strcmp(t->client, client))) {
			*p = t->next;
			free(t);
		} else {
			p = &t->next;
		}
	}
}

const struct token *
state_add_token(struct state *s, const char *client, unsigned scopes,
		int64_t ttl)
{
	struct token *t = xcalloc(1, sizeof(*t));
	int64_t now = mono_ms();

	drop_tokens(s, NULL, NULL);
	random_text(t->text, SECRET_SIZE - 1);
	memcpy(t->client, client, UUID_SIZE);
	t->scopes = scopes;
	t->expires = ttl > (INT64_MAX - now) / 1000 ? INT64_MAX :
		now + ttl * 1000;
	t->next = s->tokens;
	s->tokens = t;
	return t;
}

const struct token *
state_token(struct state *s, const char *text)
{
	const struct token *t = s->tokens;

	while (t && strcmp(t->text, text))
		t = t->next;
	return t && mono_ms() < t->expires ? t : NULL;
}

void
state_remove_token(struct state *s, const char *text)
{
	drop_tokens(s, text, NULL);
}

void
state_remove_tokens(struct state *s, const char *client)
{
	drop_tokens(s, NULL, client);
}

const struct document *
state_add_document(struct state *s, const char *text)
{
	struct document *d = xcalloc(1, sizeof(*d));

	random_text(d->id, SECRET_SIZE - 1);
	d->text = xstrdup(text);
	d->next = s->documents;
	s->documents = d;
	return d;
}

struct document *
state_document(struct state *s, const char *id)
{
	struct document *d = s->documents;

	while (d && strcmp(d->id, id))
		d = d->next;
	return d;
}

void
state_remove_document(struct state *s, const char *id)
{
	struct document **p = &s->documents, *d;

	while (*p && strcmp((*p)->id, id))
		p = &(*p)->next;
	d = *p;
	if (d) {
		*p = d->next;
		document_free(d);
	}
}
