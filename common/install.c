/*
 * install: see install.h.  The network is asked between two looks at the
 * store, without its lock; store_put() makes sure that the record has not
 * changed since the first look.
 */
#include <string.h>
#include <time.h>

#include "hipchat.h"
#include "install.h"
#include "log.h"
#include "store.h"

/* Get what is stored under this id; *old is all zero if nothing is. */
static int
look_up(const struct store *st, const struct installation *inst,
    struct installation *old)
{
	const int status = store_find(st, inst->oauth_id, old);

	if (status == HTTP_NOT_FOUND) {
		memset(old, 0, sizeof(*old));
		return 0;
	}
	if (status == 0 &&
	    strcmp(old->capabilities_url, inst->capabilities_url) != 0) {
		log_line(
		    "%s is installed from another URL; \"courier "
		    "--forget %s\" lets it be installed again; stored is %s",
		    inst->oauth_id, inst->oauth_id, old->capabilities_url);
		return HTTP_FORBIDDEN;
	}
	return status;
}

int
install_read(struct installation *inst, struct cgi *cgi)
{
	const char *why = installation_parse(cgi->body, cgi->body_len, inst);

	if (why == NULL)
		return 0;
	return cgi_error(cgi, HTTP_BAD_REQUEST, "JSON body: %s", why);
}

int
install(const struct config *cfg, const struct datadir *dir,
    struct installation *inst)
{
	struct installation old;
	struct token token;
	struct store st;
	int status = store_open(&st, dir);

	if (status == 0)
		status = look_up(&st, inst, &old);
	if (status == 0)
		status = hipchat_discover(cfg, inst);
	if (status == 0)
		status = hipchat_token(cfg, inst, &token);
	inst->installed = (int64_t)time(NULL);
	if (status == 0)
		status = store_put(&st, inst, &old);
	if (status == 0)
		status = store_put_token(&st, inst, &token);
	if (status == 0)
		hipchat_log(inst, "installed");
	return status;
}
