/*
 * book: records, key and value both strings, in Berkeley DB files below the
 * data directory that survive a kill -9 at any instruction.
 *
 * The locking protocol
 *
 * A file is never changed in place.  Readers open it read-only and take no
 * lock: the name always leads to a complete file, old or new.  A writer
 *	1. takes flock(LOCK_EX) on "lock", a file that all books share and that
 *	   is never renamed or removed, within 10 s; the kernel releases the
 *	   lock when the process dies, however it dies;
 *	2. unlinks X.db.tmp and __db.X.db.tmp, which a killed writer may have
 *	   left (Berkeley DB creates files under the second name, and if it
 *	   finds one there, it waits for its owner forever);
 *	3. looks if the records are still as expected, and for each that is to
 *	   become another, copies all records of its book into a new X.db.tmp
 *	   and makes the change there;
 *	4. closes it, fsyncs it, renames it to X.db, fsyncs the directory (a
 *	   cache is only renamed: a power cut may damage it);
 *	5. and only then releases the lock and reports success.
 * Whoever holds the lock neither touches the network nor waits for anybody.
 *
 * Each operation opens its own private environment (DB_PRIVATE: its mutexes
 * die with the process).  Its home is /dev/null, where nobody can put a
 * DB_CONFIG for Berkeley DB to read, so files are named by their full paths.
 *
 * All functions return 0 or an HTTP status, with the reason in the log:
 *	HTTP_NOT_FOUND	there is no such record (book_get; not logged)
 *	HTTP_CONFLICT	another value is stored (book_swap; not logged)
 *	HTTP_INTERNAL_SERVER_ERROR	the file is damaged, or can't be read
 *			or written
 *	HTTP_SERVICE_UNAVAILABLE	the lock was not free in time (if it was
 *			only tried: not logged), the disk is full, or there are
 *			no descriptors left
 */
#ifndef BOOK_H
#define BOOK_H

#include <stdbool.h>

#include "datadir.h"

/* Longest value, terminating NUL included. */
#define BOOK_VALUE_MAX 16384

/* Nothing is open between the calls. */
struct book {
	const struct datadir *dir; /* the caller's; outlives the book */
	const char *file;	   /* "installations.db" */
	bool cache; /* need not survive a power cut; if damaged, a writer
		     * discards it */
};

/* Is the Berkeley DB library the one that the program was compiled for? */
int book_check_library(void);

int
book_get(const struct book *book, const char *key, char value[BOOK_VALUE_MAX]);

/*
 * All keys, each terminated by a NUL and the last one by two.  The caller
 * frees them; on failure there are none, *keys is NULL.
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
