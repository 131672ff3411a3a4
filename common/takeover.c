/*
 * takeover: see takeover.h.
 *
 * If this is killed after a message was appended and before its file is
 * removed, the next one finds both; so it looks for the id first.
 *
 * What was queued goes to the segment outbox/queue.0, which comes before all
 * others.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "installation.h"
#include "io.h"
#include "json.h"
#include "lines.h"
#include "log.h"
#include "status.h"
#include "takeover.h"

/* Largest message file. */
#define FILE_MAX 524288

#define ODD "outbox/odd"
#define OLD_FAILED "outbox/failed.old"

static int
list(const struct journal *j, const char *dir, struct dirent ***files)
{
	const int n = scandirat(j->dir->fd, dir, files, NULL, alphasort);

	return n < 0 ? 0 : n; /* there is no such directory */
}

static void
free_list(struct dirent **files, int n)
{
	while (n > 0)
		free(files[--n]);
	free(files);
}

/* Remove the files that this directory still has, and the directory. */
static void
clear(const struct journal *j, const char *dir)
{
	struct dirent **files = NULL;
	const int n = list(j, dir, &files);
	char path[512];
	int i;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]->d_name);
		unlinkat(j->dir->fd, path, 0); /* not "." and ".." */
	}
	free_list(files, n);
	unlinkat(j->dir->fd, dir, AT_REMOVEDIR);
}

/* The ids that are in the journal already. */
static int
read_ids(const struct journal *j, struct seen *ids)
{
	struct journal_reader r;
	struct journal_place place;
	const char *line;
	char id[64];
	const int status = journal_begin(&r, j, false);

	seen_init(ids);
	while (status == 0 && journal_next(&r, &place, &line) == 0)
		if (sscanf(line, "%*c %*c %63s", id) == 1)
			seen_add(ids, id, 0);
	journal_end(&r);
	return status;
}

static struct json_object *
read_json(const struct journal *j, const char *path)
{
	const int fd = openat(j->dir->fd, path,
	    O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	char *text = need(malloc(FILE_MAX + 1));
	struct json_object *doc = NULL;
	const char *why;
	ssize_t len;

	if (fd >= 0 && (len = io_read(fd, text, FILE_MAX)) >= 0) {
		text[len] = '\0';
		doc = json_read(text, (size_t)len, &why);
	}
	if (fd >= 0)
		close(fd);
	free(text);
	return doc;
}

/* The message in an old file; false if it is none. */
static bool
read_message(struct json_object *doc, const char *id,
    struct outbox_message *msg)
{
	const char *oauth_id, *key = "", *webhook = "", *reason = "";

	memset(msg, 0, sizeof(*msg));
	if (!line_id_fits(id) ||
	    json_string(doc, "oauthId", sizeof(msg->oauth_id) - 1, &oauth_id) !=
		1 ||
	    !installation_id_fits(oauth_id) ||
	    json_positive(doc, "roomId", &msg->room_id) != 1 ||
	    json_string(doc, "key", sizeof(msg->key) - 1, &key) < 0 ||
	    !line_key_fits(key) ||
	    !json_object_object_get_ex(doc, "notification",
		&msg->notification) ||
	    !json_object_is_type(msg->notification, json_type_object))
		return false;
	json_string(doc, "webhook", sizeof(msg->webhook) - 1, &webhook);
	json_string(doc, "reason", sizeof(msg->reason) - 1, &reason);
	strcpy(msg->id, id);
	strcpy(msg->oauth_id, oauth_id);
	strcpy(msg->key, key);
	strcpy(msg->webhook, webhook);
	strcpy(msg->reason, reason);
	return true;
}

/* Append the message in this file; 400 if it is none. */
static int
take_file(struct journal *j, const char *path, const char *id)
{
	struct json_object *doc = read_json(j, path);
	struct outbox_message msg;
	int status = HTTP_BAD_REQUEST;

	if (doc != NULL && read_message(doc, id, &msg))
		status = line_append(j, &msg, msg.notification, msg.reason);
	json_object_put(doc);
	return status;
}

/* Take over one file; what is no message is kept as it is. */
static int
take(struct journal *j, struct seen *ids, const char *dir, const char *id)
{
	char path[512], odd[512];
	int status = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, id);
	if (!seen_has(ids, id, 0))
		status = take_file(j, path, id);
	if (status == 0 && unlinkat(j->dir->fd, path, 0) != 0)
		status = log_errno(path, "removing");
	if (status != HTTP_BAD_REQUEST)
		return status;
	log_line("%s: not a message", path);
	snprintf(odd, sizeof(odd), "%s/%s", ODD, id);
	mkdirat(j->dir->fd, ODD, 0700);
	if (renameat(j->dir->fd, path, j->dir->fd, odd) != 0)
		return log_errno(path, "setting it aside");
	return 0;
}

static void
take_all(struct journal *j, const char *dir)
{
	struct dirent **files = NULL;
	const int n = list(j, dir, &files);
	struct seen ids;
	int i, status = n > 0 ? read_ids(j, &ids) : 0;

	for (i = 0; i < n && status == 0; i++)
		if (*files[i]->d_name != '.')
			status = take(j, &ids, dir, files[i]->d_name);
	if (n > 0)
		seen_free(&ids);
	free_list(files, n);
	unlinkat(j->dir->fd, dir, AT_REMOVEDIR);
}

/* The file of a key is as old as its message. */
static void
take_keys(const struct journal *j, struct seen *seen)
{
	struct dirent **files = NULL;
	const int n = list(j, "outbox/seen", &files);
	char path[512];
	struct stat sb;
	int i;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "outbox/seen/%s",
		    files[i]->d_name);
		if (fstatat(j->dir->fd, path, &sb, 0) == 0)
			seen_add(seen, files[i]->d_name, sb.st_mtime);
	}
	free_list(files, n);
	clear(j, "outbox/seen");
}

/* The new list has the name of the old directory. */
static void
rename_failed(const struct journal *j)
{
	struct stat sb;

	if (fstatat(j->dir->fd, "outbox/failed", &sb, 0) == 0 &&
	    S_ISDIR(sb.st_mode) &&
	    renameat(j->dir->fd, "outbox/failed", j->dir->fd, OLD_FAILED) != 0)
		log_errno("outbox/failed", "renaming");
}

void
takeover(const struct journal *queue, struct journal *failed, struct seen *seen)
{
	struct journal first;

	journal_init(&first, queue->dir, queue->folder, "queue.0");
	first.first = 0;
	unlinkat(queue->dir->fd, "outbox/queue.0.0", 0); /* half made */
	take_all(&first, "outbox/new");
	journal_close(&first);
	rename_failed(queue);
	take_all(failed, OLD_FAILED);
	take_keys(queue, seen);
	clear(queue, "outbox/tmp");
	unlinkat(queue->dir->fd, "outbox/lanes.json", 0);
}
