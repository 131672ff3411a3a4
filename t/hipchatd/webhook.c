/*
 * Webhooks.  What is to be called is copied under the lock, called without
 * it, and the answers are dealt with under it again.
 */
#include "webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "conversation.h"
#include "jwt.h"

#define JWT_LIFE 3600		/* seconds */
#define JTI_LENGTH 20

/* One call to one hook. */
struct delivery {
	char *url;
	char *query_url;		/* the same with signed_request */
	char *authorization;
	char *body;
	char *from;			/* name for the notification answered */
	char client[UUID_SIZE];
};

static char *
sign(const struct installation *i, const struct event *e)
{
	struct json_object *o = json_object_new_object();
	struct json_object *context = json_object_new_object();
	char user[24], jti[JTI_LENGTH + 1];
	int64_t now = now_us() / 1000000;
	char *jwt;

	snprintf(user, sizeof(user), "%lld", (long long)e->user_id);
	random_text(jti, JTI_LENGTH);
	json_put_int(context, "room_id", e->room_id);
	json_put_int(context, "roomId", e->room_id);
	json_put_str(context, "user_tz", "UTC");
	json_put(o, "context", context);
	json_put_int(o, "exp", now + JWT_LIFE);
	json_put_int(o, "iat", now);
	json_put_str(o, "iss", i->id);
	json_put_str(o, "jti", jti);
	json_put_str(o, "prn", user);
	json_put_str(o, "sub", user);
	jwt = jwt_sign(o, i->secret);
	json_object_put(o);
	return jwt;
}

static bool
wants(const struct installation *i, const struct hook *k,
      const struct event *e)
{
	if (i->revoked || !i->confirmed ||
	    (i->room_id && i->room_id != e->room_id))
		return false;
	if (strcmp(k->event, e->name))
		return false;
	return !k->pattern || !e->text || pattern_search(k->pattern, e->text);
}

static void
fill(struct hipchatd *h, struct delivery *d, const struct installation *i,
     const struct hook *k, const struct event *e)
{
	struct json_object *o = json_object_new_object();

	json_put_str(o, "event", e->name);
	json_put(o, "item", json_object_get(e->item));
	json_put_str(o, "oauth_client_id", i->id);
	json_put_int(o, "webhook_id", k->id);
	d->body = xstrdup(json_compact(o));
	json_object_put(o);
	d->url = xstrdup(k->url);
	d->from = xstrdup(i->addon.from_name ? i->addon.from_name :
			  i->addon.name);
	memcpy(d->client, i->id, UUID_SIZE);
	if (k->jwt) {
		char *jwt = sign(i, e);

		d->authorization = xasprintf("JWT %s", jwt);
		if (h->set.signed_request)
			d->query_url = xasprintf("%s%csigned_request=%s",
				k->url, strchr(k->url, '?') ? '&' : '?', jwt);
		free(jwt);
	}
}

static void
delivery_free(struct delivery *d)
{
	free(d->url);
	free(d->query_url);
	free(d->authorization);
	free(d->body);
	free(d->from);
}

/* The calls that the event asks for; their number in *count. */
static struct delivery *
gather(struct hipchatd *h, const struct event *e, size_t *count)
{
	struct delivery *list = NULL;
	struct installation *i;

	*count = 0;
	hipchatd_lock(h);
	for (i = h->state.installations; i; i = i->next) {
		for (size_t k = 0; k < i->addon.nhooks; k++) {
			if (!wants(i, &i->addon.hooks[k], e))
				continue;
			list = xrealloc(list, *count + 1, sizeof(*list));
			memset(&list[*count], 0, sizeof(*list));
			fill(h, &list[(*count)++], i, &i->addon.hooks[k], e);
		}
	}
	hipchatd_unlock(h);
	return list;
}

/* An answer may be a notification, for the room that the event was in. */
static void
take_answer(struct hipchatd *h, const struct event *e,
	    const struct delivery *d, const struct call *c,
	    struct json_object *report)
{
	bool again = !strcmp(e->name, "room_notification");
	struct json_object *error;
	struct notification n;
	char *id;

	if (c->status < 200 || c->status > 299 || !c->reply.len)
		return;
	if (!notification_parse(c->reply.data, c->reply.len, &n, &error)) {
		json_put_str(report, "refused", json_get_str(error, "message"));
		json_object_put(error);
		return;
	}
	/* or two add-ons could answer each other's notifications for ever */
	if (again)
		json_put_str(report, "refused",
			     "answers to room_notification are not posted");
	else if ((id = webhook_post(h, e->room_id, d->from, &n))) {
		json_put_str(report, "notification", id);
		free(id);
	}
	notification_free(&n);
}

static struct json_object *
report_call(const struct delivery *d, const struct call *c)
{
	struct json_object *o = json_object_new_object();

	json_put_str(o, "url", d->url);
	json_put_str(o, "oauth_id", d->client);
	json_put_int(o, "status", c->status);
	if (c->error)
		json_put_str(o, "error", c->error);
	return o;
}

struct json_object *
webhook_fire(struct hipchatd *h, const struct event *e)
{
	struct json_object *all = json_object_new_array();
	struct delivery *list;
	struct call *calls;
	size_t count;

	list = gather(h, e, &count);
	if (!count)
		return all;
	calls = xcalloc(count, sizeof(*calls));
	for (size_t i = 0; i < count; i++) {
		calls[i].method = "POST";
		calls[i].url = list[i].query_url ? list[i].query_url :
			list[i].url;
		calls[i].body = list[i].body;
		calls[i].authorization = list[i].authorization;
	}
	client_run(h, calls, count);
	for (size_t i = 0; i < count; i++) {
		struct json_object *o = report_call(&list[i], &calls[i]);

		take_answer(h, e, &list[i], &calls[i], o);
		json_object_array_add(all, o);
		call_free(&calls[i]);
		delivery_free(&list[i]);
	}
	free(calls);
	free(list);
	return all;
}

char *
webhook_post(struct hipchatd *h, int64_t room_id, const char *from,
	     const struct notification *n)
{
	struct event e = { .name = "room_notification", .room_id = room_id };
	struct json_object *item = json_object_new_object();
	struct message *m = NULL;
	struct room *r;
	char *id = NULL;

	hipchatd_lock(h);
	r = state_room(&h->state, room_id);
	if (r) {
		m = conversation_notify(r, n, from);
		id = xstrdup(m->id);
		json_put(item, "message", message_view(h, m));
		json_put(item, "room", room_item(h, r));
	}
	hipchatd_unlock(h);
	e.text = n->message;
	e.item = item;
	if (id)
		json_object_put(webhook_fire(h, &e));
	json_object_put(item);
	return id;
}
