/*
 * cgi: one request in (RFC 3875), exactly one response out.
 *
 * Functions return an HTTP status, 0 meaning "go on"; only main() answers:
 *
 *	status = cgi_read(&cgi, "echo", CGI_POST);
 *	if (status == 0)
 *		status = work(&cgi);
 *	return cgi_answer(&cgi, status);
 */
#ifndef CGI_H
#define CGI_H

#include <stddef.h>

/* Largest request body in bytes; a larger one is a 413, unread. */
#define CGI_BODY_MAX 65536

/* Largest decoded parameter or Location in bytes, terminating NUL included. */
#define CGI_URL_MAX 2048

enum cgi_method {
	CGI_GET = 1,
	CGI_HEAD = 2,		/* as GET; the body is left out */
	CGI_POST = 4,		/* has a body; Content-Length is needed */
	CGI_DELETE = 8,		/* path info /ID tells what; no body is read */
};

struct cgi {
	const char *program;		/* its name */
	enum cgi_method method;
	const char *path_info;		/* decoded; "" or "/"; DELETE: "/ID" */
	const char *query;		/* encoded, without "?"; never NULL */
	const char *authorization;	/* the header's value; never NULL */
	char *body;			/* NUL-terminated; NULL unless POST */
	size_t body_len;

	/* the answer; set through the functions below */
	unsigned int allowed;
	char reason[160];
	char location[CGI_URL_MAX];
	char etag[24];
	char *document;
	size_t document_len;
};

/*
 * Read the request of the program so named (the log prefix), which serves
 * the methods in the mask.  Returns 0 or
 *	400	Content-Length not a number, or the body shorter than it
 *	404	path info, or a DELETE without
 *	405	another method
 *	408	the body did not arrive in 30 seconds
 *	411	POST without Content-Length
 *	413	the body is larger than CGI_BODY_MAX
 *	500	not called as a CGI program
 */
int cgi_read(struct cgi *cgi, const char *program, unsigned int allowed);

/*
 * Find a parameter in a query string or form and decode it to out, which has
 * CGI_URL_MAX bytes.  Returns 1, 0 when absent, -1 when given twice, not
 * properly encoded, empty, too long, or with a NUL in it.
 */
int cgi_param(const char *encoded, const char *name, char *out);

/* Log the reason, keep it for the answer, and return the status. */
int cgi_error(struct cgi *cgi, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Let the answer send the browser to url, which holds no blank or control
 * character; returns 302. */
int cgi_redirect(struct cgi *cgi, const char *url);

/*
 * Let the answer be this JSON document (malloc'ed; taken over), public for a
 * minute and with an entity tag.  Returns 200, or 304 when the client has it.
 */
int cgi_document(struct cgi *cgi, char *json, size_t len);

/*
 * Write the one response and release the request.  0 is answered as 204: done,
 * and nothing to say.  For a status from 400 on the body is HipChat's error
 * envelope with cgi_error()'s reason, or with a general one.
 * Returns main()'s exit status.
 */
int cgi_answer(struct cgi *cgi, int status);

#endif
