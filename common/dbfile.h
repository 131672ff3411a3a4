/*
 * dbfile: a Berkeley DB file, either one that is there, to be read, or a new
 * one, to be filled.
 *
 * Each has a private environment (DB_PRIVATE: its mutexes die with the
 * process).  Its home is /dev/null, where nobody can put a DB_CONFIG for
 * Berkeley DB to read, so a file is named by its full path.
 *
 * Functions that return int return 0 or a code, of Berkeley DB or errno's,
 * which dbfile_status() explains.
 */
#ifndef DBFILE_H
#define DBFILE_H

#include <stddef.h>

#include <db.h>

#include "datadir.h"

struct dbfile {
	DB_ENV *env;
	DB *db;
	DBC *cursor; /* dbfile_next()'s */
};

/* Neither is terminated. */
struct dbfile_record {
	const char *key;
	size_t key_len;
	const char *value;
	size_t value_len;
};

/*
 * Is the Berkeley DB library the one that the program was compiled for?
 * Returns 0 or HTTP_INTERNAL_SERVER_ERROR, with the reason in the log.
 */
int dbfile_check_library(void);

/*
 * Log what such a code means for what was done to the file.  Returns an HTTP
 * status as log_errno() does, or 0 if the code is 0.
 */
int dbfile_status(const char *file, const char *what, int ret);

/* Open the file to read it.  ENOENT: it is not there. */
int
dbfile_open(struct dbfile *file, const struct datadir *dir, const char *name);

/* Make a new one; there must be none of this name. */
int
dbfile_create(struct dbfile *file, const struct datadir *dir, const char *name);

/* After a 0 of one of these two, call one of these. */
void dbfile_abandon(struct dbfile *file);
int dbfile_close(struct dbfile *file); /* its pages reach the kernel here */

/*
 * Copy the value of a record to value, as a string of less than size bytes.
 * ENOENT: there is no such record.
 */
int dbfile_get(struct dbfile *file, const char *key, char *value, size_t size);

/*
 * The next record, by key; valid until the next call.  ENOENT: that was all.
 */
int dbfile_next(struct dbfile *file, struct dbfile_record *record);

int dbfile_put(struct dbfile *file, const struct dbfile_record *record);

#endif
