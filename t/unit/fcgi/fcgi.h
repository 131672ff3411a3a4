/*
 * fcgi: a web server for tests that starts a program as a FastCGI process, or
 * as a CGI program, and says to it whatever the test wants to be said.  A
 * request is records of the protocol in one run of bytes, so it can be cut off
 * anywhere.  The protocol is written down here once more, without libfcgi.
 *
 *	fcgi_listen(&place);
 *	pid = fcgi_start(path, env, place.fd, log);
 *	fcgi_set(&req, "REQUEST_METHOD", "GET");
 *	fcgi_encode(&req, &bytes);
 *	fcgi_exchange(&place, &bytes, &answer);
 *
 * What can't fail in a test ends it: die().
 */
#ifndef FCGI_H
#define FCGI_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "../tap.h"

#define FCGI_VARS_MAX 1200

enum fcgi_type {
	FCGI_BEGIN_REQUEST = 1,
	FCGI_ABORT_REQUEST,
	FCGI_END_REQUEST,
	FCGI_PARAMS,
	FCGI_STDIN,
	FCGI_STDOUT,
	FCGI_STDERR,
	FCGI_DATA,
	FCGI_GET_VALUES,
	FCGI_GET_VALUES_RESULT,
};

/* A text or anything else that grows; all zero: empty. */
struct bytes {
	char *p; /* NUL-terminated; NULL if empty */
	size_t len;
	size_t size;
};

void bytes_add(struct bytes *b, const void *p, size_t len);
void bytes_print(struct bytes *b, const char *fmt, ...) TAP_FORMAT(2, 3);
void bytes_free(struct bytes *b);

/* ---- a request ---- */

struct fcgi_var {
	char *text; /* NAME=VALUE, NUL-terminated */
	size_t name_len;
	size_t len; /* of the text, NULs in it included */
};

/* All zero: without variables and body.  Set the rest for odd ones. */
struct fcgi_request {
	struct fcgi_var vars[FCGI_VARS_MAX];
	size_t count;
	struct bytes body;
	size_t chunk;	 /* of a record, in bytes at most; 0: no limit */
	uint8_t padding; /* behind each */
	bool keep;	 /* the connection is for more than one request */
	bool long_form;	 /* all lengths of variables take four bytes */
};

/* Add a variable, even if there is one of this name. */
void fcgi_add(struct fcgi_request *req, const char *name, size_t name_len,
    const char *value, size_t len);

/* Set it to the value, or remove it: NULL. */
void fcgi_set(struct fcgi_request *req, const char *name, const char *value);
const char *fcgi_get(const struct fcgi_request *req, const char *name);

/* Set the body and its length. */
void fcgi_set_body(struct fcgi_request *req, const char *p, size_t len);

/* Empty it. */
void fcgi_free(struct fcgi_request *req);

/* Append the records. */
void fcgi_encode(const struct fcgi_request *req, struct bytes *out);

/* Append one record of at most 65535 bytes. */
void fcgi_record(struct bytes *out, enum fcgi_type type, const void *p,
    size_t len, uint8_t padding);

/* ---- processes ---- */

/* Where one or more processes listen. */
struct fcgi_place {
	int fd;
	struct sockaddr_un at;
	socklen_t len;
};

void fcgi_listen(struct fcgi_place *place);

/*
 * Start the program with these descriptors as standard input and error, and
 * nothing else but what it inherits.
 */
pid_t fcgi_start(const char *path, char *const env[], int in, int out, int err);

/* Wait for its end: the status as of waitpid(2); -1 if it does not come. */
int fcgi_wait(pid_t pid);

/* Is it still there? */
bool fcgi_runs(pid_t pid);

/* ---- answers ---- */

struct fcgi_answer {
	struct bytes out; /* the response */
	struct bytes err;
	bool complete;	 /* there was an end */
	uint32_t status; /* that the program gave in it */
};

/* A connection, or -1 if nobody listens. */
int fcgi_dial(const struct fcgi_place *place);

/* False if the other side does not want it all. */
bool fcgi_send(int fd, const void *p, size_t len);

/* Read a record, its padding, too; false if none comes. */
bool fcgi_read(int fd, enum fcgi_type *type, struct bytes *content);

/* Read to the end of an answer or of the stream; returns answer->complete. */
bool fcgi_receive(int fd, struct fcgi_answer *answer);

/* All of it; false if no complete answer comes. */
bool fcgi_exchange(const struct fcgi_place *place, const struct bytes *request,
    struct fcgi_answer *answer);

void fcgi_answer_free(struct fcgi_answer *answer);

/* The status of a response; 0 if it has none. */
int fcgi_status(const struct bytes *response);

/* Run the program as CGI: its exit status; fills out and err. */
int fcgi_run_cgi(const char *path, char *const env[],
    const struct fcgi_request *req, struct bytes *out, struct bytes *err);

#endif
