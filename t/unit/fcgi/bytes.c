/*
 * bytes: what grows; and what a request is made of.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi.h"

void
bytes_add(struct bytes *b, const void *p, size_t len)
{
	if (b->len + len + 1 > b->size) {
		b->size = 2 * (b->len + len + 1);
		if ((b->p = realloc(b->p, b->size)) == NULL)
			die("realloc");
	}
	if (len > 0)
		memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void
bytes_print(struct bytes *b, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		die("vasprintf");
	bytes_add(b, text, (size_t)len);
	free(text);
}

void
bytes_free(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){ NULL, 0, 0 };
}

/* ---- a request ---- */

void
fcgi_add(struct fcgi_request *req, const char *name, size_t name_len,
    const char *value, size_t len)
{
	struct bytes text = { NULL, 0, 0 };

	if (req->count == FCGI_VARS_MAX)
		return;
	bytes_add(&text, name, name_len);
	bytes_add(&text, "=", 1);
	bytes_add(&text, value, len);
	req->vars[req->count++] =
	    (struct fcgi_var){ text.p, name_len, text.len };
}

static struct fcgi_var *
find(const struct fcgi_request *req, const char *name)
{
	const size_t len = strlen(name);
	const struct fcgi_var *v = req->vars, *end = v + req->count;

	for (; v < end; v++)
		if (v->name_len == len && memcmp(v->text, name, len) == 0)
			return (struct fcgi_var *)(uintptr_t)v;
	return NULL;
}

void
fcgi_set(struct fcgi_request *req, const char *name, const char *value)
{
	struct fcgi_var *v = find(req, name);

	if (v != NULL) {
		free(v->text);
		*v = req->vars[--req->count];
	}
	if (value != NULL)
		fcgi_add(req, name, strlen(name), value, strlen(value));
}

const char *
fcgi_get(const struct fcgi_request *req, const char *name)
{
	const struct fcgi_var *v = find(req, name);

	return v != NULL ? v->text + v->name_len + 1 : "";
}

void
fcgi_set_body(struct fcgi_request *req, const char *p, size_t len)
{
	char number[24];

	req->body.len = 0;
	bytes_add(&req->body, p, len);
	snprintf(number, sizeof(number), "%zu", len);
	fcgi_set(req, "CONTENT_LENGTH", number);
}

void
fcgi_free(struct fcgi_request *req)
{
	while (req->count > 0)
		free(req->vars[--req->count].text);
	bytes_free(&req->body);
}

/* ---- records ---- */

void
fcgi_record(struct bytes *out, enum fcgi_type type, const void *p, size_t len,
    uint8_t padding)
{
	static const char zeros[UINT8_MAX];
	const uint8_t head[8] = { 1, (uint8_t)type, 0, 1, (uint8_t)(len >> 8),
		(uint8_t)len, padding, 0 };

	bytes_add(out, head, sizeof(head));
	bytes_add(out, p, len);
	bytes_add(out, zeros, padding);
}

/* A stream ends with an empty record. */
static void
add_stream(const struct fcgi_request *req, struct bytes *out,
    enum fcgi_type type, const struct bytes *all)
{
	const size_t most = req->chunk > 0 ? req->chunk : UINT16_MAX;
	size_t at, len;

	for (at = 0; at < all->len; at += len) {
		len = all->len - at < most ? all->len - at : most;
		fcgi_record(out, type, all->p + at, len, req->padding);
	}
	fcgi_record(out, type, "", 0, 0);
}

static void
add_length(struct bytes *out, size_t len, bool long_form)
{
	const uint8_t four[4] = { (uint8_t)(len >> 24 | 0x80),
		(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len };
	const uint8_t one = (uint8_t)len;

	if (long_form || len > 127)
		bytes_add(out, four, sizeof(four));
	else
		bytes_add(out, &one, 1);
}

void
fcgi_encode(const struct fcgi_request *req, struct bytes *out)
{
	const uint8_t begin[8] = { 0, 1, req->keep, 0, 0, 0, 0, 0 };
	struct bytes params = { NULL, 0, 0 };
	size_t i;

	for (i = 0; i < req->count; i++) {
		const struct fcgi_var *v = &req->vars[i];
		const size_t len = v->len - v->name_len - 1;

		add_length(&params, v->name_len, req->long_form);
		add_length(&params, len, req->long_form);
		bytes_add(&params, v->text, v->name_len);
		bytes_add(&params, v->text + v->name_len + 1, len);
	}
	fcgi_record(out, FCGI_BEGIN_REQUEST, begin, sizeof(begin), 0);
	add_stream(req, out, FCGI_PARAMS, &params);
	add_stream(req, out, FCGI_STDIN, &req->body);
	bytes_free(&params);
}
