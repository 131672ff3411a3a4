/*
 * status: what functions return: 0 for "go on", or the HTTP status that the
 * request is to be answered with.  The names are those of RFC 9110, as in
 * Apache's httpd.h; where the courier or an operator asks, they mean the same.
 */
#ifndef STATUS_H
#define STATUS_H

enum status {
	HTTP_OK = 200,		/* done, and the client wants 200 for it */
	HTTP_NO_CONTENT = 204,	/* done, and nothing to say; also for 0 */
	HTTP_FOUND = 302,	/* the browser goes on elsewhere */
	HTTP_NOT_MODIFIED = 304, /* the client has the document already */
	HTTP_BAD_REQUEST = 400,	/* malformed, by whoever sent it */
	HTTP_UNAUTHORIZED = 401, /* no proof, or a bad one, of who sent it */
	HTTP_FORBIDDEN = 403,	/* HipChat refuses the secret, or we the proof */
	HTTP_NOT_FOUND = 404,	/* no such URL, record, message or file */
	HTTP_METHOD_NOT_ALLOWED = 405, /* another method is served here */
	HTTP_REQUEST_TIMEOUT = 408, /* the body did not come in time */
	HTTP_CONFLICT = 409,	/* not as it was, so it stays as it is */
	HTTP_LENGTH_REQUIRED = 411, /* a body without Content-Length */
	HTTP_CONTENT_TOO_LARGE = 413, /* a body beyond the limit */
	HTTP_INTERNAL_SERVER_ERROR = 500, /* a setting, file or record is bad */
	HTTP_BAD_GATEWAY = 502,	/* HipChat did not answer, or not as it should */
	HTTP_SERVICE_UNAVAILABLE = 503, /* full or busy: worth another try */

	/*
	 * Our own guard refused the host, and HipChat was never asked.  It is
	 * answered as a 403, but says nothing of what HipChat would say.
	 */
	HOST_NOT_ALLOWED = 1403,
};

#endif
