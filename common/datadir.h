/*
 * datadir: the directory that holds the add-on's memory, HIPCHAT_DATA_DIR.
 */
#ifndef DATADIR_H
#define DATADIR_H

struct datadir {
	const char *path;	/* the caller's; outlives the datadir */
	int fd;
};

/*
 * Open the directory, which must be ours and not writable by others, and set
 * the umask to 077.  Returns 0, or 500 or 503 with the reason in the log.
 */
int datadir_open(struct datadir *dir, const char *path);
void datadir_close(struct datadir *dir);

#endif
