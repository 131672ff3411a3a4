/* The table of routes. */
#include "routes.h"

#include <stdlib.h>
#include <string.h>

#include "addon.h"
#include "api.h"
#include "control.h"
#include "oauth.h"
#include "page.h"
#include "removal.h"

static const struct route routes[] = {
	{ "GET", "v2/capabilities", "capabilities", true, api_capabilities },
	{ "POST", "v2/oauth/token", "token", true, oauth_issue },
	{ "GET", "v2/oauth/token/{}", "session", true, oauth_show },
	{ "DELETE", "v2/oauth/token/{}", "session", true, oauth_delete },
	{ "GET", "v2/room", "rooms", true, api_rooms },
	{ "GET", "v2/room/{}", "room", true, api_room },
	{ "POST", "v2/room/{}/notification", "notification", false,
	  api_notify },
	{ "POST", "v2/room/{}/message", "message", true, api_say },
	{ "PUT", "v2/room/{}/topic", "topic", true, api_topic },
	{ "GET", "v2/room/{}/history", "history", true, api_history },
	{ "GET", "v2/room/{}/history/latest", "history", true, api_history },
	{ "GET", "v2/installable/{}", "installable", true, api_installable },
	{ "GET", "control/rooms", NULL, true, control_rooms },
	{ "POST", "control/rooms", NULL, true, control_add_room },
	{ "GET", "control/rooms/{}", NULL, true, control_room },
	{ "POST", "control/rooms/{}/say", NULL, false, control_say },
	{ "POST", "control/rooms/{}/event", NULL, false, control_event },
	{ "POST", "control/install", NULL, false, addon_install },
	{ "POST", "control/remove", NULL, false, removal_run },
	{ "GET", "control/installations", NULL, true, control_installations },
	{ "POST", "control/installations/{}/revoke", NULL, true,
	  control_revoke },
	{ "POST", "control/installations/{}/revoke-tokens", NULL, true,
	  control_revoke_tokens },
	{ "GET", "control/log", NULL, true, control_log },
	{ "DELETE", "control/log", NULL, true, control_clear_log },
	{ "GET", "control/faults", NULL, true, control_faults },
	{ "POST", "control/faults", NULL, true, control_add_fault },
	{ "DELETE", "control/faults", NULL, true, control_clear_faults },
	{ "POST", "control/release", NULL, true, control_release },
	{ "GET", "control/settings", NULL, true, control_settings },
	{ "POST", "control/settings", NULL, true, control_set },
	{ "GET", "", NULL, true, page_show },
	{ "GET", "addons", NULL, true, page_show },
};

#define NROUTES (sizeof(routes) / sizeof(routes[0]))

static bool
path_matches(const char *path, struct request *rq)
{
	size_t args = 0;

	for (size_t i = 0; i < rq->nsegments; i++) {
		size_t len = strcspn(path, "/");
		const char *s = rq->segment[i];

		if (!len)
			return false;
		if (len == 2 && !memcmp(path, "{}", 2))
			rq->arg[args++] = s;
		else if (strlen(s) != len || memcmp(path, s, len))
			return false;
		path += len;
		path += *path == '/';
	}
	return !*path;
}

const struct route *
route_find(struct request *rq, char **allow)
{
	struct buf methods = { 0 };

	*allow = NULL;
	if (rq->bad_path)
		return NULL;
	for (size_t i = 0; i < NROUTES; i++) {
		if (!path_matches(routes[i].path, rq))
			continue;
		if (!strcmp(routes[i].method, rq->method)) {
			buf_free(&methods);
			return &routes[i];
		}
		if (methods.len)
			buf_puts(&methods, ", ");
		buf_puts(&methods, routes[i].method);
		if (!strcmp(routes[i].method, "GET"))
			buf_puts(&methods, ", HEAD");
	}
	*allow = methods.data;
	return NULL;
}
