/*
 * queue: see queue.h.
 *
 * Names in outbox/new/ sort in the order of arrival and are never used twice,
 * so a name is new if it is not in the sorted list of the last scan.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "log.h"
#include "queue.h"
#include "status.h"

static struct client *
find_client(struct queue *q, const char *oauth_id)
{
	struct client *client;

	for (client = q->clients; client != NULL; client = client->next)
		if (strcmp(client->oauth_id, oauth_id) == 0)
			return client;
	client = need(calloc(1, sizeof(*client)));
	strcpy(client->oauth_id, oauth_id);
	client->next = q->clients;
	q->clients = client;
	return client;
}

static struct lane *
find_lane(struct queue *q, const char *oauth_id, int64_t room_id)
{
	struct client *client = find_client(q, oauth_id);
	struct lane *lane;

	for (lane = client->lanes; lane != NULL; lane = lane->sibling)
		if (lane->room_id == room_id)
			return lane;
	lane = need(calloc(1, sizeof(*lane)));
	lane->client = client;
	lane->room_id = room_id;
	lane->sibling = client->lanes;
	client->lanes = lane;
	lane->next = q->lanes;
	q->lanes = lane;
	return lane;
}

static void
push(struct queue *q, const struct outbox_message *msg, const char *name)
{
	struct lane *lane = find_lane(q, msg->oauth_id, msg->room_id);
	struct item *item = need(calloc(1, sizeof(*item)));

	strcpy(item->name, name);
	if (lane->first == NULL)
		lane->first = item;
	else
		lane->last->next = item;
	lane->last = item;
	q->items++;
}

/* Add one message; false if there are no descriptors left. */
static bool
add_name(struct queue *q, const struct outbox *box, const char *name)
{
	struct outbox_message msg;

	switch (outbox_load(box, "new", name, &msg)) {
	case 0:
		push(q, &msg, name);
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
queue_scan(struct queue *q, const struct outbox *box)
{
	struct dirent **list;
	const int n = outbox_list(box, "new", &list);
	bool ok = n >= 0;
	int i, old = 0, order;

	for (i = 0; ok && i < n; i++) {
		order = -1;
		while (old < q->n_seen && (order = strcmp(
		    q->seen[old]->d_name, list[i]->d_name)) < 0)
			old++;
		if (old == q->n_seen || order != 0)
			ok = add_name(q, box, list[i]->d_name);
	}
	if (n >= 0) {
		outbox_list_free(q->seen, q->n_seen);
		q->seen = list;
		q->n_seen = n;
	}
	return ok;
}

void
queue_pop(struct queue *q, struct lane *lane)
{
	struct item *item = lane->first;

	lane->first = item->next;
	free(item);
	q->items--;
}

/* Take over one lane of status.json. */
static void
load_lane(struct queue *q, const struct store *st, struct json_object *entry)
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
	lane = find_lane(q, oauth_id, room_id);
	/* the clock may have been set back since */
	if (until > time(NULL) + QUEUE_WAIT_MAX)
		until = time(NULL) + QUEUE_WAIT_MAX;
	lane->until = until * 1000;
	strcpy(lane->error, error);
}

void
queue_load_status(struct queue *q, const struct outbox *box,
    const struct store *st)
{
	struct json_object *doc = outbox_read_status(box), *lanes;
	size_t i;

	if (json_object_object_get_ex(doc, "lanes", &lanes) &&
	    json_object_is_type(lanes, json_type_array))
		for (i = 0; i < json_object_array_length(lanes); i++)
			load_lane(q, st, json_object_array_get_idx(lanes, i));
	json_object_put(doc);
}

/* What "courier --status" shows of one lane. */
static struct json_object *
lane_json(const struct lane *lane)
{
	struct json_object *doc = json_new();

	json_add_string(doc, "oauthId", lane->client->oauth_id);
	json_add_int(doc, "roomId", lane->room_id);
	if (lane->until != 0)
		json_add_int(doc, "until", (lane->until + 999) / 1000);
	if (*lane->error != '\0')
		json_add_string(doc, "error", lane->error);
	return doc;
}

void
queue_save_status(const struct queue *q, const struct outbox *box)
{
	struct json_object *doc = json_new();
	struct json_object *lanes = need(json_object_new_array());
	const struct lane *lane;

	for (lane = q->lanes; lane != NULL; lane = lane->next)
		if (lane->until != 0 || *lane->error != '\0')
			json_object_array_add(lanes, lane_json(lane));
	json_add(doc, "lanes", lanes);
	outbox_write_status(box, doc);
	json_object_put(doc);
}

void
queue_free(struct queue *q)
{
	while (q->lanes != NULL) {
		struct lane *lane = q->lanes;

		q->lanes = lane->next;
		while (lane->first != NULL)
			queue_pop(q, lane);
		http_free(&lane->call);
		outbox_release(&lane->msg);
		free(lane);
	}
	while (q->clients != NULL) {
		struct client *client = q->clients;

		q->clients = client->next;
		free(client);
	}
	outbox_list_free(q->seen, q->n_seen);
	memset(q, 0, sizeof(*q));
}
