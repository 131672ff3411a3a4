/*
 * OAuth 2 tokens: HipChat's token endpoint, sessions, and the check that each
 * API request goes through first.
 */
#ifndef HIPCHATD_OAUTH_H
#define HIPCHATD_OAUTH_H

#include "hipchatd.h"

/*
 * The installation whose token a request bears, if the token is good, has one
 * of the scopes (0: any will do) and the add-on is within its rate limit.
 * NULL: the reply has been made.  Under the lock.
 */
struct installation *oauth_session(struct hipchatd *h,
				   const struct request *rq, struct reply *re,
				   unsigned scopes);

/* POST /v2/oauth/token; GET and DELETE /v2/oauth/token/{}. Under the lock. */
void oauth_issue(struct hipchatd *h, struct request *rq, struct reply *re);
void oauth_show(struct hipchatd *h, struct request *rq, struct reply *re);
void oauth_delete(struct hipchatd *h, struct request *rq, struct reply *re);

#endif
