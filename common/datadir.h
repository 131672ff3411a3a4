/*
 * datadir: the data directory, HIPCHAT_DATA_DIR, opened and checked once.
 */
#ifndef DATADIR_H
#define DATADIR_H

#include <stdbool.h>
#include <sys/types.h>

struct datadir {
	const char *path; /* absolute; the caller's, and outlives this */
	int fd;		  /* or -1 */
	dev_t device;	  /* which it is */
	ino_t inode;
};

/*
 * Open the directory, which must be ours and not writable by others, and set
 * the umask to 077.  Returns 0, HTTP_SERVICE_UNAVAILABLE if there are no
 * descriptors left, or else HTTP_INTERNAL_SERVER_ERROR, with the reason in the
 * log; dir is closed unless it returns 0.
 */
int datadir_open(struct datadir *dir, const char *path);

/* Does the path lead to another directory by now?  Logs that. */
bool datadir_is_lost(const struct datadir *dir);

/* You may call it twice, and after datadir_open() has failed. */
void datadir_close(struct datadir *dir);

#endif
