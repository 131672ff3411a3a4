/*
 * HTTP: a thread for each connection, requests read and routed, replies sent
 * with the headers that HipChat put on all of them, faults played.
 */
#ifndef HIPCHATD_SERVER_H
#define HIPCHATD_SERVER_H

#include "hipchatd.h"

struct MHD_Daemon;

/*
 * Serve the listening socket fd, which is taken over.  cert and key are PEM
 * text for https, or NULL.  NULL on failure.
 */
struct MHD_Daemon *server_start(struct hipchatd *h, int fd, const char *cert,
				const char *key);

/* End all connections and wait for their threads. */
void server_stop(struct hipchatd *h, struct MHD_Daemon *d);

#endif
