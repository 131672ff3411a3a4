/*
 * lanes: see lanes.h.
 *
 * Names in outbox/new/ sort in the order of arrival and are never used twice,
 * so a name is new if it is not in the sorted list of the last scan.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "log.h"
#include "lanes.h"
#include "status.h"

static struct tenant *
get_tenant(struct lanes *all, const char *oauth_id)
{
	struct tenant *tenant;

	for (tenant = all->tenants; tenant != NULL; tenant = tenant->next)
		if (strcmp(tenant->oauth_id, oauth_id) == 0)
			return tenant;
	tenant = need(calloc(1, sizeof(*tenant)));
	strcpy(tenant->oauth_id, oauth_id);
	tenant->next = all->tenants;
	all->tenants = tenant;
	return tenant;
}

static struct lane *
get_lane(struct lanes *all, const char *oauth_id, int64_t room_id)
{
	struct tenant *tenant = get_tenant(all, oauth_id);
	struct lane *lane;

	for (lane = tenant->lanes; lane != NULL; lane = lane->sibling)
		if (lane->room_id == room_id)
			return lane;
	lane = need(calloc(1, sizeof(*lane)));
	lane->tenant = tenant;
	lane->room_id = room_id;
	lane->sibling = tenant->lanes;
	tenant->lanes = lane;
	lane->next = all->lanes;
	all->lanes = lane;
	return lane;
}

static void
push(struct lanes *all, const struct outbox_message *msg, const char *name)
{
	struct lane *lane = get_lane(all, msg->oauth_id, msg->room_id);
	struct item *item = need(calloc(1, sizeof(*item)));

	strcpy(item->name, name);
	if (lane->first == NULL)
		lane->first = item;
	else
		lane->last->next = item;
	lane->last = item;
	all->items++;
}

/* Add one message; false if there are no descriptors left. */
static bool
add_name(struct lanes *all, const struct outbox *box, const char *name)
{
	struct outbox_message msg;

	switch (outbox_load(box, "new", name, &msg)) {
	case 0:
		push(all, &msg, name);
		outbox_release(&msg);
		return true;
	case HTTP_NOT_FOUND:
		return true;
	case HTTP_SERVICE_UNAVAILABLE:
		return false;
	default:
		outbox_set_aside(box, name);
		return true;
	}
}

bool
lanes_scan(struct lanes *all, const struct outbox *box)
{
	struct dirent **list;
	const int n = outbox_list(box, "new", &list);
	bool ok = n >= 0;
	int i, old = 0, order;

	for (i = 0; ok && i < n; i++) {
		order = -1;
		while (old < all->n_seen &&
		    (order = strcmp(all->seen[old]->d_name, list[i]->d_name)) <
			0)
			old++;
		if (old == all->n_seen || order != 0)
			ok = add_name(all, box, list[i]->d_name);
	}
	if (n >= 0) {
		outbox_list_free(all->seen, all->n_seen);
		all->seen = list;
		all->n_seen = n;
	}
	return ok;
}

void
lanes_pop(struct lanes *all, struct lane *lane)
{
	struct item *item = lane->first;

	lane->first = item->next;
	free(item);
	all->items--;
}

/* Take over one lane of lanes.json. */
static void
load_lane(struct lanes *all, const struct store *st, struct json_object *entry)
{
	const char *oauth_id, *error = "";
	int64_t room_id, until = 0;
	struct installation inst;
	struct lane *lane;

	if (json_string(entry, "oauthId", STORE_ID_MAX - 1, &oauth_id) != 1 ||
	    json_positive(entry, "roomId", &room_id) != 1 ||
	    json_positive(entry, "until", &until) < 0 ||
	    json_string(entry, "error", OUTBOX_REASON_MAX - 1, &error) < 0 ||
	    store_find(st, oauth_id, &inst) != 0)
		return;
	lane = get_lane(all, oauth_id, room_id);
	/* the clock may have been set back since */
	if (until > time(NULL) + LANES_WAIT_MAX)
		until = time(NULL) + LANES_WAIT_MAX;
	lane->until = until * 1000;
	strcpy(lane->error, error);
}

void
lanes_load(struct lanes *all, const struct outbox *box, const struct store *st)
{
	struct json_object *doc = outbox_read_lanes(box), *lanes;
	size_t i;

	if (json_object_object_get_ex(doc, "lanes", &lanes) &&
	    json_object_is_type(lanes, json_type_array))
		for (i = 0; i < json_object_array_length(lanes); i++)
			load_lane(all, st, json_object_array_get_idx(lanes, i));
	json_object_put(doc);
}

/* What "courier --status" shows of one lane. */
static struct json_object *
lane_json(const struct lane *lane)
{
	struct json_object *doc = json_new();

	json_add_string(doc, "oauthId", lane->tenant->oauth_id);
	json_add_int(doc, "roomId", lane->room_id);
	if (lane->until != 0)
		json_add_int(doc, "until", (lane->until + 999) / 1000);
	if (*lane->error != '\0')
		json_add_string(doc, "error", lane->error);
	return doc;
}

void
lanes_save(const struct lanes *all, const struct outbox *box)
{
	struct json_object *doc = json_new();
	struct json_object *lanes = need(json_object_new_array());
	const struct lane *lane;

	for (lane = all->lanes; lane != NULL; lane = lane->next)
		if (lane->until != 0 || *lane->error != '\0')
			json_object_array_add(lanes, lane_json(lane));
	json_add(doc, "lanes", lanes);
	outbox_write_lanes(box, doc);
	json_object_put(doc);
}

void
lanes_free(struct lanes *all)
{
	while (all->lanes != NULL) {
		struct lane *lane = all->lanes;

		all->lanes = lane->next;
		while (lane->first != NULL)
			lanes_pop(all, lane);
		http_free(&lane->call);
		outbox_release(&lane->msg);
		free(lane);
	}
	while (all->tenants != NULL) {
		struct tenant *tenant = all->tenants;

		all->tenants = tenant->next;
		free(tenant);
	}
	outbox_list_free(all->seen, all->n_seen);
	memset(all, 0, sizeof(*all));
}
