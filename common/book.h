/*
 * book: records, key and value both strings, in Berkeley DB files below the
 * data directory that survive a kill -9 at any instruction.
 *
 * A book is a folder of up to 4096 files, so that what is looked at and written
 * does not grow with what is stored.  The first three hexadecimal digits of the
 * SHA-256 of a key name the file that has its record.  There is no file without
 * a record.
 *
 * The locking protocol
 *
 * A file is never changed in place.  Readers read it whole and take no lock:
 * its name always leads to a complete file, old or new.  A writer
 *	1. takes the lock (lock.h), which all books share, within 10 s;
 *	2. takes over what an older version has left, see below;
 *	3. looks if the records are still as expected, and for each that is to
 *	   become another, makes the folder durable, see below, and unlinks
 *	   BOOK/new and BOOK/__db.new, which a killed writer may have left
 *	   (Berkeley DB creates files under the second name, and if it finds one
 *	   there, it waits for its owner forever);
 *	4. copies all records of the file to BOOK/new, with the change;
 *	5. fsyncs that, renames it to BOOK/XXX.db (or, if no record is left,
 *	   unlinks that), fsyncs the folder (a cache is only renamed: a power
 *	   cut may damage it);
 *	6. and only then releases the lock and reports success.
 * Whoever holds the lock neither touches the network nor waits for anybody.
 *
 * A folder's sticky bit says that the data directory has yet to be fsynced, or
 * a power cut may undo what was done there: a folder is made with it, and a
 * takeover sets it.  A writer that finds it does that, and clears it, before it
 * changes a record.  So this costs nothing as a rule, and whoever set the bit
 * may be killed.
 *
 * Taking over
 *
 * An older version had all records of a book in one file, BOOK.db.  While that
 * is there, its records count, and then those in the folder.  A writer sets the
 * bit, copies each file that one of them belongs to, with them, to XXX.db.new,
 * syncs all, renames them, fsyncs the folder, unlinks BOOK.db, and fsyncs the
 * data directory, as above.
 *	- Killed in between, it leaves BOOK.db, which counts and is taken
 *	  over again, or the bit.  After a power cut, what is damaged has no
 *	  name yet.
 *	- A reader looks into BOOK.db first.  If that is not there, all is in
 *	  the folder.  If it is, and the record not in it, the record is in
 *	  the folder or nowhere, even if the file goes in the meantime.
 *	- A program of the older version that still runs finds no BOOK.db and
 *	  may write a new one.  That is taken over, too, and no other record
 *	  is lost; so BOOK.db does not stand for the whole book.
 * A cache is not taken over, but unlinked.
 *
 * All functions return 0 or an HTTP status, with the reason in the log:
 *	HTTP_NOT_FOUND	there is no such record (book_get) or book
 *			(book_stamp; not logged)
 *	HTTP_CONFLICT	another value is stored (book_swap; not logged)
 *	HTTP_INTERNAL_SERVER_ERROR	a file is damaged, or can't be read or
 *			written
 *	HTTP_SERVICE_UNAVAILABLE	the lock was not free in time (if it was
 *			only tried: not logged), the disk is full, or there are
 *			no descriptors left
 */
#ifndef BOOK_H
#define BOOK_H

#include <stdbool.h>

#include "datadir.h"
#include "memory.h"
#include "stamp.h"

/* Longest key and value, terminating NUL included. */
#define BOOK_KEY_MAX 512
#define BOOK_VALUE_MAX 16384

/* Nothing is open between the calls. */
struct book {
	const struct datadir *dir; /* the caller's; outlives the book */
	const char *name;	   /* "installations" */
	bool cache; /* need not survive a power cut; if damaged, a writer
		     * discards it */
	struct memory *memory; /* of what book_get() finds, the caller's; NULL:
				* nothing is remembered */
};

int
book_get(const struct book *book, const char *key, char value[BOOK_VALUE_MAX]);

/*
 * The stamp of the file that has this record or would have it; all zero if
 * there is none.  While it stays the same, so does the record, and no file is
 * opened to find that out.  HTTP_NOT_FOUND says that the whole book is missing.
 */
int book_stamp(const struct book *book, const char *key, struct stamp *stamp);

/*
 * All keys, in order, each terminated by a NUL and the last one by two.  The
 * caller frees them; on failure there are none, *keys is NULL.
 */
int book_keys(const struct book *book, char **keys);

/* Most changes at once. */
#define BOOK_CHANGES_MAX 4

/* What is to become of one record. */
struct book_change {
	const struct book *book;
	const char *key;
	bool any;	      /* whatever the record holds now */
	const char *expected; /* or this; NULL: there is none */
	bool keep;	      /* only look at it */
	const char *value;    /* NULL: remove it */
};

/*
 * Compare and swap: if all n records are as expected, make all changes, in this
 * order and under one lock; if killed, perhaps only the first of them.  All
 * books are in one directory, and no record is there twice.  To remove what is
 * not there, nothing is written.  If hurried, the lock is tried and not waited
 * for.
 */
int book_swap(const struct book_change *changes, int n, bool hurried);

#endif
