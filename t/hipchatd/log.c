/*
 * Entries are kept as JSON text: a load test makes very many of them, and
 * text is the smallest form that needs no work at reading.
 */
#include "log.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define BODY_SHOWN ((size_t)64 * 1024)
#define LOG_BYTES ((size_t)256 * 1024 * 1024)

static void
put_text(struct json_object *o, const char *key, const char *text)
{
	char *clean = utf8_clean(text ? text : "", BODY_SHOWN);

	json_put_str(o, key, clean);
	free(clean);
}

static void
drop_oldest(struct log *l)
{
	size_t n = 0;

	while (l->bytes > LOG_BYTES / 2 && n + 1 < l->count) {
		l->bytes -= strlen(l->entries[n].text);
		free(l->entries[n++].text);
	}
	l->count -= n;
	memmove(l->entries, l->entries + n, l->count * sizeof(*l->entries));
}

static struct entry *
find(struct log *l, int64_t n)
{
	int64_t first = l->last - (int64_t)l->count + 1;

	return n < first || n > l->last ? NULL : &l->entries[n - first];
}

static void
set_text(struct log *l, struct entry *e, struct json_object *o)
{
	if (e->text)
		l->bytes -= strlen(e->text);
	free(e->text);
	e->text = xstrdup(json_compact(o));
	l->bytes += strlen(e->text);
	json_object_put(o);
}

static struct json_object *
basics(const struct exchange *x)
{
	struct json_object *o = json_object_new_object();
	char date[DATE_SIZE];

	format_date(x->started, date);
	json_put_int(o, "n", x->n);
	json_put_str(o, "time", date);
	json_put_str(o, "direction", x->direction);
	json_put_str(o, "method", x->method);
	put_text(o, "url", x->url);
	return o;
}

void
log_begin(struct log *l, struct exchange *x)
{
	struct json_object *o;

	if (l->bytes > LOG_BYTES)
		drop_oldest(l);
	if (l->count == l->size) {
		l->size = l->size ? l->size * 2 : 64;
		l->entries = xrealloc(l->entries, l->size,
				      sizeof(*l->entries));
	}
	memset(&l->entries[l->count++], 0, sizeof(*l->entries));
	x->n = ++l->last;
	x->started = now_us();
	o = basics(x);
	json_put(o, "status", NULL);
	set_text(l, &l->entries[l->count - 1], o);
}

void
log_end(struct log *l, struct exchange *x)
{
	struct entry *e = find(l, x->n);
	struct json_object *o;

	if (!e) {		/* the log was cleared in the meantime */
		json_object_put(x->request_headers);
		json_object_put(x->response_headers);
		return;
	}
	o = basics(x);
	json_put_int(o, "ms", (now_us() - x->started) / 1000);
	json_put_int(o, "status", x->status);
	if (x->error)
		json_put_str(o, "error", x->error);
	if (!strcmp(x->direction, "in")) {
		json_put_str(o, "fault", x->fault);
		json_put_bool(o, "effect", x->effect);
	}
	json_put(o, "request_headers", x->request_headers);
	put_text(o, "request_body", x->request_body);
	json_put(o, "response_headers", x->response_headers);
	put_text(o, "response_body", x->response_body);
	set_text(l, e, o);
}

char *
log_text(const struct log *l, int64_t since)
{
	int64_t first = l->last - (int64_t)l->count + 1;
	struct buf b = { 0 };

	buf_puts(&b, "[");
	for (size_t i = 0; i < l->count; i++) {
		if (first + (int64_t)i <= since)
			continue;
		buf_puts(&b, b.len > 1 ? ",\n" : "\n");
		buf_puts(&b, l->entries[i].text);
	}
	buf_puts(&b, "\n]\n");
	return b.data;
}

void
log_clear(struct log *l)
{
	int64_t last = l->last;

	log_free(l);
	l->last = last;
}

void
log_free(struct log *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->entries[i].text);
	free(l->entries);
	memset(l, 0, sizeof(*l));
}

struct json_object *
log_headers(const char *lines)
{
	struct json_object *o = json_object_new_object();

	while (*lines) {
		size_t len = strcspn(lines, "\r\n");
		size_t name = strcspn(lines, ":\r\n");
		char *key = xstrndup(lines, name), *value;

		for (char *p = key; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		if (name < len) {	/* no request or status line */
			const char *v = lines + name + 1;
			size_t blanks = strspn(v, " \t");

			value = xstrndup(v + blanks, len - name - 1 - blanks);
			put_text(o, key, value);
			free(value);
		}
		free(key);
		lines += len;
		lines += strspn(lines, "\r\n");
	}
	return o;
}
