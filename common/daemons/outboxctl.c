/*
 * outboxctl: see outboxctl.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemons/outboxctl.h"
#include "daemons/waits.h"
#include "hipchat.h"
#include "json.h"
#include "log.h"
#include "outbox.h"
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

/* Count the messages of a list, and keep the last one's reason. */
static bool
report_messages(struct json_object *report, const struct outbox *box,
    enum outbox_list list, const char *member)
{
	struct json_object *entry, *count;
	struct outbox_reader reader;
	struct outbox_entry found;
	struct outbox_message msg;
	int status = outbox_read_begin(&reader, box, list);

	while (status == 0 && outbox_read_next(&reader, &found) == 0) {
		if (found.kind != OUTBOX_MESSAGE)
			continue;
		entry = entry_of(report, found.oauth_id);
		if (json_object_object_get_ex(entry, member, &count))
			json_object_int_inc(count, 1);
		if (list != OUTBOX_FAILED ||
		    outbox_read_message(&found, &msg) != 0)
			continue;
		json_add_string(entry, "lastError", msg.reason);
		outbox_release(&msg);
	}
	outbox_read_end(&reader);
	return status == 0;
}

/* What a report on one installation, or on all of a host, waits for. */
struct waiting {
	struct json_object *report;
	struct json_object *hosts; /* of installations, as far as looked up */
	const struct store *st;
};

static void
add_wait(struct json_object *entry, const struct wait *wait)
{
	int64_t other;

	if (json_positive(entry, "deferredUntil", &other) != 1 ||
	    other < wait->until) /* the latest of its rooms */
		json_add_int(entry, "deferredUntil", wait->until);
	if (*wait->error != '\0')
		json_add_string(entry, "lastError", wait->error);
}

/* The installation's host, looked up once; or "". */
static const char *
host_of(const struct waiting *w, const char *oauth_id)
{
	char host[HIPCHAT_HOST_MAX] = "";
	struct json_object *known;
	struct installation inst;

	if (!json_object_object_get_ex(w->hosts, oauth_id, &known)) {
		if (store_find(w->st, oauth_id, &inst) == 0)
			hipchat_host(&inst, host);
		json_add_string(w->hosts, oauth_id, host);
		json_object_object_get_ex(w->hosts, oauth_id, &known);
	}
	return json_object_get_string(known);
}

/* Is it an installation at this host that has messages? */
static bool
is_held_up(const struct waiting *w, const char *oauth_id,
    struct json_object *entry, const char *host)
{
	int64_t queued;

	return json_positive(entry, "queued", &queued) == 1 &&
	    strcmp(host_of(w, oauth_id), host) == 0;
}

static void
report_wait(const struct wait *wait, void *arg)
{
	const struct waiting *w = arg;
	struct json_object *entry;

	if (*wait->host == '\0') { /* its installation may be gone */
		if (json_object_object_get_ex(w->report, wait->oauth_id,
			&entry))
			add_wait(entry, wait);
		return;
	}
	json_object_object_foreach (w->report, oauth_id, each) {
		if (is_held_up(w, oauth_id, each, wait->host))
			add_wait(each, wait);
	}
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

/* Add to the report what all its installations wait for. */
static void
report_waits(struct json_object *report, const struct datadir *dir,
    const struct store *st)
{
	struct waiting waiting = { report, json_new(), st };

	waits_read(dir, report_wait, &waiting);
	json_object_put(waiting.hosts);
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
	    report_messages(report, &box, OUTBOX_QUEUE, "queued") &&
	    report_messages(report, &box, OUTBOX_FAILED, "failed");
	if (ok)
		report_waits(report, &dir, &st);
	close_both(&dir, &box);
	if (ok)
		print_report(report, json);
	json_object_put(report);
	return ok ? 0 : 1;
}

/* ---- retry and drop ---- */

/* Does the operator mean this message, or its installation? */
static bool
is_meant(const char *id, const struct outbox_entry *entry)
{
	return entry->kind == OUTBOX_MESSAGE &&
	    (strcmp(id, entry->id) == 0 || strcmp(id, entry->oauth_id) == 0);
}

/* How many have failed; 0 if that can't be read, which is logged. */
static int
count_failed(const struct outbox *box)
{
	struct outbox_reader reader;
	struct outbox_entry entry;
	int n = 0;

	if (outbox_read_begin(&reader, box, OUTBOX_FAILED) != 0)
		return 0;
	while (outbox_read_next(&reader, &entry) == 0)
		n++;
	outbox_read_end(&reader);
	return n;
}

/*
 * Queue failed messages again; returns how many, or -1.  Those that fail again
 * meanwhile stay failed, or this might never end.
 */
static int
retry_failed(struct outbox *box, const char *id)
{
	char new_id[OUTBOX_ID_MAX];
	struct outbox_reader reader;
	struct outbox_entry entry;
	int n = 0, left = count_failed(box);

	if (outbox_read_begin(&reader, box, OUTBOX_FAILED) != 0)
		return -1;
	for (; left > 0 && outbox_read_next(&reader, &entry) == 0; left--)
		if ((strcmp(id, "all") == 0 || is_meant(id, &entry)) &&
		    outbox_retry(box, &entry, new_id) == 0)
			n++;
	return outbox_read_end(&reader) == 0 ? n : -1;
}

/* Throw messages of a list away; returns how many, or -1. */
static int
drop(struct outbox *box, enum outbox_list list, const char *id)
{
	struct outbox_reader reader;
	struct outbox_entry entry;
	int n = 0;

	if (outbox_read_begin(&reader, box, list) != 0)
		return -1;
	while (outbox_read_next(&reader, &entry) == 0)
		if (is_meant(id, &entry) && outbox_drop(&entry) == 0)
			n++;
	return outbox_read_end(&reader) == 0 ? n : -1;
}

/* If the queue can't be read, that is logged. */
static bool
is_any_queued(const struct outbox *box)
{
	struct outbox_reader reader;
	struct outbox_entry entry;
	bool any;

	if (outbox_read_begin(&reader, box, OUTBOX_QUEUE) != 0)
		return false;
	any = outbox_read_next(&reader, &entry) == 0;
	outbox_read_end(&reader);
	return any;
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

/* Let no message wait any longer, whether a courier runs or not. */
static void
end_waits(const struct config *cfg, const struct datadir *dir)
{
	struct wake wake;

	waits_forget(dir);
	if (wake_open(&wake, dir) != 0)
		return;
	wake_prepare(&wake, cfg->courier, NULL);
	wake_courier(&wake, WAKE_RETRY);
	wake_close(&wake);
}

int
outboxctl_retry(const struct config *cfg, const char *id)
{
	struct datadir dir;
	struct outbox box;
	bool any;
	int n;

	if (!open_both(cfg, &dir, &box))
		return 1;
	n = retry_failed(&box, id);
	any = strcmp(id, "all") == 0 && is_any_queued(&box);
	if (n > 0 || any)
		end_waits(cfg, &dir);
	close_both(&dir, &box);
	if (n < 0)
		return 1;
	if (n == 0 && any) {
		printf("none has failed; those that wait are tried now\n");
		return 0;
	}
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
	queued = drop(&box, OUTBOX_QUEUE, id);
	failed = drop(&box, OUTBOX_FAILED, id);
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
	struct outbox box;
	int status;

	if (!open_both(cfg, &dir, &box))
		return 1;
	status = remove_by_operator(&dir, &box, id);
	close_both(&dir, &box);
	if (status == HTTP_NOT_FOUND)
		fprintf(stderr, "no such installation\n");
	return status == 0 ? 0 : 1;
}
