/*
 * HipChat's room as a web page: everything in one document, which talks to the
 * control routes.
 */
#ifndef HIPCHATD_PAGE_H
#define HIPCHATD_PAGE_H

#include "hipchatd.h"

void page_show(struct hipchatd *h, struct request *rq, struct reply *re);

#endif
