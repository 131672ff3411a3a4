/*
 * lines: a message as a line of a journal, for the parts of outbox.
 */
#ifndef LINES_H
#define LINES_H

#include "outbox.h"

/* Marks of messages that have come to an end. */
#define SETTLED "dfx"

enum line {
	LINE_OPEN,    /* queued, claimed, or in the list of the failed ones */
	LINE_SETTLED, /* the mark says so */
	LINE_BLANK,   /* the text does: a power cut kept the mark away */
	LINE_ODD,     /* not ours, or torn */
};

/* When a message with this id was put; Unix time in s. */
int64_t line_arrival(const char *id);

/* Is it an id, TIME-PID-N? */
bool line_id_fits(const char *id);

/* Can it be a key?  Hexadecimal, or "". */
bool line_key_fits(const char *key);

/*
 * Take a line apart.  The entry is whole if it returns LINE_OPEN; in any
 * case, the key, the arrival and the place can be used.
 */
enum line line_read(const char *line, const struct journal_place *place,
    struct outbox_entry *entry);

/*
 * The message in a line that is open, from an entry that line_read() filled in.
 * Returns NULL, or what is wrong; call outbox_release() in both cases.
 */
const char *line_message(const char *line, const struct outbox_entry *entry,
    struct outbox_message *msg);

/* Append a message, with a reason or "", to one of the lists. */
int line_append(struct journal *j, const struct outbox_message *msg,
    struct json_object *notification, const char *reason);

#endif
