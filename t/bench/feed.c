/*
 * feed: fill an outbox, and perhaps keep it filled.
 *
 *	feed DATA_DIR PREFIX COUNT ROOMS ID...
 *	feed DATA_DIR PREFIX COUNT ROOMS -k LOG SECONDS ID...
 *
 * Puts COUNT messages, PREFIX-0 and so on, in turn for each installation, and
 * for each of its ROOMS rooms.  With -k, that has been done already: for so
 * many seconds, it puts one more for each that has arrived according to sink's
 * log, so that COUNT are queued all the time, and wakes the courier.
 *
 * Prints how many it has put, with -k those before included.
 *
 * It does not wait for the disk: what that costs is measured elsewhere.
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "record.h"
#include "json.h"
#include "log.h"
#include "outbox.h"
#include "wake.h"

/* Between two looks at the log, in ns. */
#define PAUSE 2000000

struct feed {
	struct datadir dir;
	struct outbox box;
	struct wake wake;
	const char *prefix;
	char **ids;
	long n, rooms; /* ids, and rooms of each */
	int log;
};

/* In the place of the C library's. */
int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static void
put(struct feed *feed, long number)
{
	struct outbox_message msg = { .kind = OUTBOX_MESSAGE,
		.room_id = 1 + number / feed->n % feed->rooms };
	struct json_object *doc = json_new();
	char text[64];

	snprintf(text, sizeof(text), "%s-%ld", feed->prefix, number);
	snprintf(msg.oauth_id, sizeof(msg.oauth_id), "%s",
	    feed->ids[number % feed->n]);
	snprintf(msg.webhook, sizeof(msg.webhook), "%s", text);
	outbox_key(msg.key, msg.oauth_id, "echo", text, 0);
	json_add_string(doc, "color", "green");
	json_add_string(doc, "message", text);
	json_add_string(doc, "message_format", "text");
	if (outbox_put(&feed->box, &msg, doc) != 0)
		errx(1, "not put");
	json_object_put(doc);
}

/* How many more of ours have arrived? */
static long
arrived(const struct feed *feed)
{
	const size_t len = strlen(feed->prefix);
	char line[RECORD];
	long n = 0;

	while (read(feed->log, line, RECORD) == RECORD) {
		const char *text = line + RECORD - RECORD_TEXT - 1;

		n += memcmp(text, feed->prefix, len) == 0 && text[len] == '-';
	}
	return n;
}

static long
keep(struct feed *feed, long number, const char *log, double seconds)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	struct timespec start, now;
	long n;

	if ((feed->log = open(log, O_RDONLY | O_CLOEXEC)) < 0)
		err(1, "%s", log);
	wake_prepare(&feed->wake, "/bin/true", NULL);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		nanosleep(&pause, NULL);
		for (n = arrived(feed); n > 0; n--)
			put(feed, number++);
		wake_courier(&feed->wake, WAKE_NEW);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - start.tv_sec) +
		(double)(now.tv_nsec - start.tv_nsec) / 1e9 <
	    seconds);
	return number;
}

int
main(int argc, char *argv[])
{
	const bool keeps = argc > 8 && strcmp(argv[5], "-k") == 0;
	struct feed feed = { .log = -1 };
	long number = 0, count;

	if (argc < 6)
		errx(2,
		    "usage: feed DATA_DIR PREFIX COUNT ROOMS "
		    "[-k LOG SECONDS] ID...");
	log_open("feed");
	feed.prefix = argv[2];
	count = strtol(argv[3], NULL, 10);
	feed.rooms = strtol(argv[4], NULL, 10);
	feed.ids = argv + (keeps ? 8 : 5);
	feed.n = argc - (keeps ? 8 : 5);
	if (datadir_open(&feed.dir, argv[1]) != 0 ||
	    outbox_open(&feed.box, &feed.dir) != 0 ||
	    wake_open(&feed.wake, &feed.dir) != 0)
		errx(1, "%s", argv[1]);
	if (keeps)
		number = keep(&feed, count, argv[6], strtod(argv[7], NULL));
	while (!keeps && number < count)
		put(&feed, number++);
	printf("%ld\n", number);
	wake_close(&feed.wake);
	outbox_close(&feed.box);
	datadir_close(&feed.dir);
	return 0;
}
