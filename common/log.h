/*
 * log: one event, one line, one write(2) to standard error, which under
 * Apache is the error log.
 *
 * Whoever detects an error logs it, once, with the object and the reason;
 * callers further up only pass the status on.  Secrets, tokens and message
 * texts are never handed to these functions.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

/* Longest line, prefix and newline included; a longer one is cut. */
#define LOG_MAX 1024

/* Size in bytes from which log_rotate() starts a new file. */
#define LOG_FILE_MAX 1048576

/* Set the prefix of all later lines; the string must outlive the program. */
void log_open(const char *program);

/*
 * Write "2019-02-15T12:00:00Z PREFIX: MESSAGE\n", in UTC.  Every byte but
 * printable ASCII is written as \xNN, so that no input can forge a line.
 * errno is preserved.
 */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Log that what was done to the object failed, and why, from errno.  Returns
 * HTTP_SERVICE_UNAVAILABLE if the disk is full, or descriptors or memory are
 * short (so says Berkeley DB of a full disk if its cache is full, too), else
 * HTTP_INTERNAL_SERVER_ERROR.
 */
int log_errno(const char *object, const char *what);

/*
 * Return p.  If it is NULL, memory ran out: log that and end the program, as a
 * kill would, so that whatever it was doing is not acknowledged.
 */
void *need(void *p);

/*
 * From now on, write to a file in the directory.  The file takes the place of
 * standard error, so messages of libraries go there, too.  Returns false and
 * logs why if it can't be opened.
 */
bool log_to_file(int dirfd, const char *name);

/* If the file exceeds LOG_FILE_MAX, rename it to NAME.1 and start a new one. */
void log_rotate(int dirfd, const char *name);

#endif
