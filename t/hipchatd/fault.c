/* Failures on demand: the queue, and the replies of the simple kinds. */
#include "fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS_MAX 3600000
#define SECONDS_MAX 10000000000000000L

static const struct {
	const char *name;
	bool passes;
} kinds[] = {
	[FAULT_REFUSE] = { "refuse", false },
	[FAULT_RESET_BEFORE] = { "reset_before", false },
	[FAULT_RESET_AFTER] = { "reset_after", true },
	[FAULT_DELAY] = { "delay", true },
	[FAULT_STATUS] = { "status", false },
	[FAULT_HALF] = { "half", true },
	[FAULT_REDIRECT] = { "redirect", false },
	[FAULT_HTML] = { "html", false },
	[FAULT_TRUNCATED] = { "truncated", true },
	[FAULT_ENDLESS] = { "endless", false },
	[FAULT_SLOW] = { "slow", true },
	[FAULT_HUGE] = { "huge", true },
	[FAULT_BODY] = { "body", false },
};

#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool
kind_named(const char *name, enum fault_kind *kind)
{
	for (size_t i = 0; i < NKINDS; i++) {
		if (!strcmp(kinds[i].name, name)) {
			*kind = (enum fault_kind)i;
			return true;
		}
	}
	return false;
}

static char *
copy_member(struct json_object *o, const char *key)
{
	const char *s = json_get_str(o, key);

	return s ? xstrdup(s) : NULL;
}

static const char *
complaint(const struct fault *f)
{
	static const char *const headers[] = {
		"X-Ratelimit-Reset", "X-FloodControl-Reset", "Retry-After"
	};
	bool known = !f->header;

	for (size_t i = 0; !known && i < 3; i++)
		known = !strcmp(f->header, headers[i]);
	if (!f->route)
		return "route is missing";
	if (f->count < -1 || f->count == 0)
		return "count must be positive, or -1";
	if (f->ms < 0 || f->ms > MS_MAX)
		return "ms must be 0 to 3600000";
	if (f->seconds < -SECONDS_MAX || f->seconds > SECONDS_MAX)
		return "seconds must be within 10^16 of 0";
	if (f->status < 200 || f->status > 599)
		return "status must be 200 to 599";
	if (!known)
		return "header must be X-Ratelimit-Reset, "
			"X-FloodControl-Reset or Retry-After";
	if (f->kind == FAULT_REDIRECT && !f->location)
		return "location is missing";
	if (f->kind == FAULT_BODY && !f->body)
		return "body is missing";
	return NULL;
}

const char *
fault_add(struct fault **queue, struct json_object *o)
{
	const char *name = json_get_str(o, "fault"), *wrong;
	enum fault_kind kind;
	struct fault *f;

	if (!name || !kind_named(name, &kind))
		return "fault is missing or unknown";
	f = xcalloc(1, sizeof(*f));
	f->kind = kind;
	f->route = copy_member(o, "route");
	f->room = json_get_int(o, "room", 0);
	f->text = copy_member(o, "text");
	f->count = json_get_int(o, "count", 1);
	f->ms = json_get_int(o, "ms", 0);
	f->hold = json_get_bool(o, "hold", false);
	f->status = json_get_int(o, "status", kind == FAULT_STATUS ? 503 :
				 200);
	f->header = copy_member(o, "header");
	f->seconds = json_get_int(o, "seconds", 1);
	f->absolute = json_get_bool(o, "absolute", !f->header ||
				    strcmp(f->header, "Retry-After"));
	f->location = copy_member(o, "location");
	f->body = copy_member(o, "body");
	f->type = copy_member(o, "type");
	wrong = complaint(f);
	if (wrong) {
		fault_free(f);
		return wrong;
	}
	while (*queue)
		queue = &(*queue)->next;
	*queue = f;
	return NULL;
}

static char *
copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static bool
is_meant(const struct fault *f, const char *route, int64_t room,
	 const char *body)
{
	if (strcmp(f->route, route) || (f->room && f->room != room))
		return false;
	return f->text ? body && strstr(body, f->text) : !body;
}

struct fault *
fault_take(struct fault **queue, const char *route, int64_t room,
	   const char *body)
{
	struct fault *f, *one;

	for (f = *queue; f; queue = &f->next, f = f->next)
		if (is_meant(f, route, room, body))
			break;
	if (!f)
		return NULL;
	if (f->count == 1) {
		*queue = f->next;
		f->next = NULL;
		return f;
	}
	if (f->count > 0)
		f->count--;
	one = xcalloc(1, sizeof(*one));
	*one = *f;
	one->next = NULL;
	one->route = copy(f->route);
	one->text = copy(f->text);
	one->header = copy(f->header);
	one->location = copy(f->location);
	one->body = copy(f->body);
	one->type = copy(f->type);
	return one;
}

void
fault_free(struct fault *f)
{
	if (!f)
		return;
	free(f->route);
	free(f->text);
	free(f->header);
	free(f->location);
	free(f->body);
	free(f->type);
	free(f);
}

void
fault_clear(struct fault **queue)
{
	while (*queue) {
		struct fault *f = *queue;

		*queue = f->next;
		fault_free(f);
	}
}

const char *
fault_name(const struct fault *f)
{
	return kinds[f->kind].name;
}

struct json_object *
fault_list(const struct fault *queue)
{
	struct json_object *list = json_object_new_array();

	for (; queue; queue = queue->next) {
		struct json_object *o = json_object_new_object();

		json_put_str(o, "route", queue->route);
		json_put_str(o, "fault", fault_name(queue));
		json_put_int(o, "count", queue->count);
		if (queue->room)
			json_put_int(o, "room", queue->room);
		json_object_array_add(list, o);
	}
	return list;
}

bool
fault_lets_pass(const struct fault *f)
{
	return kinds[f->kind].passes;
}

/* Ask for a pause in the header and the form that the fault names. */
static void
ask_to_wait(const struct fault *f, struct reply *re)
{
	int64_t value = f->seconds;
	time_t when = (time_t)(now_us() / 1000000 + f->seconds);
	char text[64];
	struct tm tm;

	if (f->absolute)
		value = when;
	if (!strcmp(f->header, "X-Ratelimit-Reset")) {
		re->rate = (struct quota){ true, RATE_LIMIT, 0, value };
		return;
	}
	if (!strcmp(f->header, "X-FloodControl-Reset")) {
		re->flood = (struct quota){ true, FLOOD_LIMIT, 0, value };
		return;
	}
	snprintf(text, sizeof(text), "%lld", (long long)value);
	if (f->absolute && gmtime_r(&when, &tm))
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	reply_header(re, "Retry-After", text);
}

void
fault_reply(const struct fault *f, struct reply *re)
{
	int status = (int)f->status;

	switch (f->kind) {
	case FAULT_STATUS:
		if (status == 401)
			reply_error(re, 401, "Invalid OAuth session");
		else if (status == 404)
			reply_error(re, 404, "Room not found");
		else
			reply_error(re, status, "%s", status_text(status));
		if (status == 429 && f->header)
			ask_to_wait(f, re);
		break;
	case FAULT_REDIRECT:
		reply_empty(re, 302);
		reply_header(re, "Location", f->location);
		break;
	case FAULT_HTML:
		re->status = 200;
		re->type = "text/html; charset=utf-8";
		buf_puts(&re->body, "<!DOCTYPE html>\n<title>Sign in</title>\n"
			 "<p>Please sign in to the guest network.</p>\n");
		break;
	case FAULT_BODY:
		re->status = status;
		re->type = f->type ? "" : "application/json";
		if (f->type)
			reply_header(re, "Content-Type", f->type);
		buf_puts(&re->body, f->body);
		break;
	default:
		re->status = 200;
		re->type = "application/json";
		break;
	}
}
