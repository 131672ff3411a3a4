/*
 * OAuth 2 tokens.  The texts of the 401 and 403 are those captured from
 * HipChat; it had one text for unknown, expired and revoked tokens alike.
 */
#include "oauth.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "scope.h"

#define AUTHENTICATE "Authenticated requests only. See " \
	"https://www.hipchat.com/docs/apiv2/auth for more information."

/* The client of Basic authentication, if it exists and the secret is right */
static struct installation *
basic_client(struct hipchatd *h, const struct request *rq)
{
	char *pass = NULL, *user;
	struct installation *i;

	user = MHD_basic_auth_get_username_password(rq->connection, &pass);
	i = user ? state_installation(&h->state, user) : NULL;
	if (i && (i->revoked || !pass || strcmp(i->secret, pass)))
		i = NULL;
	MHD_free(user);
	MHD_free(pass);
	return i;
}

/* The parameters: clients sent them as a form, as JSON or in the query. */
static bool
token_params(const struct request *rq, struct params *p)
{
	char *type = request_media_type(rq);
	bool json = !strcmp(type, "application/json"), ok = true;

	free(type);
	for (size_t i = 0; i < rq->query.count; i++)
		params_add(p, rq->query.list[i].name, rq->query.list[i].value);
	if (json && rq->body.len) {
		struct json_object *o = request_json(rq);
		static const char *const names[] = { "grant_type", "scope" };

		for (size_t i = 0; o && i < 2; i++)
			if (json_get_str(o, names[i]))
				params_add(p, names[i],
					   json_get_str(o, names[i]));
		ok = o;
		json_object_put(o);
	} else {
		params_parse(p, buf_text(&rq->body));
	}
	return ok;
}

static void
issue(struct hipchatd *h, struct installation *i, unsigned scopes,
      struct reply *re)
{
	const struct token *t = state_add_token(&h->state, i->id, scopes,
						h->set.token_ttl);
	struct json_object *o = json_object_new_object();
	char *list = scope_list(scopes, " ");

	json_put_str(o, "access_token", t->text);
	json_put_int(o, "expires_in", h->set.token_ttl);
	json_put_int(o, "group_id", GROUP_ID);
	json_put_str(o, "group_name", GROUP_NAME);
	json_put_str(o, "scope", list);
	json_put_str(o, "token_type", "bearer");
	free(list);
	reply_json(re, 200, o);
}

void
oauth_issue(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct params p = { 0 };
	struct installation *i = NULL;
	const char *grant, *scope;
	unsigned scopes = 0;

	if (!token_params(rq, &p)) {
		reply_error(re, 400, "Request body is not a JSON object");
		params_free(&p);
		return;
	}
	grant = params_get(&p, "grant_type");
	scope = params_get(&p, "scope");
	if (!grant)
		reply_error(re, 400, "Parameter 'grant_type' is missing");
	else if (strcmp(grant, "client_credentials"))
		reply_error(re, 400, "Unsupported grant type");
	else if (!(i = basic_client(h, rq)))
		reply_error(re, 401, "%s", AUTHENTICATE);
	else if (!window_take(&i->rate, h->set.rate_limit, RATE_LIMIT,
			      h->set.rate_window, &re->rate))
		reply_error(re, 429, "Rate limit exceeded");
	else if (scope && !scope_parse(scope, &scopes))
		reply_error(re, 400, "Unknown scope");
	else if (scopes & ~i->addon.scopes)
		reply_error(re, 400, "Scope exceeds what the add-on declares");
	else
		issue(h, i, scopes ? scopes : i->addon.scopes, re);
	params_free(&p);
}

static const char *
bearer(const struct request *rq)
{
	const char *s = request_header(rq, "Authorization");

	if (!s)
		return params_get(&rq->query, "auth_token");
	if (strncasecmp(s, "Bearer ", 7))
		return NULL;
	return s + 7 + strspn(s + 7, " ");
}

static void
forbid(struct reply *re, unsigned scopes)
{
	char *names = scope_list(scopes, "', u'");

	reply_error(re, 403, "This action requires one of the following "
		    "scopes: [u'%s']", names);
	free(names);
}

struct installation *
oauth_session(struct hipchatd *h, const struct request *rq, struct reply *re,
	      unsigned scopes)
{
	const char *text = bearer(rq), *test;
	const struct token *t;
	struct installation *i;

	if (!text) {
		reply_error(re, 401, "%s", AUTHENTICATE);
		return NULL;
	}
	t = state_token(&h->state, text);
	i = t ? state_installation(&h->state, t->client) : NULL;
	if (!i || i->revoked) {
		reply_error(re, 401, "Invalid OAuth session");
		return NULL;
	}
	if (!window_take(&i->rate, h->set.rate_limit, RATE_LIMIT,
			 h->set.rate_window, &re->rate)) {
		reply_error(re, 429, "Rate limit exceeded");
		return NULL;
	}
	if (scopes && !(t->scopes & scopes)) {
		forbid(re, scopes);
		return NULL;
	}
	test = params_get(&rq->query, "auth_test");
	if (test && !strcmp(test, "true")) {
		reply_empty(re, 202);
		return NULL;
	}
	return i;
}

static struct json_object *
scope_array(unsigned mask)
{
	struct json_object *a = json_object_new_array();

	for (unsigned i = 0; scope_names[i]; i++)
		if (mask & 1u << i)
			json_append_str(a, scope_names[i]);
	return a;
}

void
oauth_show(struct hipchatd *h, struct request *rq, struct reply *re)
{
	const struct token *t = state_token(&h->state, rq->arg[0]);
	struct installation *i = t ? state_installation(&h->state, t->client) :
		NULL;
	struct json_object *o, *client;

	if (!i || i->revoked) {
		reply_error(re, 404, "OAuth session not found");
		return;
	}
	client = json_object_new_object();
	json_put(client, "allowed_scopes", scope_array(i->addon.scopes));
	json_put_str(client, "id", i->id);
	json_put_str(client, "name", i->addon.name);
	if (i->room_id) {
		struct room *r = state_room(&h->state, i->room_id);
		struct json_object *room = json_object_new_object();

		json_put_int(room, "id", i->room_id);
		json_put_str(room, "name", r ? r->name : NULL);
		json_put(client, "room", room);
	}
	o = json_object_new_object();
	json_put_str(o, "access_token", t->text);
	json_put(o, "client", client);
	json_put_int(o, "expires_in", (t->expires - mono_ms()) / 1000);
	json_put_str(o, "owner_type", "client");
	json_put(o, "scopes", scope_array(t->scopes));
	reply_json(re, 200, o);
}

void
oauth_delete(struct hipchatd *h, struct request *rq, struct reply *re)
{
	if (!state_token(&h->state, rq->arg[0])) {
		reply_error(re, 404, "OAuth session not found");
		return;
	}
	state_remove_token(&h->state, rq->arg[0]);
	reply_empty(re, 204);
}
