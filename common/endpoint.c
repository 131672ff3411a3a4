/*
 * endpoint: see endpoint.h.
 */
#include <signal.h>
#include <string.h>

#include "endpoint.h"
#include "log.h"
#include "sandbox.h"

/* Seconds of CPU that a request may take. */
#define CPU_SECONDS 10

/*
 * A child that can start couriers costs two forks, so do not make one for a
 * request that will be refused.
 */
static int
prepare_courier(struct process *p, bool good)
{
	char digest[CONFIG_DIGEST_MAX];
	const int status = wake_open(&p->wake, &p->dir);

	config_digest(&p->cfg, digest);
	if (status == 0 && good)
		wake_prepare(&p->wake, p->cfg.courier, digest);
	return status;
}

/* Do what has to be done outside the sandbox. */
static int
prepare(struct process *p, bool good)
{
	const unsigned int keeps = p->endpoint->keeps;
	int status = 0;

	if ((keeps & KEEP_DATA) != 0)
		status = datadir_open(&p->dir, p->cfg.data_dir);
	if (status == 0 && (keeps & KEEP_DATA) != 0)
		outbox_init(&p->outbox, &p->dir);
	if (status == 0 && (keeps & KEEP_COURIER) != 0)
		status = prepare_courier(p, good);
	return status;
}

/* Give up what the endpoint does not keep; everything, if it is not ready. */
static void
confine(const struct process *p, bool ready)
{
	const unsigned int keeps = ready ? p->endpoint->keeps : 0;
	struct sandbox keep = { .network = (keeps & KEEP_NETWORK) != 0,
		.debug = p->cfg.debug };

	if ((keeps & KEEP_TEMPLATES) != 0)
		keep.readable = p->cfg.template_dir;
	if ((keeps & KEEP_DATA) != 0)
		keep.writable = p->cfg.data_dir;
	if (keep.network)
		keep.ca_file = p->cfg.ca_file;
	sandbox_enter(&keep);
}

/* Read the settings, prepare and confine: once per process. */
static int
get_ready(struct process *p, bool good)
{
	int status = config_read(&p->cfg);

	if (status == 0)
		status = prepare(p, good);
	confine(p, status == 0);
	return status;
}

static int
serve(struct process *p, struct cgi *cgi)
{
	int status;

	sandbox_cpu_limit(CPU_SECONDS);
	status = cgi_body(cgi);
	return status == 0 ? p->endpoint->serve(cgi, p) : status;
}

int
endpoint_main(const struct endpoint *endpoint)
{
	struct process process = { .endpoint = endpoint };
	struct cgi cgi;
	int status, ready;

	log_open(endpoint->name);
	signal(SIGPIPE, SIG_IGN);
	status = cgi_head(&cgi, endpoint->methods,
	    endpoint->body_max > 0 ? endpoint->body_max : CGI_BODY_MAX);
	ready = get_ready(&process, status == 0);
	if (status == 0)
		status = ready;
	if (status == 0)
		status = serve(&process, &cgi);
	return cgi_answer(&cgi, status);
}
