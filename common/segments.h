/*
 * segments: what the parts of journal share, and nobody else: journal.c
 * appends, segments.c reads, marks.c changes what is there.
 */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include <dirent.h>

#include "journal.h"

struct journal_segment {
	char path[JOURNAL_PATH_MAX];
	int fd;
	dev_t device;
	ino_t inode;
	unsigned int number;
	bool current; /* the name without a number leads to it */
	bool quiet;   /* nobody appends any more */
	bool read;    /* and all of it has been read */
	bool eof;     /* all that there was the last time has been read */
	bool cut;     /* what comes next is the rest of a line too long */
	bool dirty;   /* marked since the last fdatasync */
	char *buf;    /* what was read from it, and handed out up to start */
	size_t start, len, size;
	uint32_t end;	/* offset in the file of buf + len */
	size_t held;	/* lines that were handed out and not released */
	int64_t begun;	/* when we found it, on the monotonic clock, in s */
	int64_t active; /* when a line last came, or was marked */
};

/* FOLDER/NAME and the suffix; returns path. */
const char *journal_path(char path[JOURNAL_PATH_MAX], const struct journal *j,
    const char *suffix);

/* Its folder, to be closed with closedir(); NULL with errno. */
DIR *journal_list(const struct journal *j);

/* N of a name that is NAME.N; 0 for NAME itself, -1 for any other. */
long long journal_number(const struct journal *j, const char *name);

/* The number in the first line of a segment; 0 if there is none. */
unsigned int journal_header(int fd);

/* fsync(2) of the folder. */
int journal_sync_folder(const struct journal *j);

/* Make a segment the current one; how is a flag of renameat2(2). */
int journal_replace(const struct journal *j, unsigned int how);

#endif
