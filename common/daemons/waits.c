/*
 * waits: see waits.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemons/waits.h"
#include "io.h"
#include "json.h"
#include "log.h"

#define WAITS_FILE "waits.json"
#define WAITS_TMP "waits.json.tmp"

/* Larger than WAITS_MAX of them can be, in bytes. */
#define FILE_MAX 1048576

/* ---- writing ---- */

struct writer {
	struct json_object *array;
	int64_t now;  /* of lanes' clock, in ms */
	int64_t unix; /* the same, as Unix time in ms */
};

/* Add one that waits, unless there are too many; the caller adds who it is. */
static struct json_object *
add(struct writer *w, const struct timer *timer, const char *error)
{
	struct json_object *doc;

	if (json_object_array_length(w->array) == WAITS_MAX)
		return NULL;
	doc = json_new();
	json_add_int(doc, "until",
	    (w->unix + timer->due - w->now + 999) / 1000);
	json_add_string(doc, "error", error);
	if (json_object_array_add(w->array, doc) != 0)
		need(NULL);
	return doc;
}

static void
add_lane(struct writer *w, const struct lane *lane)
{
	struct json_object *doc = NULL;

	if (lane->room_id != 0) /* a removal's times follow from its arrival */
		doc = add(w, &lane->timer,
		    lane->error != NULL ? lane->error : "");
	if (doc == NULL)
		return;
	json_add_string(doc, "oauthId", lane->tenant->oauth_id);
	json_add_int(doc, "roomId", lane->room_id);
}

static void
add_all(struct writer *w, const struct lanes *all)
{
	struct json_object *doc;
	const struct tenant *tenant;
	const struct host *host;
	size_t i;

	for (i = 1; i <= all->down.count; i++) {
		host = all->down.timers[i]->owner;
		if ((doc = add(w, &host->timer, host->error)) != NULL)
			json_add_string(doc, "host", host->name);
	}
	for (i = 1; i <= all->limited.count; i++) {
		tenant = all->limited.timers[i]->owner;
		if ((doc = add(w, &tenant->timer, "rate limit")) != NULL)
			json_add_string(doc, "oauthId", tenant->oauth_id);
	}
	for (i = 1; i <= all->waiting.count && i <= WAITS_MAX; i++)
		add_lane(w, all->waiting.timers[i]->owner);
}

static void
write_file(const struct datadir *dir, const char *text)
{
	const int fd = openat(dir->fd, WAITS_TMP,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool written;

	if (fd < 0) {
		log_errno(WAITS_TMP, "creating");
		return;
	}
	written = io_write(fd, text, strlen(text));
	if (close(fd) != 0 || !written ||
	    renameat(dir->fd, WAITS_TMP, dir->fd, WAITS_FILE) != 0) {
		log_errno(WAITS_FILE, "writing");
		unlinkat(dir->fd, WAITS_TMP, 0);
	}
}

void
waits_save(struct lanes *all, const struct datadir *dir, int64_t now)
{
	struct json_object *doc = json_new();
	struct writer w = { need(json_object_new_array()), now, 0 };
	struct timespec unix;

	clock_gettime(CLOCK_REALTIME, &unix);
	w.unix = (int64_t)unix.tv_sec * 1000 + unix.tv_nsec / 1000000;
	json_add(doc, "waits", w.array);
	add_all(&w, all);
	write_file(dir, json_text(doc));
	json_object_put(doc);
	all->changed = false;
}

void
waits_forget(const struct datadir *dir)
{
	if (unlinkat(dir->fd, WAITS_FILE, 0) != 0 && errno != ENOENT)
		log_errno(WAITS_FILE, "removing");
}

/* ---- reading ---- */

/* The document, which the caller releases; or NULL. */
static struct json_object *
read_file(const struct datadir *dir)
{
	const int fd = openat(dir->fd, WAITS_FILE,
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct json_object *doc = NULL;
	const char *why;
	char *text;
	ssize_t len;

	if (fd < 0)
		return NULL;
	text = need(malloc(FILE_MAX + 1));
	if ((len = io_read(fd, text, FILE_MAX)) >= 0) {
		text[len] = '\0';
		doc = json_read(text, (size_t)len, &why);
	}
	free(text);
	close(fd);
	return doc;
}

static bool
take_wait(struct json_object *doc, struct wait *wait)
{
	memset(wait, 0, sizeof(*wait));
	wait->oauth_id = wait->host = wait->error = "";
	return json_positive(doc, "until", &wait->until) == 1 &&
	    json_positive(doc, "roomId", &wait->room_id) >= 0 &&
	    json_string(doc, "error", OUTBOX_REASON_MAX - 1, &wait->error) >=
	    0 &&
	    json_string(doc, "oauthId", STORE_ID_MAX - 1, &wait->oauth_id) >=
	    0 &&
	    json_string(doc, "host", HIPCHAT_HOST_MAX - 1, &wait->host) >= 0;
}

void
waits_read(const struct datadir *dir,
    void (*take)(const struct wait *wait, void *arg), void *arg)
{
	struct json_object *doc = read_file(dir), *array;
	const int64_t now = (int64_t)time(NULL);
	struct wait wait;
	size_t i;

	if (json_object_object_get_ex(doc, "waits", &array) &&
	    json_object_is_type(array, json_type_array))
		for (i = 0; i < json_object_array_length(array); i++)
			if (take_wait(json_object_array_get_idx(array, i),
				&wait) &&
			    wait.until > now)
				take(&wait, arg);
	json_object_put(doc);
}

struct loader {
	struct lanes *all;
	int64_t now;
};

static void
load(const struct wait *wait, void *arg)
{
	const struct loader *loader = arg;
	int64_t seconds = wait->until - (int64_t)time(NULL);

	if (seconds > LANES_WAIT_MAX) /* the clock was set back since */
		seconds = LANES_WAIT_MAX;
	lanes_wait(loader->all, wait->oauth_id, wait->room_id, wait->host,
	    loader->now + seconds * 1000, wait->error);
}

void
waits_load(struct lanes *all, const struct datadir *dir, int64_t now)
{
	waits_read(dir, load, &(struct loader){ all, now });
	all->changed = false;
}
