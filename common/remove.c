/*
 * remove: see remove.h.
 */
#include <string.h>

#include "hipchat.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "outbox.h"
#include "remove.h"
#include "status.h"
#include "store.h"
#include "wake.h"

static int
read_query(struct cgi *cgi, const char *encoded, const char *name, char *out)
{
	if (cgi_param(encoded, name, out) < 0)
		return cgi_error(cgi, HTTP_BAD_REQUEST, "%s: bad value, or two",
		    name);
	return 0;
}

static int
read_member(struct cgi *cgi, struct json_object *doc, const char *name,
    char *out)
{
	const char *text;
	const int found = json_string(doc, name, CGI_URL_MAX - 1, &text);

	if (found < 0)
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "%s: a string is needed", name);
	if (found == 1)
		strcpy(out, text);
	return 0;
}

static int
read_encoded(struct removal *r, struct cgi *cgi, const char *encoded)
{
	int status;

	status = read_query(cgi, encoded, "oauthId", r->oauth_id);
	if (status == 0)
		status =
		    read_query(cgi, encoded, "redirect_url", r->redirect_url);
	if (status == 0)
		status = read_query(cgi, encoded, "installable_url",
		    r->installable_url);
	return status;
}

static int
read_json(struct removal *r, struct cgi *cgi)
{
	const char *why;
	struct json_object *doc;
	int status;

	if ((doc = json_read(cgi->body, cgi->body_len, &why)) == NULL)
		return cgi_error(cgi, HTTP_BAD_REQUEST, "JSON body: %s", why);
	status = read_member(cgi, doc, "oauthId", r->oauth_id);
	if (status == 0)
		status = read_member(cgi, doc, "redirect_url", r->redirect_url);
	if (status == 0)
		status = read_member(cgi, doc, "installable_url",
		    r->installable_url);
	json_object_put(doc);
	return status;
}

/* Is everything there, and is the browser sent to HipChat only? */
static int
check(const struct removal *r, struct cgi *cgi, const struct config *cfg)
{
	if (r->browser &&
	    (*r->redirect_url == '\0' || *r->installable_url == '\0'))
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "redirect_url and installable_url are needed");
	if (*r->oauth_id == '\0' && *r->installable_url == '\0')
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "oauthId or installable_url is needed");
	if (*r->oauth_id != '\0' && !installation_id_fits(r->oauth_id))
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "oauthId: no installation has it");
	if (*r->redirect_url != '\0' && !http_url_allowed(cfg, r->redirect_url))
		return cgi_error(cgi, HTTP_BAD_REQUEST,
		    "redirect_url: not on an allowed host");
	return 0;
}

int
remove_read(struct removal *removal, struct cgi *cgi, const struct config *cfg)
{
	int status;

	memset(removal, 0, sizeof(*removal));
	removal->browser = cgi->method == CGI_GET;
	status = read_encoded(removal, cgi, cgi->query);
	if (status == 0 && cgi->body_len > 0) {
		/* curl -d calls any body a form, so look at the body itself */
		if (cgi->body[strspn(cgi->body, " \t\r\n")] == '{')
			status = read_json(removal, cgi);
		else if (strlen(cgi->body) < cgi->body_len)
			status =
			    cgi_error(cgi, HTTP_BAD_REQUEST, "NUL in the form");
		else
			status = read_encoded(removal, cgi, cgi->body);
	}
	return status != 0 ? status : check(removal, cgi, cfg);
}

/*
 * Forget the installation, its token and its messages, and log that with this
 * word.  found is what store_find() returned: if 404, an earlier removal may
 * have ended halfway.
 */
static int
forget(const struct store *st, struct outbox *box,
    const struct installation *inst, const char *oauth_id, int found,
    const char *word)
{
	int status = found;

	if (found == 0 && (status = store_remove(st, inst)) == 0)
		hipchat_log(inst, word);
	return status == 0 || status == HTTP_NOT_FOUND ?
	    outbox_forget(box, oauth_id) :
	    status;
}

int
remove_by_id(struct process *process, const char *oauth_id)
{
	struct installation inst;
	struct store st;
	int status;

	if (!installation_id_fits(oauth_id)) {
		log_line("%.64s: not the id of an installation", oauth_id);
		return HTTP_NOT_FOUND;
	}
	if ((status = store_open(&st, &process->dir)) == 0)
		status = store_find(&st, oauth_id, &inst);
	if (status == 0)
		status = hipchat_removed(&process->cfg, &inst);
	return forget(&st, &process->outbox, &inst, oauth_id, status,
	    "removed");
}

/*
 * Is a document with this secret, or without one, a proof?  Whoever has a file
 * on an allowed host can name an installation, so without its secret, ask
 * HipChat.
 */
static int
prove(const struct config *cfg, const struct installation *inst,
    const char *secret)
{
	if (*secret == '\0')
		return hipchat_removed(cfg, inst);
	if (strcmp(secret, inst->oauth_secret) == 0)
		return 0;
	log_line("%s: the document holds another secret", inst->oauth_id);
	return HTTP_FORBIDDEN;
}

/* HipChat may revoke it only after the browser is back. */
static int
leave_to_courier(struct process *process, const char *oauth_id)
{
	const int status = outbox_put_removal(&process->outbox, oauth_id);

	if (status == 0)
		wake_courier(&process->wake, WAKE_NEW);
	return status;
}

int
remove_by_document(struct process *process, const struct removal *removal)
{
	char oauth_id[STORE_ID_MAX], secret[STORE_SECRET_MAX];
	const struct config *cfg = &process->cfg;
	struct installation inst;
	struct store st;
	int status = store_open(&st, &process->dir);

	if (status == 0)
		status = hipchat_installable(cfg, removal->installable_url,
		    oauth_id, secret);
	if (status != 0)
		return status;
	status = store_find(&st, oauth_id, &inst);
	if (status == 0)
		status = prove(cfg, &inst, secret);
	status =
	    forget(&st, &process->outbox, &inst, oauth_id, status, "removed");
	return status == HTTP_CONFLICT && removal->browser ?
	    leave_to_courier(process, oauth_id) :
	    status;
}

int
remove_refused(const struct store *st, struct outbox *box,
    const struct installation *inst)
{
	struct installation now;
	const int found = store_find(st, inst->oauth_id, &now);

	return forget(st, box, inst, inst->oauth_id, found,
	    "removed: HipChat refuses its credentials");
}

int
remove_by_operator(const struct datadir *dir, struct outbox *box,
    const char *oauth_id)
{
	struct installation inst;
	struct store st;
	int found, status = store_open(&st, dir);

	if (!installation_id_fits(oauth_id))
		return HTTP_NOT_FOUND;
	if (status != 0)
		return status;
	found = store_find(&st, oauth_id, &inst);
	status = forget(&st, box, &inst, oauth_id, found, "forgotten");
	return status != 0 ? status : found;
}
