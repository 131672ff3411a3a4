/*
 * message: a line of the outbox, whatever is in it.
 */
#include <unistr.h>

#include "fuzz.h"
#include "lines.h"

static void
check(const struct outbox_message *msg)
{
	fuzz_check((msg->room_id > 0) == (msg->kind == OUTBOX_MESSAGE) &&
		installation_id_fits(msg->oauth_id),
	    "line_message: where it goes");
	fuzz_check((msg->notification != NULL) == (msg->kind == OUTBOX_MESSAGE),
	    "line_message: the notification");
	fuzz_check(line_key_fits(msg->key) &&
		strlen(msg->key) < sizeof(msg->key) &&
		strlen(msg->reason) < sizeof(msg->reason) &&
		u8_check((const uint8_t *)msg->reason, strlen(msg->reason)) ==
		    NULL,
	    "line_message: key and reason");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct journal_place place = { .len = (uint32_t)size };
	struct outbox_message msg = { .room_id = 0 };
	struct outbox_entry entry;
	char *line = fuzz_text(data, size);
	const enum line what = line_read(line, &place, &entry);

	fuzz_check(line_key_fits(entry.key), "line_read: the key");
	if (what == LINE_OPEN) {
		fuzz_check(strlen(line) == size && entry.arrived >= 0,
		    "line_read: a whole line");
		if (line_message(line, &entry, &msg) == NULL)
			check(&msg);
		outbox_release(&msg);
	}
	free(line);
	return 0;
}
