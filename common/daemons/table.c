/*
 * table: see table.h.  There are at least as many chains as entries.
 */
#include <stdlib.h>

#include "daemons/table.h"
#include "log.h"

uint64_t
table_hash(const char *text, int64_t number)
{
	uint64_t hash = 0xcbf29ce484222325 ^ (uint64_t)number;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash ^ hash >> 32;
}

static struct entry **
chain(const struct table *table, uint64_t hash)
{
	return &table->chains[hash & (table->size - 1)];
}

struct entry *
table_find(const struct table *table, uint64_t hash, const struct entry *prev)
{
	struct entry *entry = NULL;

	if (prev != NULL)
		entry = prev->next;
	else if (table->size > 0)
		entry = *chain(table, hash);
	while (entry != NULL && entry->hash != hash)
		entry = entry->next;
	return entry;
}

static void
push(struct table *table, struct entry *entry)
{
	struct entry **first = chain(table, entry->hash);

	entry->next = *first;
	*first = entry;
}

/* Twice as many chains. */
static void
grow(struct table *table)
{
	const struct table old = *table;
	struct entry *entry, *next;
	size_t i;

	table->size = old.size == 0 ? 64 : 2 * old.size;
	table->chains = need(calloc(table->size, sizeof(*table->chains)));
	for (i = 0; i < old.size; i++)
		for (entry = old.chains[i]; entry != NULL; entry = next) {
			next = entry->next;
			push(table, entry);
		}
	free(old.chains);
}

void
table_add(struct table *table, struct entry *entry)
{
	if (table->count == table->size)
		grow(table);
	table->count++;
	push(table, entry);
}

void
table_remove(struct table *table, struct entry *entry)
{
	struct entry **at = chain(table, entry->hash);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	table->count--;
}

void
table_free(struct table *table)
{
	free(table->chains);
	*table = (struct table){ NULL, 0, 0 };
}
