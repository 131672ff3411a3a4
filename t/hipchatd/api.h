/*
 * The routes of HipChat's REST API v2 (those of OAuth tokens are in oauth.h).
 * Each comes with the lock held, save those marked.
 */
#ifndef HIPCHATD_API_H
#define HIPCHATD_API_H

#include "hipchatd.h"

void api_capabilities(struct hipchatd *h, struct request *rq,
		      struct reply *re);
void api_rooms(struct hipchatd *h, struct request *rq, struct reply *re);
void api_room(struct hipchatd *h, struct request *rq, struct reply *re);
void api_history(struct hipchatd *h, struct request *rq, struct reply *re);
void api_topic(struct hipchatd *h, struct request *rq, struct reply *re);
void api_say(struct hipchatd *h, struct request *rq, struct reply *re);

/* Takes the lock by itself. */
void api_notify(struct hipchatd *h, struct request *rq, struct reply *re);

/* The document behind an installable_url: there only once. */
void api_installable(struct hipchatd *h, struct request *rq,
		     struct reply *re);

#endif
