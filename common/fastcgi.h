/*
 * fastcgi: the requests of a program, one after the other: a single one if the
 * web server runs it as a CGI program, any number if as a FastCGI process.  The
 * same program is both; its standard input tells which.
 *
 *	fastcgi_open(&f);
 *	while ((event = fastcgi_next(&f, &cgi, 1000)) != FASTCGI_END)
 *		if (event == FASTCGI_REQUEST)
 *			... cgi_answer(&cgi, status);
 *
 * Leaving.  TERM and USR1 are blocked in a FastCGI process, so they interrupt
 * no request; whoever forks from it has to unblock them.  After one of them, or
 * fastcgi_leave(), what already waits in the listen queue is answered, too, for
 * a second at most: the web server has been told that it was accepted.
 *
 * This is the only module that knows libfcgi.
 */
#ifndef FASTCGI_H
#define FASTCGI_H

#include <stdbool.h>
#include <stdint.h>

#include "cgi.h"

struct fastcgi {
	bool resident; /* FastCGI; else there is one request only */
	bool began;    /* that one has been handed out */
	bool leaving;
	int64_t until; /* leaving: answer the queue until then, by uptime_s() */
	int signals;   /* readable when the process is told to leave */
	struct FCGX_Request *request;
};

enum fastcgi_event {
	FASTCGI_REQUEST, /* cgi is a new request; answer it */
	FASTCGI_IDLE,	 /* none has come within the time */
	FASTCGI_END,	 /* there will be none any more */
};

/* Find out how the program was started, and get ready. */
void fastcgi_open(struct fastcgi *f);

/*
 * Wait for the next request, for so many ms, and initialize cgi, which is valid
 * until the next call.
 */
enum fastcgi_event fastcgi_next(struct fastcgi *f, struct cgi *cgi, int ms);

/*
 * Take no new connections.  With HIPCHAT_OWN_SOCKET in the environment, which
 * says that no other process accepts from the socket, refuse them at once, so
 * that the web server asks another process.
 */
void fastcgi_leave(struct fastcgi *f);

/* Free what is left at the end. */
void fastcgi_close(struct fastcgi *f);

#endif
