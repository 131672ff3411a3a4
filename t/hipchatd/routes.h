/*
 * Which handler answers which request.
 */
#ifndef HIPCHATD_ROUTES_H
#define HIPCHATD_ROUTES_H

#include "hipchatd.h"

struct route {
	const char *method;
	const char *path;	/* segments; {} stands for any one */
	const char *name;	/* as faults call it; NULL: none of HipChat's */
	bool locked;		/* the handler wants the lock held */
	void (*handle)(struct hipchatd *h, struct request *rq,
		       struct reply *re);
};

/*
 * The route of a request, whose arg is set to what each {} stands for, or
 * NULL: *allow is then the Allow header's value for a path known with other
 * methods, else NULL; the caller frees it.
 */
const struct route *route_find(struct request *rq, char **allow);

#endif
