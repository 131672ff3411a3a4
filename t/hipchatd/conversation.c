/* Rooms and what is said in them. */
#include "conversation.h"

#include <stdlib.h>
#include <string.h>

static void
add(struct room *r, struct message *m)
{
	if (r->nmessages == r->size) {
		r->size = r->size ? r->size * 2 : 16;
		r->messages = xrealloc(r->messages, r->size,
				       sizeof(*r->messages));
	}
	r->messages[r->nmessages++] = m;
}

static struct message *
new_message(const char *id, const char *from, const char *text)
{
	struct message *m = xcalloc(1, sizeof(*m));
	char uuid[UUID_SIZE];

	random_uuid(uuid);
	m->id = xstrdup(id ? id : uuid);
	m->from = xstrdup(from);
	m->text = xstrdup(text);
	format_date(now_us(), m->date);
	return m;
}

struct message *
conversation_message(const struct room *r, const char *id)
{
	for (size_t i = r->nmessages; i-- > 0;)
		if (!strcmp(r->messages[i]->id, id))
			return r->messages[i];
	return NULL;
}

struct message *
conversation_say(struct room *r, const struct user *u, const char *text,
		 const char *id)
{
	struct message *m = id ? conversation_message(r, id) : NULL;

	if (!m) {
		m = new_message(id, u->name, text);
		m->user_id = u->id;
		add(r, m);
	}
	return m;
}

struct message *
conversation_notify(struct room *r, const struct notification *n,
		    const char *from)
{
	struct message *m;

	if (n->from && *n->from)
		from = n->from;
	m = new_message(NULL, from, n->message);
	m->notification = true;
	m->color = xstrdup(n->color);
	m->format = xstrdup(n->format);
	m->notify = n->notify;
	if (n->attach_to && *n->attach_to)
		m->attach_to = xstrdup(n->attach_to);
	if (n->card)
		json_object_deep_copy(n->card, &m->card, NULL);
	add(r, m);
	return m;
}

static void
put_link(struct json_object *links, const char *name, const char *base,
	 const char *what, int64_t id, const char *tail)
{
	char *url = xasprintf("%s/v2/%s/%lld%s", base, what, (long long)id,
			      tail);

	json_put_str(links, name, url);
	free(url);
}

struct json_object *
user_view(const struct hipchatd *h, const struct user *u)
{
	struct json_object *o = json_object_new_object();
	struct json_object *links = json_object_new_object();

	put_link(links, "self", h->base, "user", u->id, "");
	json_put_int(o, "id", u->id);
	json_put(o, "links", links);
	json_put_str(o, "mention_name", u->mention_name);
	json_put_str(o, "name", u->name);
	json_put_str(o, "version", "00000000");
	return o;
}

static struct json_object *
room_links(const struct hipchatd *h, const struct room *r)
{
	struct json_object *links = json_object_new_object();

	put_link(links, "members", h->base, "room", r->id, "/member");
	put_link(links, "participants", h->base, "room", r->id,
		 "/participant");
	put_link(links, "self", h->base, "room", r->id, "");
	put_link(links, "webhooks", h->base, "room", r->id, "/webhook");
	return links;
}

struct json_object *
room_item(const struct hipchatd *h, const struct room *r)
{
	struct json_object *o = json_object_new_object();

	json_put_int(o, "id", r->id);
	json_put_bool(o, "is_archived", false);
	json_put(o, "links", room_links(h, r));
	json_put_str(o, "name", r->name);
	json_put_str(o, "privacy", "private");
	json_put_str(o, "version", "00000000");
	return o;
}

struct json_object *
room_summary(const struct hipchatd *h, const struct room *r)
{
	return room_item(h, r);
}

struct json_object *
room_view(const struct hipchatd *h, const struct room *r)
{
	struct json_object *o = room_item(h, r);
	const char *last = r->nmessages ?
		r->messages[r->nmessages - 1]->date : NULL;

	json_put(o, "avatar_url", NULL);
	json_put_str(o, "created", r->created);
	json_put_str(o, "delegate_admin_visibility", NULL);
	json_put(o, "guest_access_url", NULL);
	json_put_bool(o, "is_guest_accessible", false);
	json_put_str(o, "last_active", last);
	json_put(o, "owner", NULL);
	json_put(o, "participants", json_object_new_array());
	json_put_str(o, "topic", r->topic);
	return o;
}

/* The person who said m; names stay known for as long as the server runs. */
static struct json_object *
speaker(struct hipchatd *h, const struct message *m)
{
	return user_view(h, state_user(&h->state, m->from, NULL));
}

struct json_object *
message_view(struct hipchatd *h, const struct message *m)
{
	struct json_object *o = json_object_new_object();

	if (m->notification) {
		if (m->attach_to)
			json_put_str(o, "attach_to", m->attach_to);
		if (m->card)	/* the API carries cards as text */
			json_put_str(o, "card", json_compact(m->card));
		json_put_str(o, "color", m->color);
	}
	json_put_str(o, "date", m->date);
	json_put(o, "from", m->notification ? json_object_new_string(m->from) :
		 speaker(h, m));
	json_put_str(o, "id", m->id);
	json_put(o, "mentions", json_object_new_array());
	json_put_str(o, "message", m->text);
	if (m->notification)
		json_put_str(o, "message_format", m->format);
	json_put_str(o, "type", m->notification ? "notification" : "message");
	return o;
}

struct json_object *
message_plain(const struct message *m)
{
	struct json_object *o = json_object_new_object();

	json_put_str(o, "id", m->id);
	json_put_str(o, "date", m->date);
	json_put_str(o, "type", m->notification ? "notification" : "message");
	json_put_str(o, "from", m->from);
	json_put_str(o, "message", m->text);
	json_put_str(o, "color", m->color);
	json_put_str(o, "format", m->format);
	json_put_bool(o, "notify", m->notify);
	json_put_str(o, "attach_to", m->attach_to);
	json_put(o, "card", json_object_get(m->card));
	return o;
}
