/*
 * endpoint: what all endpoints have in common, the order of events.
 *
 *	head		method and length, from the environment alone
 *	settings	the file and the environment
 *	prepare		the data directory and, for an endpoint that says
 *			something in a room, a courier to wake or to start
 *	confine		give up all files and rights except those it keeps
 *	body		only now, read what a client wrote
 *	serve		what the endpoint is for
 *	answer		exactly one response
 *
 * The same program is a CGI program, which serves one request, and a FastCGI
 * process, which serves many.  What belongs to a process is done for its first
 * request: settings, prepare, confine.
 *
 * So an endpoint is a value, and its main() one line:
 *
 *	int
 *	main(void)
 *	{
 *		return endpoint_main(&(struct endpoint){
 *		    .name = "hello", .methods = CGI_GET, .serve = hello });
 *	}
 *
 * A webhook is even simpler: see webhook_main() in webhook.h.
 *
 * When a FastCGI process ends is in resident.h.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "cgi.h"
#include "config.h"
#include "datadir.h"
#include "memory.h"
#include "outbox.h"
#include "resident.h"
#include "sandbox.h"
#include "template.h"
#include "wake.h"

struct webhook;

/* What an endpoint may still do when it reads what a client wrote. */
enum endpoint_keeps {
	KEEP_TEMPLATES = 1, /* read HIPCHAT_TEMPLATE_DIR */
	KEEP_DATA = 2,	    /* read and write HIPCHAT_DATA_DIR */
	KEEP_COURIER = 4,   /* with KEEP_DATA: wake or start a courier */
	KEEP_NETWORK = 8,   /* call HipChat */
};

/* What belongs to the process. */
struct process {
	const struct endpoint *endpoint;
	struct config cfg;
	struct template template; /* with KEEP_TEMPLATES: the descriptor */
	struct datadir dir;	  /* with KEEP_DATA */
	struct outbox outbox;	  /* with KEEP_DATA */
	struct memory memory;	  /* of records, if it is resident */
	struct wake wake;	  /* with KEEP_COURIER */
	char digest[CONFIG_DIGEST_MAX];
	struct sandbox_cpu cpu;

	bool begun; /* by a first request: it is confined */
	int ready;  /* 0, or with which status that failed */
	bool is_resident;
	struct resident resident; /* if so */
};

struct endpoint {
	const char *name;     /* of the program; in the log */
	unsigned int methods; /* it serves: CGI_GET | ... */
	unsigned int keeps;   /* KEEP_DATA | ... */
	size_t body_max;      /* 0: CGI_BODY_MAX */

	/* Returns 0 (answered as 204) or a status, as in cgi.h. */
	int (*serve)(struct cgi *cgi, struct process *process);

	/* for webhook_main() alone: what serve() calls */
	int (*answer)(struct webhook *hook);
};

/* Serve the request, or the requests.  Returns main()'s exit status. */
int endpoint_main(const struct endpoint *endpoint);

#endif
