/*
 * supervisor: a daemon is two processes.
 *
 * The worker does all the work, confined.  The parent has no file open, reads
 * nothing, and waits for the worker:
 *	it exits with SUPERVISOR_AGAIN	the parent executes the program anew, by
 *					the path that it was started by, with
 *					the same arguments, environment and pid
 *	it is killed by a signal	the parent starts a new one, at once the
 *					first time, then after 1 s, 2 s, ...
 *					60 s if it does not live for 10 s
 *	it exits otherwise		the parent does, with the same status
 * TERM, INT and HUP are passed on to the worker, and if that dies of them, so
 * does the parent.  A worker gets TERM when its parent dies.
 *
 *	int
 *	main(int argc, char **argv)
 *	{
 *		return supervise(argv, work, &options);
 *	}
 *
 * Locks and files are the worker's, so they are free when it is dead.
 */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>

/* The worker's exit status if the program shall be executed anew. */
#define SUPERVISOR_AGAIN 75

/*
 * What the worker does; the value is its exit status.  news is what happened to
 * the last worker, for the log, or NULL: the parent has none of its own.
 */
typedef int supervisor_work(void *arg, const char *news);

/*
 * Run the worker until it is over.  Returns main()'s exit status.  argv is
 * main()'s; there must be no thread.
 */
int supervise(char **argv, supervisor_work *work, void *arg);

/*
 * The absolute path by which this program was started, symbolic links kept (it
 * may lead to a newer one by now).  Call it before the current directory
 * changes.  Returns false if it can't be told.
 */
bool supervisor_program(char *path, size_t size);

#endif
