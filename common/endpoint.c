/*
 * endpoint: see endpoint.h.
 */
#include <signal.h>

#include "endpoint.h"
#include "fastcgi.h"
#include "log.h"
#include "sandbox.h"

/* Seconds of CPU that a request may take. */
#define CPU_SECONDS 10

/* How often a FastCGI process looks at the files that it depends on, in ms. */
#define LOOK_MS 1000

/* ---- of the process ---- */

/*
 * A child that can start couriers costs two forks, so a CGI program does not
 * make one for a request that will be refused.
 */
static int
prepare_courier(struct process *p, bool good)
{
	const int status = wake_open(&p->wake, &p->dir);

	config_digest(&p->cfg, p->digest);
	if (status == 0 && p->is_resident)
		wake_starter(&p->wake, p->cfg.courier);
	else if (status == 0 && good)
		wake_prepare(&p->wake, p->cfg.courier, p->digest);
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

/* Read the settings, prepare and confine. */
static int
get_ready(struct process *p, const struct cgi *cgi, bool good)
{
	int status;

	if (p->is_resident)
		resident_adopt(&p->resident, cgi->env);
	status = config_read(&p->cfg);
	if (status == 0)
		status = prepare(p, good);
	if (p->is_resident)
		watch_add(&p->resident.watch, p->cfg.ca_file);
	confine(p, status == 0);
	p->begun = true;
	p->resident.over = status != 0;
	return p->ready = status;
}

/* Is a later request one for this process? */
static int
check_request(struct process *p, const struct cgi *cgi)
{
	const int status = resident_check(&p->resident, cgi->env);

	if (status != 0 || p->ready != 0)
		return status != 0 ? status : p->ready;
	if ((p->endpoint->keeps & KEEP_DATA) == 0 || !datadir_is_lost(&p->dir))
		return 0;
	p->resident.over = true;
	return HTTP_SERVICE_UNAVAILABLE;
}

/* Is this a FastCGI process with a courier, which outlasts the request? */
static bool
keeps_courier(const struct process *p)
{
	return p->is_resident && p->begun && p->ready == 0 &&
	    (p->endpoint->keeps & KEEP_COURIER) != 0;
}

/* ---- of the request ---- */

static int
serve(struct process *p, struct cgi *cgi)
{
	int status;

	sandbox_cpu_limit(&p->cpu, CPU_SECONDS);
	if (keeps_courier(p))
		wake_hold(&p->wake, p->digest);
	status = cgi_body(cgi);
	return status == 0 ? p->endpoint->serve(cgi, p) : status;
}

static int
answer(struct process *p, struct cgi *cgi)
{
	const struct endpoint *endpoint = p->endpoint;
	int ready,
	    status = cgi_head(cgi, endpoint->methods,
		endpoint->body_max > 0 ? endpoint->body_max : CGI_BODY_MAX);

	if (p->begun)
		ready = check_request(p, cgi);
	else
		ready = get_ready(p, cgi, status == 0);
	if (status == 0)
		status = ready;
	if (status == 0)
		status = serve(p, cgi);
	p->resident.requests++;
	return cgi_answer(cgi, status);
}

/* Serve what comes until there is no more. */
static int
serve_all(struct process *p, struct fastcgi *f)
{
	enum fastcgi_event event;
	struct cgi cgi;
	int rc = 0;

	while ((event = fastcgi_next(f, &cgi, LOOK_MS)) != FASTCGI_END) {
		if (event == FASTCGI_REQUEST)
			rc = answer(p, &cgi);
		else if (keeps_courier(p))
			wake_release(&p->wake);
		if (p->is_resident &&
		    resident_is_over(&p->resident, p->cfg.max_requests))
			fastcgi_leave(f);
	}
	return rc;
}

int
endpoint_main(const struct endpoint *endpoint)
{
	struct process process = { .endpoint = endpoint };
	struct fastcgi f;
	int rc;

	log_open(endpoint->name);
	signal(SIGPIPE, SIG_IGN);
	sandbox_cpu_begin(&process.cpu);
	fastcgi_open(&f);
	process.is_resident = f.resident;
	if (f.resident)
		resident_begin(&process.resident);
	rc = serve_all(&process, &f);
	resident_end(&process.resident);
	template_free(&process.template);
	memory_free(&process.memory);
	fastcgi_close(&f);
	return rc;
}
