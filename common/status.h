/*
 * status: what functions return, 0 for "go on" or the HTTP status to answer the
 * request with.  The names are those of RFC 9110, as in Apache's httpd.h.  If
 * the courier or an operator asks, they mean the same.
 */
#ifndef STATUS_H
#define STATUS_H

enum status {
	HTTP_OK = 200,		 /* done, and the client wants 200 for it */
	HTTP_NO_CONTENT = 204,	 /* done, and nothing to say; 0 means it, too */
	HTTP_FOUND = 302,	 /* the browser goes on elsewhere */
	HTTP_NOT_MODIFIED = 304, /* the client has the document already */
	HTTP_BAD_REQUEST = 400,	 /* the client sent something malformed */
	HTTP_UNAUTHORIZED = 401, /* no valid proof of who sent it */
	HTTP_FORBIDDEN = 403,	 /* HipChat refuses the secret, or we a proof */
	HTTP_NOT_FOUND = 404,	 /* no such URL, record, message or file */
	HTTP_METHOD_NOT_ALLOWED = 405, /* another method is served here */
	HTTP_REQUEST_TIMEOUT = 408,    /* the body did not come in time */
	HTTP_CONFLICT = 409,	    /* changed in the meantime: nothing done */
	HTTP_LENGTH_REQUIRED = 411, /* a body without Content-Length */
	HTTP_CONTENT_TOO_LARGE = 413,	  /* a body beyond the limit */
	HTTP_TOO_MANY_REQUESTS = 429,	  /* HipChat's limit is used up */
	HTTP_INTERNAL_SERVER_ERROR = 500, /* a setting, file or record is bad */
	HTTP_BAD_GATEWAY = 502, /* HipChat did not answer as it should */
	HTTP_SERVICE_UNAVAILABLE = 503, /* full or busy: try again later */

	/*
	 * Our own guard refused the host, and HipChat was never asked.  It
	 * never leaves the program: the client gets a 403.
	 */
	HOST_NOT_ALLOWED = 1403,
};

#endif
