/*
 * outbox: see outbox.h, which states how files move.
 *
 * A delivered message is moved to seen/, with its key as the name: in one step
 * it leaves the queue and is remembered.  If a courier is killed before that,
 * the next one repeats what was in flight.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "io.h"
#include "json.h"
#include "log.h"
#include "outbox.h"
#include "status.h"

/* Largest message file: more than 64 KiB with every byte escaped. */
#define FILE_MAX 524288

#define LANES "lanes.json"
#define PATH_LEN (OUTBOX_NAME_MAX + 16)

static void
path_to(char path[PATH_LEN], const char *dir, const char *name)
{
	snprintf(path, PATH_LEN, "%s/%.*s", dir, OUTBOX_NAME_MAX - 1, name);
}

/* ---- opening ---- */

static int
make_directories(const struct outbox *box)
{
	static const char *const dirs[] = { "tmp", "new", "failed", "seen" };
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (mkdirat(box->dirfd, dirs[i], 0700) != 0 && errno != EEXIST)
			return log_errno(dirs[i], "making it in the outbox");
	if (fsync(box->dirfd) != 0 || fsync(box->dir->fd) != 0)
		return log_errno("outbox", "fsync");
	if (mkfifoat(box->dirfd, "trigger", 0600) != 0 && errno != EEXIST)
		return log_errno("trigger", "making it in the outbox");
	return 0;
}

int
outbox_open(struct outbox *box, const struct datadir *dir)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int status;

	box->dir = dir;
	box->trigger = box->starter = -1;
	box->dirfd = openat(dir->fd, "outbox", flags);
	if (box->dirfd < 0 && errno == ENOENT &&
	    (mkdirat(dir->fd, "outbox", 0700) == 0 || errno == EEXIST))
		box->dirfd = openat(dir->fd, "outbox", flags);
	if (box->dirfd < 0)
		return log_errno("outbox", "opening");
	/* the trigger is made last: if it exists, so does all else */
	if (faccessat(box->dirfd, "trigger", W_OK, 0) == 0)
		return 0;
	if ((status = make_directories(box)) != 0)
		outbox_close(box);
	return status;
}

void
outbox_close(struct outbox *box)
{
	if (box->trigger >= 0)
		close(box->trigger);
	if (box->starter >= 0)
		close(box->starter);
	if (box->dirfd >= 0)
		close(box->dirfd);
	box->dirfd = box->trigger = box->starter = -1;
}

/* ---- writing ---- */

/* A new name, which sorts after all older ones. */
static void
new_name(char name[OUTBOX_NAME_MAX])
{
	static unsigned int n;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(name, OUTBOX_NAME_MAX, "%010lld%09ld-%d-%u",
	    (long long)now.tv_sec, now.tv_nsec, (int)getpid(), n++);
}

static int
write_file(const struct outbox *box, const char *path, const char *text)
{
	const int fd = openat(box->dirfd, path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool written;

	if (fd < 0)
		return log_errno(path, "creating");
	written = io_write(fd, text, strlen(text)) && fsync(fd) == 0;
	if (close(fd) == 0 && written)
		return 0;
	return log_errno(path, "writing");
}

static int
sync_directory(const struct outbox *box, const char *dir)
{
	const int fd = openat(box->dirfd, dir, O_RDONLY | O_CLOEXEC);
	const bool synced = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return synced ? 0 : log_errno(dir, "fsync");
}

/* Write the text to DIR/NAME by way of tmp/, durably. */
static int
put_file(const struct outbox *box, const char *dir, const char *name,
    const char *text)
{
	char tmp[PATH_LEN], path[PATH_LEN];
	int status;

	path_to(tmp, "tmp", name);
	path_to(path, dir, name);
	status = write_file(box, tmp, text);
	if (status == 0 && renameat(box->dirfd, tmp, box->dirfd, path) != 0)
		status = log_errno(path, "renaming");
	if (status != 0) {
		unlinkat(box->dirfd, tmp, 0);
		return status;
	}
	return sync_directory(box, dir);
}

static int
put_json(const struct outbox *box, const char *dir, const char *name,
    struct json_object *doc)
{
	return put_file(box, dir, name, json_text(doc));
}

void
outbox_key(char key[OUTBOX_KEY_MAX], const char *oauth_id, const char *program,
    const char *message_id, unsigned int n)
{
	uint8_t digest[(OUTBOX_KEY_MAX - 1) / 2];
	struct sha256_ctx ctx;
	char text[1024];
	size_t i;

	snprintf(text, sizeof(text), "%s\n%s\n%u\n%s", oauth_id, program, n,
	    message_id);
	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	sha256_digest(&ctx, sizeof(digest), digest);
	for (i = 0; i < sizeof(digest); i++)
		snprintf(key + 2 * i, 3, "%02x", digest[i]);
}

int
outbox_put(const struct outbox *box, struct outbox_message *msg,
    struct json_object *notification)
{
	struct json_object *doc = json_new();
	int status;

	new_name(msg->name);
	json_add_string(doc, "oauthId", msg->oauth_id);
	json_add_int(doc, "roomId", msg->room_id);
	if (*msg->key != '\0')
		json_add_string(doc, "key", msg->key);
	if (*msg->webhook != '\0')
		json_add_string(doc, "webhook", msg->webhook);
	json_add(doc, "notification", json_object_get(notification));
	status = put_json(box, "new", msg->name, doc);
	json_object_put(doc);
	return status;
}

/* ---- one courier ---- */

int
outbox_lock(const struct outbox *box)
{
	const int fd =
	    openat(box->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		log_line("outbox/lock: %s", strerror(errno));
		return -1;
	}
	/* somebody may have removed one of the directories since */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && make_directories(box) == 0)
		return fd;
	close(fd);
	return -1;
}

/* ---- reading ---- */

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.' &&
	    strlen(entry->d_name) < OUTBOX_NAME_MAX;
}

int
outbox_list(const struct outbox *box, const char *dir, struct dirent ***list)
{
	char path[4096];
	int n;

	snprintf(path, sizeof(path), "%s/outbox/%s", box->dir->path, dir);
	n = scandir(path, list, is_visible, by_name);
	if (n < 0)
		log_errno(dir, "listing it in the outbox");
	return n;
}

void
outbox_list_free(struct dirent **list, int n)
{
	while (n > 0)
		free(list[--n]);
	free(list);
}

int64_t
outbox_arrival(const char *name)
{
	char seconds[11];

	snprintf(seconds, sizeof(seconds), "%s", name);
	return strtoll(seconds, NULL, 10);
}

/* Open a file for reading; neither wait for a FIFO nor follow a link. */
static int
open_file(const struct outbox *box, const char *path, int *fd)
{
	*fd = openat(box->dirfd, path,
	    O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	if (errno == ENOENT)
		return HTTP_NOT_FOUND;
	log_line("outbox/%s: opening: %s", path, strerror(errno));
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM ?
	    HTTP_SERVICE_UNAVAILABLE :
	    HTTP_INTERNAL_SERVER_ERROR;
}

/* Read and parse a file; the caller releases *doc, which is NULL on failure. */
static int
read_json(const struct outbox *box, const char *path, struct json_object **doc)
{
	const char *why = NULL;
	char *text;
	ssize_t len;
	int fd, status;

	*doc = NULL;
	if ((status = open_file(box, path, &fd)) != 0)
		return status;
	text = need(malloc(FILE_MAX + 1));
	if ((len = io_read(fd, text, FILE_MAX)) < 0) {
		why = strerror(errno);
	} else {
		text[len] = '\0';
		*doc = json_read(text, (size_t)len, &why);
	}
	if (*doc == NULL)
		log_line("outbox/%s: %s", path, why);
	free(text);
	close(fd);
	return *doc != NULL ? 0 : HTTP_INTERNAL_SERVER_ERROR;
}

/* Copy an optional string member. */
static void
copy_member(struct json_object *doc, const char *name, char *out, size_t size)
{
	const char *text = "";

	json_string(doc, name, size - 1, &text);
	strcpy(out, text);
}

/* Take the members that the file must have, or say which is missing. */
static const char *
take_members(struct outbox_message *msg)
{
	const char *oauth_id;

	if (json_string(msg->doc, "oauthId", STORE_ID_MAX - 1, &oauth_id) != 1)
		return "no oauthId";
	if (json_positive(msg->doc, "roomId", &msg->room_id) != 1)
		return "no roomId";
	if (!json_object_object_get_ex(msg->doc, "notification",
		&msg->notification))
		return "no notification";
	if (!json_object_is_type(msg->notification, json_type_object))
		return "invalid notification";
	strcpy(msg->oauth_id, oauth_id);
	copy_member(msg->doc, "key", msg->key, sizeof(msg->key));
	if (msg->key[strspn(msg->key, "0123456789abcdef")] != '\0')
		return "invalid key"; /* it is a file's name in seen/ */
	copy_member(msg->doc, "webhook", msg->webhook, sizeof(msg->webhook));
	copy_member(msg->doc, "reason", msg->reason, sizeof(msg->reason));
	return NULL;
}

int
outbox_load(const struct outbox *box, const char *dir, const char *name,
    struct outbox_message *msg)
{
	char path[PATH_LEN];
	const char *why;
	int status;

	memset(msg, 0, sizeof(*msg));
	snprintf(msg->name, sizeof(msg->name), "%s", name);
	path_to(path, dir, name);
	if ((status = read_json(box, path, &msg->doc)) != 0)
		return status;
	if ((why = take_members(msg)) == NULL)
		return 0;
	log_line("outbox/%s: %s", path, why);
	outbox_release(msg);
	return HTTP_INTERNAL_SERVER_ERROR;
}

void
outbox_release(struct outbox_message *msg)
{
	json_object_put(msg->doc);
	memset(msg, 0, sizeof(*msg));
}

/* ---- ends ---- */

bool
outbox_remove(const struct outbox *box, const char *dir, const char *name)
{
	char path[PATH_LEN];

	path_to(path, dir, name);
	if (unlinkat(box->dirfd, path, 0) == 0 || errno == ENOENT)
		return true;
	log_line("outbox/%s: %s", path, strerror(errno));
	return false;
}

bool
outbox_seen(const struct outbox *box, const char *name, const char *key)
{
	char path[PATH_LEN];
	struct stat sb;

	path_to(path, "seen", key);
	return *key != '\0' && fstatat(box->dirfd, path, &sb, 0) == 0 &&
	    outbox_arrival(name) - sb.st_mtime <= OUTBOX_SEEN_SECONDS;
}

void
outbox_delivered(const struct outbox *box, const char *name, const char *key)
{
	char from[PATH_LEN], to[PATH_LEN];

	path_to(from, "new", name);
	path_to(to, "seen", key);
	if (*key != '\0' && renameat(box->dirfd, from, box->dirfd, to) == 0)
		return;
	if (*key != '\0' && errno != ENOENT)
		log_errno(from, "moving to seen/");
	outbox_remove(box, "new", name); /* else it is sent again */
}

int
outbox_fail(const struct outbox *box, const char *name,
    struct outbox_message *msg, const char *reason)
{
	char from[PATH_LEN], to[PATH_LEN];

	path_to(from, "new", name);
	path_to(to, "failed", name);
	/* move first: a message that somebody removed must not come back */
	if (renameat(box->dirfd, from, box->dirfd, to) != 0)
		return errno == ENOENT ? 404 : log_errno(from, "moving");
	json_add_string(msg->doc, "reason", reason);
	put_json(box, "failed", name, msg->doc);
	return 0;
}

void
outbox_set_aside(const struct outbox *box, const char *name)
{
	char from[PATH_LEN], to[PATH_LEN];

	path_to(from, "new", name);
	path_to(to, "failed", name);
	if (renameat(box->dirfd, from, box->dirfd, to) != 0)
		log_errno(from, "setting it aside");
}

struct json_object *
outbox_read_lanes(const struct outbox *box)
{
	struct json_object *doc;

	read_json(box, LANES, &doc);
	return doc;
}

void
outbox_write_lanes(const struct outbox *box, struct json_object *doc)
{
	put_json(box, ".", LANES, doc);
}

int
outbox_retry(const struct outbox *box, const char *name,
    struct outbox_message *msg)
{
	const int status = outbox_put(box, msg, msg->notification);

	if (status == 0)
		outbox_remove(box, "failed", name);
	return status;
}

/* Remove the installation's messages from one directory. */
static int
forget_in(const struct outbox *box, const char *dir, const char *oauth_id)
{
	struct outbox_message msg;
	struct dirent **list;
	const int n = outbox_list(box, dir, &list);
	int i;

	if (n < 0)
		return HTTP_INTERNAL_SERVER_ERROR;
	for (i = 0; i < n; i++) {
		if (outbox_load(box, dir, list[i]->d_name, &msg) != 0)
			continue;
		if (strcmp(msg.oauth_id, oauth_id) == 0)
			outbox_remove(box, dir, list[i]->d_name);
		outbox_release(&msg);
	}
	outbox_list_free(list, n);
	return 0;
}

int
outbox_forget(const struct outbox *box, const char *oauth_id)
{
	int status = forget_in(box, "new", oauth_id);

	if (status == 0)
		status = forget_in(box, "failed", oauth_id);
	return status != 0 ? status : forget_in(box, "seen", oauth_id);
}

/* The writer of a file in tmp/ is in its name: TIME-PID-N. */
static bool
writer_lives(const char *name)
{
	const char *dash = strchr(name, '-');
	const long pid = dash != NULL ? strtol(dash + 1, NULL, 10) : 0;

	return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

/* Is the key too old to stop any delivery? */
static bool
is_stale(const struct outbox *box, const char *key, int64_t oldest)
{
	char path[PATH_LEN];
	struct stat sb;

	path_to(path, "seen", key);
	return fstatat(box->dirfd, path, &sb, 0) == 0 &&
	    oldest - sb.st_mtime > OUTBOX_SEEN_SECONDS;
}

void
outbox_sweep(const struct outbox *box, int64_t oldest)
{
	struct dirent **list;
	int i, n;

	if ((n = outbox_list(box, "tmp", &list)) >= 0) {
		for (i = 0; i < n; i++)
			if (!writer_lives(list[i]->d_name))
				outbox_remove(box, "tmp", list[i]->d_name);
		outbox_list_free(list, n);
	}
	if ((n = outbox_list(box, "seen", &list)) >= 0) {
		for (i = 0; i < n; i++)
			if (is_stale(box, list[i]->d_name, oldest))
				outbox_remove(box, "seen", list[i]->d_name);
		outbox_list_free(list, n);
	}
}
