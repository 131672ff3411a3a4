/* Replies that go wrong on the wire. */
#include "misbehave.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HUGE_SIZE ((size_t)300 * 1024)
#define SLOW_MS 1000
#define SLOW_SIZE 64			/* of a body made up to be slow */
#define BLOCK 16384

/* A body that is made while it is sent. */
struct stream {
	struct hipchatd *h;
	enum fault_kind kind;
	struct buf body;
	size_t ends;			/* bytes until the connection breaks */
};

static void
pad(struct reply *re)
{
	struct json_object *o = json_parse_object(buf_text(&re->body),
						  re->body.len);
	char *padding = xcalloc(HUGE_SIZE + 1, 1);

	memset(padding, 'x', HUGE_SIZE);
	if (!o)
		o = json_object_new_object();
	json_put_str(o, "padding", padding);
	free(padding);
	reply_json(re, re->status == 204 ? 200 : re->status, o);
}

void
misbehave_body(const struct fault *f, struct reply *re)
{
	if (f->kind == FAULT_HUGE)
		pad(re);
	if (f->kind == FAULT_TRUNCATED) {
		if (!re->body.len)
			reply_json(re, 200, json_object_new_object());
		re->body.len /= 2;
		re->body.data[re->body.len] = '\0';
	}
	if (f->kind == FAULT_SLOW && !re->body.len) {
		reply_json(re, 200, json_object_new_object());
		while (re->body.len < SLOW_SIZE)
			buf_puts(&re->body, "\n");
	}
}

static void
stream_free(void *arg)
{
	struct stream *s = arg;

	buf_free(&s->body);
	free(s);
}

static ssize_t
stream_read(void *arg, uint64_t pos, char *out, size_t max)
{
	struct stream *s = arg;
	size_t left;

	if (hipchatd_stopping(s->h))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->kind == FAULT_ENDLESS) {
		memset(out, ' ', max);
		return (ssize_t)max;
	}
	if (pos >= s->ends)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->kind == FAULT_SLOW) {
		if (!hipchatd_sleep(s->h, SLOW_MS))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		max = 1;
	}
	left = s->ends - (size_t)pos;
	if (max > left)
		max = left;
	memcpy(out, s->body.data + pos, max);
	return (ssize_t)max;
}

struct MHD_Response *
misbehave_response(struct hipchatd *h, const struct fault *f,
		   const struct reply *re)
{
	struct stream *s;

	if (!f || (f->kind != FAULT_HALF && f->kind != FAULT_ENDLESS &&
		   f->kind != FAULT_SLOW))
		return MHD_create_response_from_buffer(re->body.len,
			re->body.data, MHD_RESPMEM_MUST_COPY);
	s = xcalloc(1, sizeof(*s));
	s->h = h;
	s->kind = f->kind;
	buf_add(&s->body, buf_text(&re->body), re->body.len);
	s->ends = f->kind == FAULT_HALF ? re->body.len / 2 : re->body.len;
	return MHD_create_response_from_callback(f->kind == FAULT_ENDLESS ?
		MHD_SIZE_UNKNOWN : re->body.len, BLOCK, stream_read, s,
		stream_free);
}

static int
descriptor(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;

	info = MHD_get_connection_info(connection,
				       MHD_CONNECTION_INFO_CONNECTION_FD);
	return info ? info->connect_fd : -1;
}

void
misbehave_reset(struct MHD_Connection *connection)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	/* dissolving the association is what makes Linux send an RST */
	connect(descriptor(connection), &nowhere, sizeof(nowhere));
}

void
misbehave_half_head(const struct hipchatd *h,
		    struct MHD_Connection *connection)
{
	char line[] = "HTTP/1.1 2";

	/* what bypasses TLS would be no part of a reply */
	if (!h->tls)
		send(descriptor(connection), line, strlen(line), MSG_NOSIGNAL);
}
