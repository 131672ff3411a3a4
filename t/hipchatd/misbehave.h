/*
 * Replies that go wrong on the wire, for the faults that ask for it.
 */
#ifndef HIPCHATD_MISBEHAVE_H
#define HIPCHATD_MISBEHAVE_H

#include "hipchatd.h"

struct MHD_Connection;
struct MHD_Response;

/* Change the reply's body as the fault wants it: cut, padded. */
void misbehave_body(const struct fault *f, struct reply *re);

/*
 * The reply's body as libmicrohttpd is to send it: at once or, f may be NULL,
 * as the fault wants it sent.  NULL: no memory.
 */
struct MHD_Response *misbehave_response(struct hipchatd *h,
					const struct fault *f,
					const struct reply *re);

/* Send a TCP reset. */
void misbehave_reset(struct MHD_Connection *connection);

/*
 * Half of a status line, for a reply that has no body to be halved.  (Half of
 * the headers won't do: curl makes a whole reply of that.)
 */
void misbehave_half_head(const struct hipchatd *h,
			 struct MHD_Connection *connection);

#endif
