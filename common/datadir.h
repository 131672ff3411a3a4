/*
 * datadir: the data directory, HIPCHAT_DATA_DIR, opened and checked once.
 */
#ifndef DATADIR_H
#define DATADIR_H

struct datadir {
	const char *path;	/* absolute; the caller's, and outlives this */
	int fd;			/* or -1 */
};

/*
 * Open the directory, which must be ours and not writable by others, and set
 * the umask to 077.  Returns 0, or HTTP_SERVICE_UNAVAILABLE where descriptors
 * are out, else HTTP_INTERNAL_SERVER_ERROR, with the reason in the log; dir
 * is then closed.
 */
int datadir_open(struct datadir *dir, const char *path);

/* May be called twice, and after datadir_open() has failed. */
void datadir_close(struct datadir *dir);

#endif
