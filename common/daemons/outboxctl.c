/*
 * outboxctl: see outboxctl.h.  A running courier notices: it skips files that
 * are gone, and is woken for new ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hipchat.h"
#include "json.h"
#include "log.h"
#include "outbox.h"
#include "outboxctl.h"
#include "remove.h"
#include "status.h"
#include "store.h"
#include "wake.h"

#define TIME_MAX 32

/* The data directory, which must be ours, and the outbox in it. */
static bool
open_both(const struct config *cfg, struct datadir *dir, struct outbox *box)
{
	if (datadir_open(dir, cfg->data_dir) != 0)
		return false;
	if (outbox_open(box, dir) == 0)
		return true;
	datadir_close(dir);
	return false;
}

static void
close_both(struct datadir *dir, struct outbox *box)
{
	outbox_close(box);
	datadir_close(dir);
}

/* Unix time in the operator's time zone; "-" for 0. */
static void
show_time(char text[TIME_MAX], int64_t when)
{
	const time_t then = (time_t)when;
	struct tm tm;

	strcpy(text, "-");
	if (when != 0 && localtime_r(&then, &tm) != NULL)
		strftime(text, TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm);
}

/* ---- status ---- */

/* The installation's entry in the report; made if it is missing. */
static struct json_object *
entry_of(struct json_object *report, const char *oauth_id)
{
	struct json_object *entry;

	if (json_object_object_get_ex(report, oauth_id, &entry))
		return entry;
	entry = json_new();
	json_add_int(entry, "queued", 0);
	json_add_int(entry, "failed", 0);
	json_add(report, oauth_id, entry);
	return entry;
}

static bool
report_installations(struct json_object *report, const struct store *st)
{
	char *ids, *id;

	if (store_ids(st, &ids) != 0)
		return false;
	for (id = ids; *id != '\0'; id += strlen(id) + 1)
		entry_of(report, id);
	free(ids);
	return true;
}

/* Count the messages in a directory, and keep the last one's reason. */
static bool
report_messages(struct json_object *report, const struct outbox *box,
    const char *dir, const char *member)
{
	struct json_object *entry, *count;
	struct outbox_message msg;
	struct dirent **list;
	const int n = outbox_list(box, dir, &list);
	int i;

	for (i = 0; i < n; i++) {
		if (outbox_load(box, dir, list[i]->d_name, &msg) != 0)
			continue;
		entry = entry_of(report, msg.oauth_id);
		if (json_object_object_get_ex(entry, member, &count))
			json_object_int_inc(count, 1);
		if (*msg.reason != '\0')
			json_add_string(entry, "lastError", msg.reason);
		outbox_release(&msg);
	}
	if (n >= 0)
		outbox_list_free(list, n);
	return n >= 0;
}

/* What the courier wrote about its lanes. */
static void
report_lanes(struct json_object *report, const struct outbox *box)
{
	struct json_object *doc = outbox_read_lanes(box), *lanes, *entry;
	const char *oauth_id, *error;
	int64_t until, other;
	size_t i;

	if (!json_object_object_get_ex(doc, "lanes", &lanes) ||
	    !json_object_is_type(lanes, json_type_array)) {
		json_object_put(doc);
		return;
	}
	for (i = 0; i < json_object_array_length(lanes); i++) {
		struct json_object *lane = json_object_array_get_idx(lanes, i);

		/* its installation may be gone */
		if (json_string(lane, "oauthId", STORE_ID_MAX - 1, &oauth_id) !=
			1 ||
		    !json_object_object_get_ex(report, oauth_id, &entry))
			continue;
		if (json_positive(lane, "until", &until) == 1 &&
		    until > (int64_t)time(NULL) &&
		    (json_positive(entry, "deferredUntil", &other) != 1 ||
			other < until)) /* the latest of its rooms */
			json_add_int(entry, "deferredUntil", until);
		if (json_string(lane, "error", OUTBOX_REASON_MAX, &error) == 1)
			json_add_string(entry, "lastError", error);
	}
	json_object_put(doc);
}

static void
print_entry(const char *oauth_id, struct json_object *entry)
{
	const char *error = "-";
	int64_t queued = 0, failed = 0, until = 0;
	struct json_object *count;
	char when[TIME_MAX];

	if (json_object_object_get_ex(entry, "queued", &count))
		queued = json_object_get_int64(count);
	if (json_object_object_get_ex(entry, "failed", &count))
		failed = json_object_get_int64(count);
	json_positive(entry, "deferredUntil", &until);
	show_time(when, until);
	json_string(entry, "lastError", OUTBOX_REASON_MAX, &error);
	printf("%-36s %7lld %7lld  %-19s  ", oauth_id, (long long)queued,
	    (long long)failed, when);
	for (; *error != '\0'; error++) /* it may be what HipChat said */
		putchar(*error >= 0x20 && *error < 0x7f ? *error : '?');
	putchar('\n');
}

static void
print_report(struct json_object *report, bool json)
{
	if (json) {
		printf("%s\n",
		    json_object_to_json_string_ext(report,
			JSON_C_TO_STRING_PRETTY |
			    JSON_C_TO_STRING_NOSLASHESCAPE));
		return;
	}
	printf("%-36s %7s %7s  %-19s  %s\n", "INSTALLATION", "QUEUED", "FAILED",
	    "DEFERRED UNTIL", "LAST ERROR");
	json_object_object_foreach (report, oauth_id, entry) {
		print_entry(oauth_id, entry);
	}
}

int
outboxctl_status(const struct config *cfg, bool json)
{
	struct json_object *report;
	struct datadir dir;
	struct outbox box;
	struct store st;
	bool ok;

	if (!open_both(cfg, &dir, &box))
		return 1;
	report = json_new();
	ok = store_open(&st, &dir) == 0 && report_installations(report, &st) &&
	    report_messages(report, &box, "new", "queued") &&
	    report_messages(report, &box, "failed", "failed");
	report_lanes(report, &box);
	close_both(&dir, &box);
	if (ok)
		print_report(report, json);
	json_object_put(report);
	return ok ? 0 : 1;
}

/* ---- retry and drop ---- */

enum action {
	RETRY, /* into new/ again */
	DROP,  /* away */
};

/* Does the operator mean this message, or its installation? */
static bool
is_meant(const char *id, const char *name, const struct outbox_message *msg)
{
	return strcmp(id, name) == 0 || strcmp(id, msg->oauth_id) == 0;
}

/* Process the messages in one directory; returns how many, or -1. */
static int
treat(const struct outbox *box, const char *dir, enum action action,
    const char *id)
{
	struct outbox_message msg;
	struct dirent **list;
	const int n = outbox_list(box, dir, &list);
	int i, treated = 0;

	for (i = 0; i < n; i++) {
		/* a file that is not a message can be dropped by its name */
		if (outbox_load(box, dir, list[i]->d_name, &msg) != 0 &&
		    action == RETRY)
			continue;
		if (action == DROP && is_meant(id, list[i]->d_name, &msg)) {
			treated += outbox_remove(box, dir, list[i]->d_name);
		} else if (action == RETRY &&
		    (strcmp(id, "all") == 0 ||
			is_meant(id, list[i]->d_name, &msg)) &&
		    outbox_retry(box, list[i]->d_name, &msg) == 0) {
			treated++;
		}
		outbox_release(&msg);
	}
	if (n >= 0)
		outbox_list_free(list, n);
	return n < 0 ? -1 : treated;
}

static int
report_treated(const char *verb, int n)
{
	if (n > 0)
		printf("%d message%s %s\n", n, n == 1 ? "" : "s", verb);
	else
		fprintf(stderr, "no such message\n");
	return n > 0 ? 0 : 1;
}

int
outboxctl_retry(const struct config *cfg, const char *id)
{
	struct datadir dir;
	struct outbox box;
	int n;

	if (!open_both(cfg, &dir, &box))
		return 1;
	outbox_reserve(&box, cfg->courier);
	n = treat(&box, "failed", RETRY, id);
	if (n > 0)
		outbox_wake(&box);
	close_both(&dir, &box);
	return report_treated("queued again", n);
}

int
outboxctl_drop(const struct config *cfg, const char *id)
{
	struct datadir dir;
	struct outbox box;
	int queued, failed;

	if (!open_both(cfg, &dir, &box))
		return 1;
	queued = treat(&box, "new", DROP, id);
	failed = treat(&box, "failed", DROP, id);
	close_both(&dir, &box);
	if (queued < 0 || failed < 0)
		return 1;
	return report_treated("dropped", queued + failed);
}

/* ---- installations ---- */

static void
print_installation(const struct installation *inst)
{
	char host[HIPCHAT_HOST_MAX], room[24] = "group", since[TIME_MAX];

	hipchat_host(inst, host);
	show_time(since, inst->installed);
	if (inst->room_id != 0)
		snprintf(room, sizeof(room), "%lld", (long long)inst->room_id);
	printf("%-36s  %-23s  %-10s  %s\n", inst->oauth_id, host, room, since);
}

/* Print the installation with that id, or nothing if it is gone by now. */
static bool
list_one(const struct store *st, const char *id)
{
	struct installation inst;
	const int status = store_find(st, id, &inst);

	if (status == 0)
		print_installation(&inst);
	return status == 0 || status == HTTP_NOT_FOUND;
}

int
outboxctl_list(const struct config *cfg)
{
	struct datadir dir;
	struct store st;
	char *ids = NULL, *id;
	bool ok;

	if (datadir_open(&dir, cfg->data_dir) != 0)
		return 1;
	ok = store_open(&st, &dir) == 0 && store_ids(&st, &ids) == 0;
	if (ok)
		printf("%-36s  %-23s  %-10s  %s\n", "INSTALLATION", "HIPCHAT",
		    "ROOM", "SINCE");
	for (id = ids; id != NULL && *id != '\0'; id += strlen(id) + 1)
		ok = list_one(&st, id) && ok;
	free(ids);
	datadir_close(&dir);
	return ok ? 0 : 1;
}

int
outboxctl_forget(const struct config *cfg, const char *id)
{
	struct datadir dir;
	int status = datadir_open(&dir, cfg->data_dir);

	if (status != 0)
		return 1;
	status = remove_by_operator(&dir, id);
	datadir_close(&dir);
	if (status == HTTP_NOT_FOUND)
		fprintf(stderr, "no such installation\n");
	return status == 0 ? 0 : 1;
}
