/*
 * disk: see disk.h.
 */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

#define SECTOR 512
#define MAGIC 0x6a736677736872ULL

enum { IS_FLUSH = 1, IS_SURE = 2, IS_DISCARD = 4 };

/* Numbers are little-endian; the rest of the sector is unused. */
struct super {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};
struct entry {
	uint64_t sector, sectors, flags, data_len;
};

/* ---- the log ---- */

/* Where the next entry is; 0 at the end. */
static off_t
next_entry(int fd, off_t at, struct entry *entry)
{
	if (pread(fd, entry, sizeof(*entry), at) != sizeof(*entry) ||
	    (entry->sectors == 0 && entry->flags == 0))
		return 0;
	at += SECTOR;
	if ((le64toh(entry->flags) & IS_DISCARD) == 0)
		at += (off_t)le64toh(entry->sectors) * SECTOR;
	return at;
}

static int
open_log(const char *path)
{
	const int fd = open(path, O_RDONLY);
	struct super super;

	if (fd < 0 || pread(fd, &super, sizeof(super), 0) != sizeof(super))
		err(2, "%s", path);
	if (le64toh(super.magic) != MAGIC || le64toh(super.version) != 1 ||
	    le32toh(super.sector_size) != SECTOR)
		errx(2, "%s: not a log of writes, version 1", path);
	return fd;
}

size_t
disk_end(const char *path)
{
	const int fd = open_log(path);
	struct entry entry;
	off_t at = SECTOR;
	size_t n = 0;

	while ((at = next_entry(fd, at, &entry)) != 0)
		n++;
	close(fd);
	return n;
}

static void
read_log(struct disk *disk, const char *path)
{
	const int fd = open_log(path);
	struct disk_write *write;
	struct entry entry;
	off_t at = SECTOR, next;
	struct stat sb;

	disk->entries = disk_end(path);
	disk->log = calloc(disk->entries + 1, sizeof(*disk->log));
	if (fstat(fd, &sb) != 0 || disk->log == NULL)
		err(2, "%s", path);
	disk->size = (size_t)sb.st_size;
	disk->map = mmap(NULL, disk->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (disk->map == MAP_FAILED)
		err(2, "%s", path);
	for (write = disk->log; write < disk->log + disk->entries; write++) {
		next = next_entry(fd, at, &entry);
		write->at = (off_t)le64toh(entry.sector) * SECTOR;
		write->len = (size_t)le64toh(entry.sectors) * SECTOR;
		write->flush = (le64toh(entry.flags) & IS_FLUSH) != 0;
		write->sure = (le64toh(entry.flags) & IS_SURE) != 0;
		if ((le64toh(entry.flags) & IS_DISCARD) == 0)
			write->data = disk->map + at + SECTOR;
		at = next;
	}
	close(fd);
}

void
disk_open(struct disk *disk, const char *log, const char *image)
{
	struct stat sb;

	memset(disk, 0, sizeof(*disk));
	read_log(disk, log);
	if ((disk->fd = open(image, O_RDWR)) < 0 || fstat(disk->fd, &sb) != 0)
		err(2, "%s", image);
	disk->bytes = (size_t)sb.st_size;
	disk->base = mmap(NULL, disk->bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	disk->used = calloc(disk->bytes / DISK_BLOCK + 1, sizeof(bool));
	if (disk->base == MAP_FAILED || disk->used == NULL)
		err(2, "%s", image);
}

/* ---- images ---- */

static void
to_image(struct disk *disk, const char *data, size_t len, size_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(disk->fd, data, len, (off_t)at);

		if (n <= 0)
			err(2, "writing the image");
		data += n;
		at += (size_t)n;
		len -= (size_t)n;
	}
}

/* Put a write, or a part of one, on disk for good. */
static void
settle(struct disk *disk, const struct disk_write *write)
{
	const size_t at = (size_t)write->at;
	size_t i;

	if (at + write->len > disk->bytes)
		errx(2, "a write beyond the disk's end");
	if (write->data == NULL)
		memset(disk->base + at, 0, write->len);
	else
		memcpy(disk->base + at, write->data, write->len);
	for (i = at / DISK_BLOCK; i * DISK_BLOCK < at + write->len; i++)
		disk->used[i] = true;
}

/* The last flush of the first so many entries, as a number of entries. */
static void
settle_flushed(struct disk *disk, size_t entries)
{
	size_t last = entries, i;

	while (last > disk->flushed && !disk->log[last - 1].flush)
		last--;
	/* a flush covers what came before it, not its own data */
	for (i = disk->flushed; i + 1 < last; i++)
		settle(disk, &disk->log[i]);
	if (last > disk->flushed)
		disk->flushed = last - 1;
}

static bool
is_zero(const char *block)
{
	return *block == 0 && memcmp(block, block + 1, DISK_BLOCK - 1) == 0;
}

/* The image becomes what is settled. */
static void
start_image(struct disk *disk)
{
	const size_t blocks = disk->bytes / DISK_BLOCK;
	size_t i, n;

	if (ftruncate(disk->fd, 0) != 0 ||
	    ftruncate(disk->fd, (off_t)disk->bytes) != 0)
		err(2, "emptying the image");
	for (i = 0; i < blocks; i += n + 1) {
		for (n = 0; i + n < blocks && disk->used[i + n] &&
		     !is_zero(disk->base + (i + n) * DISK_BLOCK);
		     n++)
			;
		to_image(disk, disk->base + i * DISK_BLOCK, n * DISK_BLOCK,
		    i * DISK_BLOCK);
	}
}

/* Write one entry, or some of its pieces. */
static void
put(struct disk *disk, const struct disk_write *write, bool subset)
{
	static const char zeros[DISK_BLOCK];
	const size_t end = (size_t)write->at + write->len;
	size_t at = (size_t)write->at, len;

	for (; at < end; at += len) {
		len = DISK_BLOCK - at % DISK_BLOCK;
		if (len > end - at)
			len = end - at;
		if (subset && !write->sure && random() % 2 == 0)
			continue;
		to_image(disk,
		    write->data == NULL ?
			zeros :
			write->data + (at - (size_t)write->at),
		    len, at);
	}
}

void
disk_cut(struct disk *disk, size_t entries, bool subset)
{
	size_t i;

	settle_flushed(disk, entries);
	start_image(disk);
	for (i = disk->flushed; i < entries; i++)
		put(disk, &disk->log[i], subset);
}
