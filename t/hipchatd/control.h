/*
 * The control routes, with which tests and the web page play HipChat's users
 * and administrators.  control.c documents them.
 */
#ifndef HIPCHATD_CONTROL_H
#define HIPCHATD_CONTROL_H

#include "hipchatd.h"

/* With the lock held: */
void control_rooms(struct hipchatd *h, struct request *rq, struct reply *re);
void control_add_room(struct hipchatd *h, struct request *rq,
		      struct reply *re);
void control_room(struct hipchatd *h, struct request *rq, struct reply *re);
void control_installations(struct hipchatd *h, struct request *rq,
			   struct reply *re);
void control_revoke(struct hipchatd *h, struct request *rq, struct reply *re);
void control_revoke_tokens(struct hipchatd *h, struct request *rq,
			   struct reply *re);
void control_log(struct hipchatd *h, struct request *rq, struct reply *re);
void control_clear_log(struct hipchatd *h, struct request *rq,
		       struct reply *re);
void control_faults(struct hipchatd *h, struct request *rq, struct reply *re);
void control_add_fault(struct hipchatd *h, struct request *rq,
		       struct reply *re);
void control_clear_faults(struct hipchatd *h, struct request *rq,
			  struct reply *re);
void control_release(struct hipchatd *h, struct request *rq,
		     struct reply *re);
void control_settings(struct hipchatd *h, struct request *rq,
		      struct reply *re);
void control_set(struct hipchatd *h, struct request *rq, struct reply *re);

/* Without it, because they call add-ons: */
void control_say(struct hipchatd *h, struct request *rq, struct reply *re);
void control_event(struct hipchatd *h, struct request *rq, struct reply *re);

#endif
