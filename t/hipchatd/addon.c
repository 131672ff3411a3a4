/*
 * Installation: the descriptor is fetched and checked, the credentials become
 * valid, the add-on is told of them (it will use them before it answers), and
 * if it does not answer 2xx they are withdrawn.
 */
#include "addon.h"

#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "descriptor.h"
#include "scope.h"

#define REASON_SHOWN 200	/* bytes of an add-on's answer in an error */

struct json_object *
addon_view(const struct installation *i)
{
	struct json_object *o = json_object_new_object();
	char *scopes = scope_list(i->addon.scopes, " ");

	json_put_str(o, "oauth_id", i->id);
	json_put_str(o, "oauth_secret", i->secret);
	json_put(o, "room_id", i->room_id ?
		 json_object_new_int64(i->room_id) : NULL);
	json_put_int(o, "group_id", GROUP_ID);
	json_put_str(o, "key", i->addon.key);
	json_put_str(o, "name", i->addon.name);
	json_put_str(o, "url", i->url);
	json_put_str(o, "scope", scopes);
	json_put_str(o, "callback_url", i->addon.callback);
	json_put_str(o, "uninstalled_url", i->addon.uninstalled);
	json_put_bool(o, "confirmed", i->confirmed);
	json_put_bool(o, "revoked", i->revoked);
	free(scopes);
	return o;
}

char *
addon_credentials(const struct hipchatd *h, const struct installation *i)
{
	struct json_object *o = json_object_new_object();
	char *url = xasprintf("%s/v2/capabilities", h->base);
	char *text;

	json_put_str(o, "oauthId", i->id);
	json_put_str(o, "capabilitiesUrl", url);
	if (i->room_id)
		json_put_int(o, "roomId", i->room_id);
	json_put_int(o, "groupId", GROUP_ID);
	json_put_str(o, "oauthSecret", i->secret);
	text = xstrdup(json_compact(o));
	json_object_put(o);
	free(url);
	return text;
}

static bool
fetch_descriptor(struct hipchatd *h, const char *url, struct addon *a,
		 struct reply *re)
{
	struct call c = { .method = "GET", .url = url };
	struct json_object *o = NULL;
	char *reason = NULL;
	bool ok = false;

	client_run(h, &c, 1);
	if (!c.status)
		reply_error(re, 502, "Descriptor can't be fetched: %s",
			    c.error);
	else if (c.status != 200)
		reply_error(re, 502, "Descriptor can't be fetched: status %d",
			    c.status);
	else if (!(o = json_parse_object(buf_text(&c.reply), c.reply.len)))
		reply_error(re, 400, "Descriptor is not a JSON object");
	else if (!descriptor_read(o, a, &reason))
		reply_error(re, 400, "Descriptor: %s", reason);
	else
		ok = true;
	json_object_put(o);
	free(reason);
	call_free(&c);
	return ok;
}

/* May it be installed there at all? */
static bool
permitted(const struct addon *a, int64_t room_id, struct reply *re)
{
	if (!a->callback)
		reply_error(re, 400, "Descriptor: Required field "
			    "'capabilities.installable.callbackUrl' is "
			    "missing");
	else if (!room_id && !a->allow_global)
		reply_error(re, 400, "Descriptor: "
			    "'capabilities.installable.allowGlobal' is false");
	else if (room_id && !a->allow_room)
		reply_error(re, 400, "Descriptor: "
			    "'capabilities.installable.allowRoom' is false");
	else
		return true;
	return false;
}

static void
number_hooks(struct state *s, struct addon *a)
{
	for (size_t i = 0; i < a->nhooks; i++)
		a->hooks[i].id = ++s->last_id;
}

/* A new client, valid from now on.  a is taken over.  Under the lock. */
static struct installation *
new_client(struct hipchatd *h, const char *url, int64_t room_id,
	   struct addon *a)
{
	struct installation *i = xcalloc(1, sizeof(*i));

	random_uuid(i->id);
	random_text(i->secret, SECRET_SIZE - 1);
	i->url = xstrdup(url);
	i->room_id = room_id;
	i->addon = *a;
	memset(a, 0, sizeof(*a));
	number_hooks(&h->state, &i->addon);
	state_add_installation(&h->state, i);
	return i;
}

static void
refuse(struct reply *re, const char *what, const struct call *c)
{
	if (c->status)
		reply_error(re, 502, "%s was answered with status %d: %.*s",
			    what, c->status, REASON_SHOWN,
			    buf_text(&c->reply));
	else
		reply_error(re, 502, "%s can't be reached: %s", what,
			    c->error);
}

static bool
succeeded(const struct call *c)
{
	return c->status >= 200 && c->status <= 299;
}

/* Reply with the installation as it now stands.  Under the lock. */
static void
reply_installed(struct reply *re, const struct installation *i,
		const struct call *c)
{
	struct json_object *o = addon_view(i);

	json_put_int(o, "callback_status", c->status);
	reply_json(re, 200, o);
}

/* old: the installation that this one takes the place of, or NULL. */
static void
install(struct hipchatd *h, const char *url, int64_t room_id,
	struct addon *a, const char *old, struct reply *re)
{
	struct call c = { .method = "POST" };
	struct installation *i;
	char id[UUID_SIZE], *body, *callback;

	hipchatd_lock(h);
	i = new_client(h, url, room_id, a);
	memcpy(id, i->id, sizeof(id));
	body = addon_credentials(h, i);
	callback = xstrdup(i->addon.callback);
	hipchatd_unlock(h);

	c.url = callback;
	c.body = body;
	client_run(h, &c, 1);

	hipchatd_lock(h);
	i = state_installation(&h->state, id);
	if (!i) {
		reply_error(re, 409, "Removed while being installed");
	} else if (succeeded(&c)) {
		i->confirmed = true;
		if (old)
			state_remove_installation(&h->state, old);
		reply_installed(re, i, &c);
	} else {
		state_remove_installation(&h->state, id);
		refuse(re, "callbackUrl", &c);
	}
	hipchatd_unlock(h);
	call_free(&c);
	free(callback);
	free(body);
}

/* Give the client another secret, from text or, "", a random one. */
static void
set_secret(struct installation *i, const char *text)
{
	if (*text)
		memcpy(i->secret, text, SECRET_SIZE);
	else
		random_text(i->secret, SECRET_SIZE - 1);
}

/*
 * Re-installation with updateCallbackUrl: the client keeps its id.  Whether
 * HipChat changed the secret is not known; both can be had.
 */
static void
update(struct hipchatd *h, const char *id, struct addon *a, bool new_secret,
       struct reply *re)
{
	struct call c = { .method = "POST" };
	char *body = NULL, old[SECRET_SIZE] = "";
	struct installation *i;

	hipchatd_lock(h);
	i = state_installation(&h->state, id);
	if (i) {
		memcpy(old, i->secret, sizeof(old));
		if (new_secret)
			set_secret(i, "");
		body = addon_credentials(h, i);
	}
	hipchatd_unlock(h);
	if (!body) {
		reply_error(re, 404, "Installation not found");
		return;
	}
	c.url = a->update_callback;
	c.body = body;
	client_run(h, &c, 1);

	hipchatd_lock(h);
	i = state_installation(&h->state, id);
	if (!i) {
		reply_error(re, 409, "Removed while being installed");
	} else if (succeeded(&c)) {
		addon_free(&i->addon);
		i->addon = *a;
		memset(a, 0, sizeof(*a));
		number_hooks(&h->state, &i->addon);
		reply_installed(re, i, &c);
	} else {
		set_secret(i, old);
		refuse(re, "updateCallbackUrl", &c);
	}
	hipchatd_unlock(h);
	call_free(&c);
	free(body);
}

/* Do the room, or the installation to be renewed, exist? */
static bool
target_exists(struct hipchatd *h, const char *old, int64_t *room_id,
	      struct reply *re)
{
	struct installation *i = NULL;
	bool ok;

	hipchatd_lock(h);
	if (old) {
		i = state_installation(&h->state, old);
		ok = i && !i->revoked;
		if (ok)
			*room_id = i->room_id;
		else
			reply_error(re, 404, "Installation not found");
	} else {
		ok = !*room_id || state_room(&h->state, *room_id);
		if (!ok)
			reply_error(re, 404, "Room not found");
	}
	hipchatd_unlock(h);
	return ok;
}

void
addon_install(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *o = request_json(rq);
	const char *url = json_get_str(o, "url");
	const char *old = json_get_str(o, "oauth_id");
	int64_t room_id = json_get_int(o, "room_id", 0);
	struct addon a = { 0 };

	struct json_object *room = NULL;

	if (!url)
		reply_error(re, 400, "Field 'url' is missing");
	else if (json_object_object_get_ex(o, "room_id", &room) && room &&
		 !json_object_is_type(room, json_type_int))
		reply_error(re, 400, "Field 'room_id' must be a number");
	else if (target_exists(h, old, &room_id, re) &&
		 fetch_descriptor(h, url, &a, re) &&
		 permitted(&a, room_id, re)) {
		if (old && a.update_callback)
			update(h, old, &a, json_get_bool(o, "new_secret",
							 false), re);
		else
			install(h, url, room_id, &a, old, re);
	}
	addon_free(&a);
	json_object_put(o);
}
