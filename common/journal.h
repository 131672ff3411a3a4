/*
 * journal: lines of text, appended durably by many processes and, by one
 * reader, read, marked and thrown away.
 *
 *	FOLDER/NAME	the current segment
 *	FOLDER/NAME.N	older ones, in which not all is settled yet or that are
 *			still young
 *
 * A segment begins with the line "# N".  This number is what orders them,
 * whatever their names are.  Every other line is
 *
 *	MARK HEAD{TEXT
 *
 * The mark is one letter, the head has no '{'.
 *
 * Appending.  A writer shares an flock on the segment, checks that the name
 * still leads to it, and appends "\n", the line and "\n" with one write(2);
 * after fdatasync(2) the line is acknowledged.  The newline at the start ends
 * whatever a writer that was killed, or a power cut, has left half written.
 * Empty lines mean nothing.
 *
 * Marking.  A mark is changed in place, so a full disk stops no deliveries.
 * Whoever changes it holds a lock on that byte (F_OFD_SETLK), so it changes
 * only from what it is thought to be.  What is settled is blanked, too: from
 * the '{' on, its text is overwritten with tabs, which JSON has in no string.
 * So a line with a tab in it is settled, even if a power cut kept the mark of
 * it from reaching the disk.
 *
 * Rotating.  The reader makes NAME.N, with its first line, durably, and then
 * exchanges the two names.  Until it gets an exclusive flock on what is no
 * longer current, a writer may still append to that, so it reads on there.
 * Each state in which a kill or a power cut may leave the folder is a good one.
 *
 * Functions that return int return 0 or an HTTP status, with the reason in the
 * log:
 *	404	there is no further line (not logged), or not that one any more
 *	409	the mark is another one by now (not logged)
 *	500	a file or folder that is not ours, or an error of the disk
 *	503	the disk is full, or there are no descriptors left, or the line
 *		is being marked by somebody else
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "datadir.h"

/* Longest line and largest segment, in bytes, that are appended. */
#define JOURNAL_LINE_MAX 524288
#define JOURNAL_SEGMENT_MAX (1 << 30)

/* Size of a path below the data directory, terminating NUL included. */
#define JOURNAL_PATH_MAX 96

struct journal {
	const struct datadir *dir; /* the caller's; outlives the journal */
	const char *folder;	   /* below it; a literal, like the name */
	const char *name;
	unsigned int first; /* number of its first segment, ever */
	int fd;		    /* the segment to append to, or -1 */
	ino_t inode;
};

/* A line: 16 bytes, because many are kept. */
struct journal_segment;
struct journal_place {
	struct journal_segment *segment;
	uint32_t offset;
	uint32_t len;
};

struct journal_reader {
	const struct journal *journal;
	struct journal_segment **segments; /* by number */
	size_t n;
	bool alone;
	int status; /* the last error in looking for them */
};

/* ---- for writers ---- */

/* A journal that is opened, or made, by the first line that is appended. */
void journal_init(struct journal *j, const struct datadir *dir,
    const char *folder, const char *name);

/* Open it; make folder and journal, durably, if they are missing. */
int journal_open(struct journal *j);

/* You may call it twice, and after journal_init(). */
void journal_close(struct journal *j);

/*
 * Append head and text, which starts with '{', as one line, durably.  Whatever
 * is missing is made again, so an open journal may stay open for as long as you
 * like.
 */
int journal_append(struct journal *j, const char *head, const char *text);

/* ---- for readers ---- */

/*
 * Read from the start.  It is no error if there is no journal yet.  alone: this
 * is the one reader that may rotate and drop segments.
 */
int
journal_begin(struct journal_reader *r, const struct journal *j, bool alone);
void journal_end(struct journal_reader *r);

/*
 * The next line, settled ones included; terminated by a NUL and valid until the
 * next call.  Its segment stays until journal_release() is called for the
 * place.
 */
int journal_next(struct journal_reader *r, struct journal_place *place,
    const char **line);
void journal_release(const struct journal_place *place);

/* The line as it is now; free it. */
int journal_read(const struct journal_place *place, char **line);

/* Change the mark from one of these to another. */
int journal_mark(const struct journal_place *place, const char *from, char to);

/* The same, and read the line, with its new mark; free it in any case. */
int journal_take(const struct journal_place *place, const char *from, char to,
    char **line);

/* Change the mark likewise, and blank the text. */
int journal_blank(const struct journal_place *place, const char *from, char to);

/* Make what was marked durable. */
int journal_sync(struct journal_reader *r);

/* Size of the current segment in bytes. */
off_t journal_size(const struct journal_reader *r);

/*
 * Start a new segment.  If that fails, because the disk is full, say, the room
 * that blanked lines take is given back, so that it succeeds the next time.
 */
int journal_rotate(struct journal_reader *r);

/* Have all lines that were read been released? */
bool journal_is_idle(const struct journal_reader *r);

/* For how many seconds has nothing been read or marked in any segment? */
int64_t journal_quiet(const struct journal_reader *r);

/*
 * For how many seconds, at most, has the reader known a line that is not
 * released?  0 if there is none.
 */
int64_t journal_oldest(const struct journal_reader *r);

/*
 * Remove older segments that have been read, whose lines are all released, and
 * in which nothing was read or marked for that many seconds.  Never waits.
 */
void journal_drop(struct journal_reader *r, int64_t seconds);

#endif
