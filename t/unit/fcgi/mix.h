/*
 * mix: requests of all kinds for a program: good ones, bad ones, and hostile
 * ones, the same for the same seed.
 */
#ifndef MIX_H
#define MIX_H

#include "../soak/soak.h"
#include "fcgi.h"

#define MIX_TENANTS 16
#define MIX_SEEDS 128

struct mix_tenant {
	char id[64];
	char secret[64];
	char *document; /* what HipChat posts */
	int64_t room;
};

struct mix {
	uint64_t dice;
	const char *program;
	const char *hipchat; /* its base URL */
	struct mix_tenant tenants[MIX_TENANTS];
	unsigned int tenant_count;
	struct bytes seeds[MIX_SEEDS]; /* the fuzzers' */
	unsigned int seed_count;
	char etag[64]; /* of a descriptor that was served; "" */
	int serial;
};

/* Whoever is installed: a file of lines, each what HipChat posted. */
void mix_open(struct mix *m, const char *tenants);
void mix_close(struct mix *m);

/*
 * The next request.  *fault is what the stand-in has to be told before each
 * time that it is made, a JSON text for free(), or NULL.
 */
void mix_next(struct mix *m, struct fcgi_request *req, char **fault);

/* What removes a tenant, with its fault, and what installs it again. */
void mix_remove(struct mix *m, unsigned int tenant, struct fcgi_request *req,
    char **fault);
void mix_install(struct mix *m, unsigned int tenant, struct fcgi_request *req);

#endif
