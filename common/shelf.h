/*
 * shelf: the folder of a book: which file a record is in, and how a file is
 * written anew.  The steps are those of book.h.
 *
 * Functions return 0 or an HTTP status, with the reason in the log.
 */
#ifndef SHELF_H
#define SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "book.h"
#include "dbfile.h"

/*
 * With this many files, one has some 25 records where 100,000 are stored.  With
 * a quarter of them, a change would take a fifth longer there; with more, to
 * look for all of them would take longer than to read them.
 */
#define SHELF_FILES 4096

/* Size of a file's name. */
#define SHELF_NAME_LEN 64

/* The folder's name, or the removal of BOOK.db, may not be durable yet. */
#define SHELF_UNSYNCED S_ISVTX

/* The number of the file that a key's record is in, and a file's name. */
unsigned int shelf_file_of(const char *key, size_t len);
void shelf_name(const struct book *book, unsigned int file,
    char name[SHELF_NAME_LEN]);

/* Step 3: make the folder if it is not there, and see that it is durable. */
int shelf_make(const struct book *book);

/* Make the names of its files durable. */
int shelf_sync(const struct book *book);

/*
 * Unlink what a killed writer may have left, under this name or that which
 * Berkeley DB gives a file as long as it makes it.
 */
void shelf_clean(const struct datadir *dir, const char *path);

/* A record that is to be in a file; if its value is NULL, it is to go. */
struct shelf_put {
	unsigned int file;
	struct dbfile_record record;
};

/* A file that is to be written anew. */
struct shelf_rewrite {
	const struct book *book;
	const struct shelf_put *puts; /* all of one file, and at least one */
	size_t n;
	bool durable; /* step 5 in full */

	/* the function's own */
	char name[SHELF_NAME_LEN];
	char new[SHELF_NAME_LEN + 4];
	size_t count; /* of the records in the new file */
};

/* Steps 4 and 5. */
int shelf_rewrite(struct shelf_rewrite *rw);

/*
 * Many files, with one sync for all: write each as XXX.db.new; when all are on
 * the disk, rename each.  Or remove each, where that is not to be.
 */
int shelf_stage(struct shelf_rewrite *rw);
int shelf_unstage(struct shelf_rewrite *rw);
int shelf_discard(struct shelf_rewrite *rw);

#endif
