/* HipChat's REST API v2. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include "conversation.h"
#include "notification.h"
#include "oauth.h"
#include "scope.h"
#include "webhook.h"

#define PAGE 100		/* max-results unless told otherwise */
#define PAGE_MAX 1000
#define TOPIC_MAX 250		/* characters */

static void
put_url(struct json_object *o, const char *key, const struct hipchatd *h,
	const char *path)
{
	char *url = xasprintf("%s%s", h->base, path);

	json_put_str(o, key, url);
	free(url);
}

static struct json_object *
own_capabilities(const struct hipchatd *h)
{
	struct json_object *caps = json_object_new_object();
	struct json_object *api = json_object_new_object();
	struct json_object *oauth = json_object_new_object();

	json_put(api, "availableScopes", scope_descriptions());
	put_url(api, "url", h, "/v2/");
	put_url(oauth, "authorizationUrl", h, "/users/authorize");
	put_url(oauth, "tokenUrl", h, "/v2/oauth/token");
	json_put(caps, "hipchatApiProvider", api);
	json_put(caps, "oauth2Provider", oauth);
	return caps;
}

void
api_capabilities(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *o = json_object_new_object();
	struct json_object *links = json_object_new_object();
	struct json_object *vendor = json_object_new_object();

	(void)rq;
	put_url(links, "api", h, "/v2");
	put_url(links, "homepage", h, "");
	put_url(links, "self", h, "/v2/capabilities");
	put_url(links, "subdomain", h, "");
	json_put_str(vendor, "name", "Atlassian");
	json_put_str(vendor, "url", "http://atlassian.com");
	json_put(o, "capabilities", own_capabilities(h));
	json_put_int(o, "connect_server_api_version", 1);
	json_put_str(o, "description", "Group chat and IM built for teams");
	json_put_str(o, "key", "hipchat");
	json_put(o, "links", links);
	json_put_str(o, "name", "HipChat");
	json_put(o, "vendor", vendor);
	reply_json(re, 200, o);
}

/*
 * The room that the path names, if the session may touch it: a client that
 * was installed in one room gets no further.  NULL: the reply is made.
 */
static struct room *
find_room(struct hipchatd *h, const struct request *rq, struct reply *re,
	  const struct installation *i)
{
	struct room *r = state_find_room(&h->state, rq->arg[0]);

	if (!r) {
		reply_error(re, 404, "Room not found");
		return NULL;
	}
	if (i->room_id && i->room_id != r->id) {
		reply_error(re, 403, "This OAuth session is for another room");
		return NULL;
	}
	return r;
}

/* Start and length of the page that the query asks for. */
static void
read_page(const struct request *rq, int64_t *start, int64_t *most)
{
	const char *s = params_get(&rq->query, "start-index");
	const char *m = params_get(&rq->query, "max-results");

	*start = 0;
	*most = PAGE;
	if (s)
		parse_number(s, 0, INT64_MAX, start);
	if (m)
		parse_number(m, 0, PAGE_MAX, most);
}

static struct json_object *
new_list(const struct hipchatd *h, const char *path, int64_t start,
	 int64_t most, struct json_object *items)
{
	struct json_object *o = json_object_new_object();
	struct json_object *links = json_object_new_object();

	put_url(links, "self", h, path);
	json_put(o, "items", items);
	json_put(o, "links", links);
	json_put_int(o, "maxResults", most);
	json_put_int(o, "startIndex", start);
	return o;
}

void
api_rooms(struct hipchatd *h, struct request *rq, struct reply *re)
{
	const struct installation *i;
	struct json_object *items;
	int64_t start, most, n = 0;

	i = oauth_session(h, rq, re, SCOPE_VIEW_GROUP | SCOPE_VIEW_ROOM);
	if (!i)
		return;
	read_page(rq, &start, &most);
	items = json_object_new_array();
	for (struct room *r = h->state.rooms; r; r = r->next) {
		if (i->room_id && i->room_id != r->id)
			continue;
		if (n >= start && n - start < most)
			json_object_array_add(items, room_summary(h, r));
		n++;
	}
	reply_json(re, 200, new_list(h, "/v2/room", start, most, items));
}

void
api_room(struct hipchatd *h, struct request *rq, struct reply *re)
{
	const struct installation *i;
	const struct room *r;

	i = oauth_session(h, rq, re, SCOPE_VIEW_GROUP | SCOPE_VIEW_ROOM);
	if (!i)
		return;
	r = find_room(h, rq, re, i);
	if (r)
		reply_json(re, 200, room_view(h, r));
}

/* Oldest first; the page is counted from the newest backwards. */
void
api_history(struct hipchatd *h, struct request *rq, struct reply *re)
{
	const struct installation *i;
	struct json_object *items;
	const struct room *r;
	int64_t start, most, end, first;
	char *path;

	i = oauth_session(h, rq, re, SCOPE_VIEW_MESSAGES);
	r = i ? find_room(h, rq, re, i) : NULL;
	if (!r)
		return;
	read_page(rq, &start, &most);
	end = (int64_t)r->nmessages - start;
	first = end > most ? end - most : 0;
	items = json_object_new_array();
	for (; first < end; first++)
		json_object_array_add(items,
				      message_view(h, r->messages[first]));
	path = xasprintf("/v2/room/%lld/history", (long long)r->id);
	reply_json(re, 200, new_list(h, path, start, most, items));
	free(path);
}

static bool
json_body(const struct request *rq, struct reply *re)
{
	char *type = request_media_type(rq);
	bool ok = !strcmp(type, "application/json");

	if (!ok)
		reply_error(re, 400, "Invalid content type: %s",
			    *type ? type : "None");
	free(type);
	return ok;
}

/* May one more message go to the room? */
static bool
within_flood(struct hipchatd *h, struct room *r, struct reply *re)
{
	if (window_take(&r->flood, h->set.flood_limit, FLOOD_LIMIT,
			h->set.flood_window, &re->flood))
		return true;
	reply_error(re, 429, "Rate limit exceeded");
	return false;
}

/* No webhook tells of it, for the reason that api_say() has. */
void
api_topic(struct hipchatd *h, struct request *rq, struct reply *re)
{
	const struct installation *i;
	struct json_object *o;
	struct room *r;
	const char *text;

	i = oauth_session(h, rq, re, SCOPE_ADMIN_ROOM);
	r = i ? find_room(h, rq, re, i) : NULL;
	if (!r || !json_body(rq, re))
		return;
	o = request_json(rq);
	text = json_get_str(o, "topic");
	if (text && utf8_chars(text) <= TOPIC_MAX) {
		free(r->topic);
		r->topic = xstrdup(text);
		reply_empty(re, 204);
	} else {
		reply_error(re, 400, "Field 'topic' must be a string of up "
			    "to %d characters", TOPIC_MAX);
	}
	json_object_put(o);
}

/*
 * An add-on speaking as a user.  No webhook tells of it, so that two add-ons
 * can't keep each other talking.
 */
void
api_say(struct hipchatd *h, struct request *rq, struct reply *re)
{
	const struct installation *i;
	struct json_object *o;
	struct message *m;
	struct user *u;
	struct room *r;
	const char *text;

	i = oauth_session(h, rq, re, SCOPE_SEND_MESSAGE);
	r = i ? find_room(h, rq, re, i) : NULL;
	if (!r || !within_flood(h, r, re) || !json_body(rq, re))
		return;
	o = request_json(rq);
	text = json_get_str(o, "message");
	if (!text || !*text || utf8_chars(text) > 1000) {
		reply_error(re, 400, "Field 'message' must be a string of 1 "
			    "to 1000 characters");
		json_object_put(o);
		return;
	}
	u = state_user(&h->state, i->addon.name, NULL);
	m = conversation_say(r, u, text, NULL);
	json_object_put(o);
	o = json_object_new_object();
	json_put_str(o, "id", m->id);
	json_put_str(o, "timestamp", m->date);
	reply_json(re, 201, o);
}

/*
 * Everything that stands between a notification and its room.  The room's id,
 * or 0: the reply is made.
 */
static int64_t
admit(struct hipchatd *h, const struct request *rq, struct reply *re,
      struct notification *n, char **from)
{
	const struct installation *i;
	struct json_object *error;
	struct room *r;

	i = oauth_session(h, rq, re, SCOPE_SEND_NOTIFICATION);
	r = i ? find_room(h, rq, re, i) : NULL;
	if (!r || !within_flood(h, r, re) || !json_body(rq, re))
		return 0;
	if (!notification_parse(buf_text(&rq->body), rq->body.len, n,
				&error)) {
		reply_error_object(re, 400, error);
		return 0;
	}
	if (n->attach_to && *n->attach_to &&
	    !conversation_message(r, n->attach_to)) {
		reply_error(re, 400, "Field 'attach_to' names no message of "
			    "this room");
		notification_free(n);
		return 0;
	}
	*from = xstrdup(i->addon.from_name ? i->addon.from_name :
			i->addon.name);
	return r->id;
}

void
api_notify(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct notification n;
	char *from = NULL;
	int64_t room;

	hipchatd_lock(h);
	room = admit(h, rq, re, &n, &from);
	hipchatd_unlock(h);
	if (!room)
		return;
	free(webhook_post(h, room, from, &n));
	notification_free(&n);
	free(from);
	reply_empty(re, 204);
}

void
api_installable(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct document *d = state_document(&h->state, rq->arg[0]);

	if (!d || d->fetched) {
		reply_error(re, 404, "Installable not found");
		return;
	}
	d->fetched = true;
	reply_empty(re, 200);
	re->type = "application/json";
	buf_puts(&re->body, d->text);
}
