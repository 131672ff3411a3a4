/*
 * The control routes: JSON in, JSON out, errors in HipChat's own envelope
 * {"error":{"code","message","type"}}.  They are neither logged nor limited,
 * and no fault touches them.
 *
 * Rooms
 *   POST /control/rooms {"name"} -> 201 {"id","name"}; 409 if it exists
 *   GET  /control/rooms -> [{"id","name","topic","messages":COUNT}]
 *   GET  /control/rooms/ID -> {"id","name","topic","messages":[{"id","date",
 *        "type":"message"|"notification","from","message","color","format",
 *        "notify","attach_to","card"}]}; ID may be the name
 *   POST /control/rooms/ID/say {"message"} -> when all webhooks have been
 *        answered, {"message_id","webhooks":[{"url","oauth_id","status",...}]}
 *        where status 0 comes with "error", and an answer with a body is
 *        either a "notification" (its id) or "refused" (why).
 *        Also: "from" (a name), "mention_name", "message_id" (one that the
 *        room has seen is delivered again, not said again), "extra" (members
 *        merged into the webhook's message: file, mentions, ...).
 *   POST /control/rooms/ID/event {"event"} -> {"webhooks":[...]}; any event
 *        but room_message and room_notification, which come by themselves.
 *        Also: "from", and "topic" for room_topic_change.
 *
 * Add-ons
 *   POST /control/install {"url":DESCRIPTOR} -> 200 {"oauth_id",
 *        "oauth_secret","room_id",...,"callback_status"}; 400 the descriptor
 *        is bad, 404 no such room, 502 the add-on can't be reached or refuses.
 *        "room_id": without it the installation is global.
 *        "oauth_id": install that one again, through updateCallbackUrl (the id
 *        stays; "new_secret":true changes the secret) or, where none is
 *        declared, as a new one in its place.
 *   POST /control/remove {"oauth_id","form"} -> {"status","removed",...}
 *        A  revoke, then DELETE callbackUrl/ID; any answer will do
 *        B  a browser's GET uninstalledUrl?redirect_url=...&installable_url=...
 *           which must answer 302 to redirect_url, and then revoke; reports
 *           "location", and "fetched": whether the installable was read.
 *           "also_delete":true sends A's DELETE in the end ("delete_status").
 *        C  revoke, then POST uninstalledUrl {"oauthId"}
 *        "revoke":false only pretends: the client stays as it was.
 *        To attack B: "redirect_url", "installable_url", and "installable" (a
 *        document or a string served in place of the right one).
 *   GET  /control/installations -> [{"oauth_id","oauth_secret","room_id",...}]
 *   POST /control/installations/ID/revoke-tokens -> 204, later use is 401
 *   POST /control/installations/ID/revoke -> 204, the client is refused
 *
 * Log of every request seen ("in") and made ("out"), in order of their start
 *   GET  /control/log[?since=N] -> [{"n","time","direction","method","url",
 *        "ms","status","request_headers","request_body","response_headers",
 *        "response_body"}], bodies up to 64 KiB; status is null while the
 *        request is under way and 0 if there was no answer. "in" has "fault"
 *        (a name or null) and "effect" (was it carried out?), "out" without an
 *        answer has "error".
 *   DELETE /control/log -> 204; numbers go on
 *
 * Faults, played in the order given
 *   POST /control/faults {"route","fault"} -> 201; "count" (default 1, -1
 *        until cleared), "room" (an id), "text" (that the body contains; of
 *        two faults the one without comes first), "ms" (wait before it),
 *        "hold":true (wait for a release before it)
 *        route: capabilities, token, session, rooms, room, notification,
 *        message, history, installable
 *        fault: refuse, reset_before, reset_after, delay ("ms"), status
 *        ("status"; 429 with "header" X-Ratelimit-Reset,
 *        X-FloodControl-Reset or Retry-After, "seconds", "absolute"), half,
 *        redirect ("location"), html, truncated, endless, slow, huge,
 *        body ("body", "status", "type"); fault.h tells them apart
 *   GET  /control/faults -> what is left, as [{"route","fault","count"}]
 *   DELETE /control/faults -> 204
 *   POST /control/release -> 204; what is being held goes on
 *
 * Settings
 *   GET  /control/settings, POST /control/settings: "token_ttl",
 *        "rate_limit", "rate_window", "flood_limit", "flood_window" (seconds
 *        and counts), "signed_request" (webhooks carry the JWT in the query,
 *        too)
 */
#include "control.h"

#include <stdlib.h>
#include <string.h>

#include "addon.h"
#include "conversation.h"
#include "webhook.h"

#define SPEAKER "Ada Lovelace"		/* who speaks if nobody is named */
#define MESSAGE_MAX 10000		/* characters */
#define NAME_MAX_CHARS 100

void
control_rooms(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *list = json_object_new_array();

	(void)rq;
	for (struct room *r = h->state.rooms; r; r = r->next) {
		struct json_object *o = json_object_new_object();

		json_put_int(o, "id", r->id);
		json_put_str(o, "name", r->name);
		json_put_str(o, "topic", r->topic);
		json_put_int(o, "messages", (int64_t)r->nmessages);
		json_object_array_add(list, o);
	}
	reply_json(re, 200, list);
}

void
control_add_room(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *o = request_json(rq);
	const char *name = json_get_str(o, "name");
	size_t n = name ? utf8_chars(name) : 0;

	if (n < 1 || n > NAME_MAX_CHARS) {
		reply_error(re, 400, "Field 'name' must be a string of 1 to "
			    "%d characters", NAME_MAX_CHARS);
	} else if (state_room_named(&h->state, name)) {
		reply_error(re, 409, "Room %s exists", name);
	} else {
		struct room *r = state_add_room(&h->state, name);
		struct json_object *answer = json_object_new_object();

		json_put_int(answer, "id", r->id);
		json_put_str(answer, "name", r->name);
		reply_json(re, 201, answer);
	}
	json_object_put(o);
}

static struct room *
find_room(struct hipchatd *h, const struct request *rq, struct reply *re)
{
	struct room *r = state_find_room(&h->state, rq->arg[0]);

	if (!r)
		reply_error(re, 404, "Room not found");
	return r;
}

void
control_room(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct room *r = find_room(h, rq, re);
	struct json_object *o, *list;

	if (!r)
		return;
	list = json_object_new_array();
	for (size_t i = 0; i < r->nmessages; i++)
		json_object_array_add(list, message_plain(r->messages[i]));
	o = json_object_new_object();
	json_put_int(o, "id", r->id);
	json_put_str(o, "name", r->name);
	json_put_str(o, "topic", r->topic);
	json_put(o, "messages", list);
	reply_json(re, 200, o);
}

void
control_installations(struct hipchatd *h, struct request *rq,
		      struct reply *re)
{
	struct json_object *list = json_object_new_array();
	struct installation *i;

	(void)rq;
	for (i = h->state.installations; i; i = i->next)
		json_object_array_add(list, addon_view(i));
	reply_json(re, 200, list);
}

static struct installation *
find_installation(struct hipchatd *h, const struct request *rq,
		  struct reply *re)
{
	struct installation *i = state_installation(&h->state, rq->arg[0]);

	if (i)
		reply_empty(re, 204);
	else
		reply_error(re, 404, "Installation not found");
	return i;
}

void
control_revoke(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct installation *i = find_installation(h, rq, re);

	if (i)
		i->revoked = true;
}

void
control_revoke_tokens(struct hipchatd *h, struct request *rq,
		      struct reply *re)
{
	struct installation *i = find_installation(h, rq, re);

	if (i)
		state_remove_tokens(&h->state, i->id);
}

void
control_log(struct hipchatd *h, struct request *rq, struct reply *re)
{
	const char *s = params_get(&rq->query, "since");
	int64_t since = 0;
	char *text;

	if (s && !parse_number(s, 0, INT64_MAX, &since)) {
		reply_error(re, 400, "Parameter 'since' must be a number");
		return;
	}
	text = log_text(&h->log, since);
	reply_empty(re, 200);
	re->type = "application/json";
	buf_puts(&re->body, text);
	free(text);
}

void
control_clear_log(struct hipchatd *h, struct request *rq, struct reply *re)
{
	(void)rq;
	log_clear(&h->log);
	reply_empty(re, 204);
}

void
control_faults(struct hipchatd *h, struct request *rq, struct reply *re)
{
	(void)rq;
	reply_json(re, 200, fault_list(h->faults));
}

void
control_add_fault(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *o = request_json(rq);
	const char *wrong = fault_add(&h->faults, o);

	if (wrong)
		reply_error(re, 400, "%s", wrong);
	else
		reply_json(re, 201, fault_list(h->faults));
	json_object_put(o);
}

void
control_clear_faults(struct hipchatd *h, struct request *rq, struct reply *re)
{
	(void)rq;
	fault_clear(&h->faults);
	reply_empty(re, 204);
}

void
control_release(struct hipchatd *h, struct request *rq, struct reply *re)
{
	(void)rq;
	h->releases++;
	pthread_cond_broadcast(&h->wake);
	reply_empty(re, 204);
}

void
control_settings(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *o = json_object_new_object();
	const struct settings *s = &h->set;

	(void)rq;
	json_put_int(o, "token_ttl", s->token_ttl);
	json_put_int(o, "rate_limit", s->rate_limit);
	json_put_int(o, "rate_window", s->rate_window);
	json_put_int(o, "flood_limit", s->flood_limit);
	json_put_int(o, "flood_window", s->flood_window);
	json_put_bool(o, "signed_request", s->signed_request);
	reply_json(re, 200, o);
}

void
control_set(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *o = request_json(rq);
	struct settings s = h->set;

	s.token_ttl = json_get_int(o, "token_ttl", s.token_ttl);
	s.rate_limit = json_get_int(o, "rate_limit", s.rate_limit);
	s.rate_window = json_get_int(o, "rate_window", s.rate_window);
	s.flood_limit = json_get_int(o, "flood_limit", s.flood_limit);
	s.flood_window = json_get_int(o, "flood_window", s.flood_window);
	s.signed_request = json_get_bool(o, "signed_request",
					 s.signed_request);
	if (!o || !settings_valid(&s)) {
		reply_error(re, 400, "Settings must be numbers in range");
	} else {
		h->set = s;
		control_settings(h, rq, re);
	}
	json_object_put(o);
}

/* Members of extra go into o, in place of its own. */
static void
merge(struct json_object *o, struct json_object *extra)
{
	struct json_object_iterator i, end;

	if (!extra)
		return;
	i = json_object_iter_begin(extra);
	end = json_object_iter_end(extra);
	for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i))
		json_put(o, json_object_iter_peek_name(&i),
			 json_object_get(json_object_iter_peek_value(&i)));
}

/* The user that a control request names. */
static struct user *
find_user(struct hipchatd *h, struct json_object *o)
{
	const char *name = json_get_str(o, "from");

	return state_user(&h->state, name && *name ? name : SPEAKER,
			  json_get_str(o, "mention_name"));
}

/* Say it, and build the event.  False: the reply is made.  Under the lock. */
static bool
say(struct hipchatd *h, struct request *rq, struct json_object *o,
    struct event *e, char **id, struct reply *re)
{
	struct room *r = find_room(h, rq, re);
	const char *text = json_get_str(o, "message");
	size_t n = text ? utf8_chars(text) : 0;
	struct json_object *view;
	struct message *m;
	struct user *u;

	if (!r)
		return false;
	if (n < 1 || n > MESSAGE_MAX) {
		reply_error(re, 400, "Field 'message' must be a string of 1 "
			    "to %d characters", MESSAGE_MAX);
		return false;
	}
	u = find_user(h, o);
	m = conversation_say(r, u, text, json_get_str(o, "message_id"));
	*id = xstrdup(m->id);
	view = message_view(h, m);
	merge(view, json_get(o, "extra", json_type_object));
	e->name = "room_message";
	e->room_id = r->id;
	e->user_id = m->user_id;
	e->text = text;
	e->item = json_object_new_object();
	json_put(e->item, "message", view);
	json_put(e->item, "room", room_item(h, r));
	return true;
}

void
control_say(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *o = request_json(rq), *answer;
	struct event e = { 0 };
	char *id = NULL;
	bool ok;

	hipchatd_lock(h);
	ok = say(h, rq, o, &e, &id, re);
	hipchatd_unlock(h);
	if (ok) {
		answer = json_object_new_object();
		json_put_str(answer, "message_id", id);
		json_put(answer, "webhooks", webhook_fire(h, &e));
		reply_json(re, 200, answer);
	}
	json_object_put(e.item);
	json_object_put(o);
	free(id);
}

static bool
known_event(const char *name)
{
	static const char *const names[] = {
		"room_archived", "room_created", "room_deleted", "room_enter",
		"room_exit", "room_file_upload", "room_topic_change",
		"room_unarchived"
	};

	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Build the event.  False: the reply is made.  Under the lock. */
static bool
happen(struct hipchatd *h, struct request *rq, struct json_object *o,
       struct event *e, struct reply *re)
{
	struct room *r = find_room(h, rq, re);
	const char *topic = json_get_str(o, "topic");
	struct user *u;

	if (!r)
		return false;
	e->name = json_get_str(o, "event");
	if (!known_event(e->name)) {
		reply_error(re, 400, "Field 'event' is missing or unknown");
		return false;
	}
	u = find_user(h, o);
	e->room_id = r->id;
	e->user_id = u->id;
	e->item = json_object_new_object();
	json_put(e->item, "room", room_item(h, r));
	json_put(e->item, "sender", user_view(h, u));
	if (!strcmp(e->name, "room_topic_change")) {
		free(r->topic);
		r->topic = xstrdup(topic ? topic : "");
		json_put_str(e->item, "topic", r->topic);
	}
	return true;
}

void
control_event(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *o = request_json(rq), *answer;
	struct event e = { 0 };
	bool ok;

	hipchatd_lock(h);
	ok = happen(h, rq, o, &e, re);
	hipchatd_unlock(h);
	if (ok) {
		answer = json_object_new_object();
		json_put(answer, "webhooks", webhook_fire(h, &e));
		reply_json(re, 200, answer);
	}
	json_object_put(e.item);
	json_object_put(o);
}
