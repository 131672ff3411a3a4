/*
 * cgi: one request in (RFC 3875), exactly one response out.
 *
 * Functions return 0, for "go on", or the HTTP status to answer with
 * (status.h).  Only one place answers, endpoint_main() in endpoint.h:
 *
 *	cgi_init(&cgi);
 *	status = cgi_head(&cgi, CGI_POST, CGI_BODY_MAX);
 *	if (status == 0)
 *		status = cgi_body(&cgi);
 *	if (status == 0)
 *		status = serve(&cgi);
 *	return cgi_answer(&cgi, status);
 *
 * The head comes from the environment alone, so a program can confine itself
 * (sandbox.h) before it reads the first byte of the body.
 */
#ifndef CGI_H
#define CGI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "status.h"

/* Largest request body in bytes, unless an endpoint says otherwise; a larger
 * one is a 413. */
#define CGI_BODY_MAX 65536

/* Largest decoded parameter, Location or base URL in bytes, terminating NUL
 * included. */
#define CGI_URL_MAX 2048

enum cgi_method {
	CGI_GET = 1,
	CGI_HEAD = 2,	/* as GET; the body is left out */
	CGI_POST = 4,	/* has a body; Content-Length is needed */
	CGI_DELETE = 8, /* of path info /ID; no body is read */
};

struct cgi {
	/* from cgi_init(), or from fastcgi.h */
	char *const *env; /* the request's variables */
	void *peer;	  /* for read and write */
	/* Read up to len bytes of the body, waiting for ms at most.  Returns
	 * how many, 0 at the end, or -1 (ETIMEDOUT: none came). */
	ssize_t (*read)(const struct cgi *cgi, char *p, size_t len, int ms);
	/* Write all of the answer. */
	bool (*write)(const struct cgi *cgi, const char *p, size_t len);

	/* the head */
	enum cgi_method method;
	const char *path_info;	   /* decoded; "" or "/"; DELETE: "/ID" */
	const char *query;	   /* encoded, without "?"; never NULL */
	const char *authorization; /* the header's value; never NULL */
	char *body;		   /* NUL-terminated; NULL unless POST */
	size_t body_len;

	/* between head and body */
	size_t body_max;
	size_t announced;

	/* the answer; set through the functions below */
	unsigned int allowed;
	char reason[160];
	char location[CGI_URL_MAX];
	char etag[24];
	bool shared; /* the document is the same for all */
	char *document;
	size_t document_len;
};

/* The request of a CGI program: environment, standard input and output. */
void cgi_init(struct cgi *cgi);

/*
 * Read the head of the request, for a program that serves the methods in the
 * mask and accepts bodies of up to body_max bytes.  Returns 0 or
 *	400	Content-Length is not a number
 *	404	path info, or a DELETE without an ID in it
 *	405	another method
 *	411	POST without Content-Length
 *	413	the body is larger than body_max
 *	500	not called as a CGI program
 */
int cgi_head(struct cgi *cgi, unsigned int allowed, size_t body_max);

/*
 * Read the body of a POST, nothing otherwise.  Returns 0 or
 *	400	the body is shorter than announced
 *	408	it did not arrive in 30 seconds
 */
int cgi_body(struct cgi *cgi);

/* A variable of the request; "" if it is absent. */
const char *cgi_variable(const struct cgi *cgi, const char *name);

/*
 * Copy the public URL of the program's directory to out, which has CGI_URL_MAX
 * bytes: the one that is set or, if that is "", what the request says (scheme,
 * Host in lower case, directory of SCRIPT_NAME, no slash at the end).
 * Returns 0, or 400 for an invalid Host.
 */
int cgi_base_url(struct cgi *cgi, const char *set, char *out);

/*
 * Find a parameter in a query string or form and decode it to out, which has
 * CGI_URL_MAX bytes.  Returns 1, 0 if it is absent, or -1 if it is given twice,
 * not properly encoded, empty, too long, or has a NUL in it.
 */
int cgi_param(const char *encoded, const char *name, char *out);

/* Log the reason, tell it to the client, and return the status. */
int cgi_error(struct cgi *cgi, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Log the reason and return the status; the client gets a general reason. */
int cgi_refuse(int status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Make the answer send the browser to url, which must not hold blanks or
 * control characters; returns 302. */
int cgi_redirect(struct cgi *cgi, const char *url);

/*
 * Make this JSON text (malloc'ed; taken over) the answer, with an entity tag.
 * It may be cached for a minute: by anybody if it is shared, else only by the
 * client, because it depends on the Host.  Returns 200, or 304 if the client
 * has it already.
 */
int cgi_document(struct cgi *cgi, char *json, size_t len, bool shared);

/* Make this JSON the answer, for this request only; returns 200.  The document
 * stays the caller's. */
int cgi_json(struct cgi *cgi, struct json_object *doc);

/*
 * Write the one response and release the request.  0 is answered as 204: done,
 * and nothing to say.  For a status of 400 or more the body is HipChat's error
 * envelope with cgi_error()'s reason, or with a general one.
 * Returns main()'s exit status.
 */
int cgi_answer(struct cgi *cgi, int status);

#endif
