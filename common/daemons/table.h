/*
 * table: find something by the hash of its name.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Part of whatever is in a table. */
struct entry {
	struct entry *next; /* in the same chain */
	uint64_t hash;
	void *owner;
};

/* All zero is an empty table. */
struct table {
	struct entry **chains;
	size_t size, count; /* size is 0 or a power of 2 */
};

/* A hash of the text and the number (FNV-1a). */
uint64_t table_hash(const char *text, int64_t number);

/* The first entry with that hash after prev (NULL: the first of all). */
struct entry *
table_find(const struct table *table, uint64_t hash, const struct entry *prev);

/* Add it; hash and owner are filled in. */
void table_add(struct table *table, struct entry *entry);
void table_remove(struct table *table, struct entry *entry);

/* Release the table; the entries are their owners'. */
void table_free(struct table *table);

#endif
