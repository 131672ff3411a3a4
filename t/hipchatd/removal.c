/*
 * Removal of add-ons.  HipChat had several forms of it, and which one an
 * add-on met depended on what it declared: control.c describes them.
 */
#include "removal.h"

#include <stdlib.h>
#include <string.h>

#include "addon.h"
#include "client.h"

/* A removal under way. */
struct removal {
	const char *id;
	struct json_object *options;	/* the control request's body */
	char *callback;
	char *uninstalled;		/* NULL: not declared */
	char *document;			/* the default installable */
	struct json_object *report;
	bool revoke;
};

static void
forget(struct hipchatd *h, const struct removal *m)
{
	hipchatd_lock(h);
	if (m->revoke)
		state_remove_installation(&h->state, m->id);
	hipchatd_unlock(h);
}

/* Form A: DELETE {callbackUrl}/{oauthId}, whatever the answer. */
static void
send_delete(struct hipchatd *h, const struct removal *m, const char *report)
{
	char *url = xasprintf("%s/%s", m->callback, m->id);
	struct call c = { .method = "DELETE", .url = url };

	client_run(h, &c, 1);
	json_put_int(m->report, report, c.status);
	call_free(&c);
	free(url);
}

/* Form C: POST to uninstalledUrl, the id as JSON. */
static void
send_post(struct hipchatd *h, const struct removal *m)
{
	struct json_object *o = json_object_new_object();
	struct call c = { .method = "POST", .url = m->uninstalled };

	json_put_str(o, "oauthId", m->id);
	c.body = json_compact(o);
	client_run(h, &c, 1);
	json_put_int(m->report, "status", c.status);
	call_free(&c);
	json_object_put(o);
}

/* Put the installable document up; its id, which the caller frees. */
static char *
publish(struct hipchatd *h, const struct removal *m)
{
	struct json_object *o;
	const char *text = m->document;
	char *id;

	if (json_object_object_get_ex(m->options, "installable", &o))
		text = json_text(o) ? json_text(o) : json_compact(o);
	hipchatd_lock(h);
	id = xstrdup(state_add_document(&h->state, text)->id);
	hipchatd_unlock(h);
	return id;
}

static bool
withdraw(struct hipchatd *h, const char *id)
{
	struct document *d;
	bool fetched;

	hipchatd_lock(h);
	d = state_document(&h->state, id);
	fetched = d && d->fetched;
	state_remove_document(&h->state, id);
	hipchatd_unlock(h);
	return fetched;
}

static char *
browser_url(const struct hipchatd *h, const struct removal *m,
	    const char *document, const char *redirect)
{
	const char *other = json_get_str(m->options, "installable_url");
	char *own = xasprintf("%s/v2/installable/%s", h->base, document);
	char *r = percent_encode(redirect);
	char *i = percent_encode(other ? other : own);
	char *url = xasprintf("%s%credirect_url=%s&installable_url=%s",
			      m->uninstalled,
			      strchr(m->uninstalled, '?') ? '&' : '?', r, i);

	free(own);
	free(r);
	free(i);
	return url;
}

/*
 * Form B: the user's browser goes to uninstalledUrl and must be sent back.
 * True: it was.
 */
static bool
send_browser(struct hipchatd *h, const struct removal *m)
{
	const char *other = json_get_str(m->options, "redirect_url");
	char *document = publish(h, m);
	char *redirect = other ? xstrdup(other) :
		xasprintf("%s/addons/?removed=%s&from=hipchat", h->base,
			  m->id);
	char *url = browser_url(h, m, document, redirect);
	struct call c = { .method = "GET", .url = url };
	bool back;

	client_run(h, &c, 1);
	back = c.status == 302 && c.location && !strcmp(c.location, redirect);
	json_put_int(m->report, "status", c.status);
	json_put_str(m->report, "location", c.location);
	json_put_str(m->report, "redirect_url", redirect);
	json_put_bool(m->report, "fetched", withdraw(h, document));
	call_free(&c);
	free(url);
	free(redirect);
	free(document);
	return back;
}

/* The form's call, and the revocation before or after it. */
static void
carry_out(struct hipchatd *h, const struct removal *m, char form)
{
	bool gone = true;

	if (form != 'B')
		forget(h, m);
	if (form == 'A')
		send_delete(h, m, "status");
	else if (form == 'C')
		send_post(h, m);
	else
		gone = send_browser(h, m);
	if (form == 'B' && gone)
		forget(h, m);
	if (form == 'B' && gone &&
	    json_get_bool(m->options, "also_delete", false))
		send_delete(h, m, "delete_status");
	json_put_bool(m->report, "removed", gone && m->revoke);
}

/* False: there is no such installation. */
static bool
begin_removal(struct hipchatd *h, struct removal *m)
{
	struct installation *i;

	hipchatd_lock(h);
	i = m->id ? state_installation(&h->state, m->id) : NULL;
	if (i) {
		m->callback = xstrdup(i->addon.callback);
		if (i->addon.uninstalled)
			m->uninstalled = xstrdup(i->addon.uninstalled);
		m->document = addon_credentials(h, i);
	}
	hipchatd_unlock(h);
	m->revoke = json_get_bool(m->options, "revoke", true);
	return i;
}

void
removal_run(struct hipchatd *h, struct request *rq, struct reply *re)
{
	struct json_object *o = request_json(rq);
	const char *form = json_get_str(o, "form");
	struct removal m = { .id = json_get_str(o, "oauth_id"), .options = o };

	if (!form)
		form = "A";
	if (strlen(form) != 1 || !strchr("ABC", *form)) {
		reply_error(re, 400, "Field 'form' must be A, B or C");
	} else if (!begin_removal(h, &m)) {
		reply_error(re, 404, "Installation not found");
	} else if (*form != 'A' && !m.uninstalled) {
		reply_error(re, 400, "The add-on declares no uninstalledUrl");
	} else {
		m.report = json_object_new_object();
		carry_out(h, &m, *form);
		reply_json(re, 200, m.report);
	}
	free(m.callback);
	free(m.uninstalled);
	free(m.document);
	json_object_put(o);
}
