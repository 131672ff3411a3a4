/*
 * disk: what a disk holds after a power cut, from the log of what was written
 * to it.
 *
 * The log has the format of Linux' dm-log-writes, version 1, as QEMU's
 * blklogwrites writes it: a sector with the superblock, and then for each write
 * or flush a sector that tells of it, followed by the data.
 *
 * A disk keeps its promise if all that was written before a flush is there
 * after it.  What came later may be there or not, in pieces of a block and in
 * any order.
 */
#ifndef POWERCUT_DISK_H
#define POWERCUT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_BLOCK 4096

/* One entry of the log. */
struct disk_write {
	off_t at;	  /* on the disk */
	size_t len;	  /* 0: no data */
	const char *data; /* in the log; NULL: zeros */
	bool flush;	  /* a flush comes before it */
	bool sure;	  /* it is on disk when it returns */
};

struct disk {
	char *map; /* the log */
	size_t size;
	struct disk_write *log;
	size_t entries;
	int fd;		/* the image that is built */
	char *base;	/* what is on disk after the last flush */
	size_t bytes;	/* its size */
	bool *used;	/* its blocks that were ever written */
	size_t flushed; /* entries that base has */
};

/* How many entries the log has; it may be growing. */
size_t disk_end(const char *log);

/* Read a log, and be ready to build images in this file, which has its size. */
void disk_open(struct disk *disk, const char *log, const char *image);

/*
 * Build the image of a power cut after this many entries; cuts come in
 * ascending order.  With subset, each piece that was written after the last
 * flush is there or not, as random() says.
 */
void disk_cut(struct disk *disk, size_t entries, bool subset);

#endif
