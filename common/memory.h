/*
 * memory: the records that a FastCGI process has read lately.  Each is good as
 * long as the stamp of its file stays the same, which whoever asks has looked
 * at before.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "stamp.h"

/* How many records; one that comes may take the place of another. */
#define MEMORY_RECORDS 1024

struct memory_record {
	struct stamp stamp;
	char *key;   /* its book's name, "/" and its key; NULL: no record */
	char *value; /* NULL: it is known that there is none */
};

/* All zeros: nothing is remembered. */
struct memory {
	struct memory_record *records; /* NULL until there is one */
};

/* Is this record remembered?  If so, *value is it, the memory's, or NULL. */
bool memory_recall(const struct memory *memory, const char *book,
    const char *key, const struct stamp *stamp, const char **value);

/* Remember it, or that there is none (NULL), unless the stamp is too young. */
void memory_keep(struct memory *memory, const char *book, const char *key,
    const struct stamp *stamp, const char *value);

/* Free what is kept. */
void memory_free(struct memory *memory);

#endif
