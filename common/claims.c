/*
 * claims: what the courier does with the outbox; see outbox.h.
 */
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "log.h"
#include "outbox.h"
#include "status.h"
#include "takeover.h"

/* From which size on a segment is closed, in bytes: at once, or if idle. */
#define LARGE 4194304
#define SMALL 65536

int
outbox_begin(struct outbox *box)
{
	journal_end(&box->reader);
	seen_free(&box->seen);
	seen_init(&box->seen);
	takeover(&box->queue, &box->failed, &box->seen);
	return journal_begin(&box->reader, &box->queue, true);
}

/* Is it for the courier?  If not, it has done with it. */
static bool
is_wanted(struct outbox *box, const char *line,
    const struct outbox_entry *entry, enum line what)
{
	switch (what) {
	case LINE_OPEN:
		if (*line == 'c')
			journal_mark(&entry->place, "c", 'q');
		return true;
	case LINE_BLANK:
		journal_blank(&entry->place, "qc", 'd');
		seen_add(&box->seen, entry->key, entry->arrived);
		return false;
	case LINE_SETTLED:
		if (*line == 'd')
			seen_add(&box->seen, entry->key, entry->arrived);
		return false;
	case LINE_ODD:
		log_line("outbox/queue: byte %lu: a torn line, or not ours",
		    (unsigned long)entry->place.offset);
		journal_mark(&entry->place, (char[]){ *line, '\0' }, 'x');
		return false;
	}
	return false;
}

int
outbox_next(struct outbox *box, struct outbox_entry *entry)
{
	struct journal_place place;
	const char *line;
	enum line what;
	int status;

	while ((status = journal_next(&box->reader, &place, &line)) == 0) {
		what = line_read(line, &place, entry);
		if (is_wanted(box, line, entry, what))
			return 0;
		journal_release(&place);
	}
	return status;
}

/*
 * Settle a line that was claimed.  If it can't be marked, the next courier will
 * repeat it.
 */
static void
end(const struct journal_place *place, char mark)
{
	journal_blank(place, "c", mark);
	journal_release(place);
}

/* It is no message: it becomes a failed one as it is. */
static int
set_aside(struct outbox *box, const struct outbox_entry *entry,
    const char *line, const char *why)
{
	const char *text = strchr(line, '{');
	char *head = need(strndup(line, (size_t)(text - line)));
	int status;

	log_line("%s: %s", entry->id, why);
	*head = 'q';
	status = journal_append(&box->failed, head, text);
	free(head);
	if (status == 0)
		end(&entry->place, 'f');
	else
		journal_mark(&entry->place, "c", 'q');
	return status != 0 ? status : HTTP_BAD_REQUEST;
}

/* Go on with a line that was claimed. */
static int
take_claimed(struct outbox *box, const struct journal_place *place,
    const char *line, struct outbox_message *msg)
{
	struct outbox_entry entry;
	const char *why;

	if (line_read(line, place, &entry) != LINE_OPEN) {
		end(place, 'd'); /* blanked, or somebody has edited it */
		return HTTP_NOT_FOUND;
	}
	if ((why = line_message(line, &entry, msg)) != NULL) {
		outbox_release(msg);
		return set_aside(box, &entry, line, why);
	}
	if (!seen_has(&box->seen, msg->key, entry.arrived))
		return 0;
	end(place, 'x');
	return HTTP_CONFLICT;
}

int
outbox_claim(struct outbox *box, const struct journal_place *place,
    struct outbox_message *msg)
{
	char *line;
	int status = journal_take(place, "qc", 'c', &line);

	memset(msg, 0, sizeof(*msg));
	if (status == 0) {
		status = take_claimed(box, place, line, msg);
	} else if (status == HTTP_CONFLICT || status == HTTP_NOT_FOUND) {
		journal_release(place);
		status = HTTP_NOT_FOUND;
	}
	free(line);
	return status;
}

static int
give_up(struct outbox *box, const struct journal_place *place,
    const struct outbox_message *msg, const char *reason)
{
	const int status =
	    line_append(&box->failed, msg, msg->notification, reason);

	/* if we are killed here, it has failed and is sent again */
	if (status == 0)
		end(place, 'f');
	else
		journal_mark(place, "c", 'q');
	return status;
}

int
outbox_settle(struct outbox *box, const struct journal_place *place,
    const struct outbox_message *msg, enum outbox_end how, const char *reason)
{
	switch (how) {
	case OUTBOX_DONE:
		seen_add(&box->seen, msg->key, line_arrival(msg->id));
		end(place, 'd');
		return 0;
	case OUTBOX_GIVEN_UP:
		return give_up(box, place, msg, reason);
	case OUTBOX_DROPPED:
		end(place, 'x');
		return 0;
	case OUTBOX_LATER:
		journal_mark(place, "c", 'q'); /* else it can be claimed, too */
		return 0;
	}
	return 0;
}

/* Begin a new segment if the current one is large, or all in it is settled. */
static void
tidy(struct journal_reader *r)
{
	const off_t size = journal_size(r);

	if (size > LARGE ||
	    (size > SMALL && journal_is_idle(r) &&
		journal_quiet(r) > SEEN_SECONDS))
		journal_rotate(r);
	journal_drop(r, SEEN_SECONDS);
}

/* The same for the failed ones, which nobody else reads all the time. */
static void
tidy_failed(const struct outbox *box)
{
	struct journal_reader r;
	struct journal_place place;
	const char *line;

	if (journal_begin(&r, &box->failed, true) != 0)
		return;
	if (journal_size(&r) > LARGE) {
		journal_rotate(&r);
		while (journal_next(&r, &place, &line) == 0)
			if (strchr(SETTLED, *line) != NULL)
				journal_release(&place);
		journal_drop(&r, 0);
	}
	journal_end(&r);
}

void
outbox_tidy(struct outbox *box)
{
	tidy(&box->reader);
	tidy_failed(box);
	seen_age(&box->seen, SEEN_SECONDS, journal_oldest(&box->reader));
}
