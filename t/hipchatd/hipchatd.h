/*
 * The server as a whole: what all of its parts share.
 */
#ifndef HIPCHATD_HIPCHATD_H
#define HIPCHATD_HIPCHATD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "log.h"
#include "state.h"

/* What can be changed while the server runs (POST /control/settings). */
struct settings {
	int64_t token_ttl;	/* seconds; a token's expires_in */
	int64_t rate_limit;	/* requests per window; 0: not enforced */
	int64_t rate_window;	/* seconds */
	int64_t flood_limit;	/* messages per window and room; 0: as above */
	int64_t flood_window;	/* seconds */
	bool signed_request;	/* JWT in the webhook's query as well */
};

/* Are all of the numbers in range? */
bool settings_valid(const struct settings *s);

struct hipchatd {
	/* fixed before the first request */
	char *base;		/* what it calls itself, no trailing slash */
	char *ca_file;		/* for its own calls; NULL: the system's */
	bool tls;

	/*
	 * Everything below is under the lock, which is never held during a
	 * call to an add-on: add-ons call back before they answer.
	 */
	pthread_mutex_t lock;
	pthread_cond_t wake;	/* stopping or releases has changed */
	bool stopping;
	struct settings set;
	struct state state;
	struct log log;
	struct fault *faults;
	int64_t releases;	/* of requests that faults hold up */
};

void hipchatd_lock(struct hipchatd *h);
void hipchatd_unlock(struct hipchatd *h);

/* Sleep, without the lock; false as soon as the server is stopping. */
bool hipchatd_sleep(struct hipchatd *h, int64_t ms);
bool hipchatd_stopping(struct hipchatd *h);

/* Wait, without the lock, until there are more releases than that. */
void hipchatd_hold(struct hipchatd *h, int64_t releases);

#endif
