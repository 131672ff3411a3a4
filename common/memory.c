/*
 * memory: see memory.h.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "memory.h"

/* FNV-1a; whoever chooses keys that meet makes it forget, no more. */
static uint32_t
add_to_hash(uint32_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619;
	return hash;
}

static struct memory_record *
place_of(const struct memory *memory, const char *book, const char *key)
{
	uint32_t hash = add_to_hash(2166136261, book);

	hash = add_to_hash(hash, key);
	return &memory->records[(hash ^ hash >> 16) % MEMORY_RECORDS];
}

static bool
is_key(const char *text, const char *book, const char *key)
{
	const size_t len = strlen(book);

	return text != NULL && strncmp(text, book, len) == 0 &&
	    text[len] == '/' && strcmp(text + len + 1, key) == 0;
}

bool
memory_recall(const struct memory *memory, const char *book, const char *key,
    const struct stamp *stamp, const char **value)
{
	const struct memory_record *record;

	if (memory->records == NULL)
		return false;
	record = place_of(memory, book, key);
	*value = record->value;
	return is_key(record->key, book, key) &&
	    stamp_is(&record->stamp, stamp);
}

static void
forget(struct memory_record *record)
{
	free(record->key);
	free(record->value);
	memset(record, 0, sizeof(*record));
}

void
memory_keep(struct memory *memory, const char *book, const char *key,
    const struct stamp *stamp, const char *value)
{
	struct memory_record *record;
	size_t size = strlen(book) + 1 + strlen(key) + 1;

	if (!stamp_is_old(stamp))
		return;
	if (memory->records == NULL)
		memory->records =
		    need(calloc(MEMORY_RECORDS, sizeof(*memory->records)));
	record = place_of(memory, book, key);
	forget(record);
	record->stamp = *stamp;
	record->key = need(malloc(size));
	snprintf(record->key, size, "%s/%s", book, key);
	record->value = value != NULL ? need(strdup(value)) : NULL;
}

void
memory_free(struct memory *memory)
{
	size_t i;

	for (i = 0; memory->records != NULL && i < MEMORY_RECORDS; i++)
		forget(&memory->records[i]);
	free(memory->records);
	memory->records = NULL;
}
