/*
 * resident: a FastCGI process between its requests: the settings that it has
 * been confined for, and when it has to end.
 *
 * It takes settings from the file, its environment and the HIPCHAT_ variables
 * of its first request, which win, as they do under CGI.  There is no way back
 * out of a sandbox, so it ends, after an answer,
 *	if a request comes with other settings (it is answered with 500);
 *	if a file changes that it depends on: the settings, the program, what
 *	the name service and OpenSSL read (watch.h);
 *	after HIPCHAT_MAX_REQUESTS.
 * The web server starts another one.
 */
#ifndef RESIDENT_H
#define RESIDENT_H

#include "watch.h"

struct resident {
	bool over;	/* set it if there is another reason to end */
	char *program;	/* its path */
	char *settings; /* of the first request, one a line */
	int requests;	/* so many were answered */
	int64_t looked; /* at the files, by uptime_s() */
	struct watch watch;
};

/* Call it before anything is read. */
void resident_begin(struct resident *r);
void resident_end(struct resident *r);

/*
 * Put the settings of the first request into the environment, where
 * config_read() and couriers find them.
 */
void resident_adopt(struct resident *r, char *const *env);

/* Does a later request come with the same ones?  0, or 500 and the end. */
int resident_check(struct resident *r, char *const *env);

/*
 * Call it after each request, and when none comes.  Has the process to end?
 * The reason is logged, except for the limit: so many requests, or 0 for none.
 */
bool resident_is_over(struct resident *r, int max_requests);

#endif
