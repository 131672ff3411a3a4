/*
 * template: see template.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "log.h"
#include "template.h"
#include "status.h"

/* Read the file into text, which has TEMPLATE_MAX + 1 bytes. */
static int
read_file(const char *path, char *text)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = -1;

	if (fd >= 0) {
		len = io_read(fd, text, TEMPLATE_MAX + 1);
		close(fd);
	}
	if (len < 0)
		return log_errno(path, "reading");
	if (len > TEMPLATE_MAX || memchr(text, '\0', (size_t)len) != NULL) {
		log_line("%s: too large or not text", path);
		return HTTP_INTERNAL_SERVER_ERROR;
	}
	text[len] = '\0';
	return 0;
}

/* The value of the name at text, or NULL. */
static const char *
find_value(const struct template_value *values, const char *text, size_t len)
{
	for (; values->name != NULL; values++)
		if (strlen(values->name) == len &&
		    memcmp(values->name, text, len) == 0)
			return values->value;
	return NULL;
}

/*
 * Write the value of the placeholder that opens at p.  Returns the place after
 * its braces, or NULL with the reason.
 */
static const char *
expand(const char *p, const struct template_value *values, FILE *out,
    const char **why)
{
	const char *value, *name = p + 2 + strspn(p + 2, " \t");
	const size_t len = strcspn(name, " \t\n{}");
	char *quoted;

	p = name + len + strspn(name + len, " \t");
	if (strncmp(p, "}}", 2) != 0) {
		*why = "unterminated placeholder";
		return NULL;
	}
	if ((value = find_value(values, name, len)) == NULL) {
		*why = "unknown name";
		return NULL;
	}
	quoted = json_quote(value);
	fwrite(quoted + 1, 1, strlen(quoted) - 2, out);
	free(quoted);
	return p + 2;
}

/* Render text to out; if it can't, log the line and return 500. */
static int
render(const char *path, const char *text, const struct template_value *values,
    FILE *out)
{
	const char *why = NULL, *p = text, *open;
	int line = 1;

	while ((open = strstr(p, "{{")) != NULL) {
		fwrite(p, 1, (size_t)(open - p), out);
		if ((p = expand(open, values, out, &why)) == NULL)
			break;
	}
	if (why == NULL) {
		fputs(p, out);
		return 0;
	}
	for (p = text; p < open; p++)
		line += *p == '\n';
	log_line("%s:%d: %s: %.*s", path, line, why, (int)strcspn(open, "}\n"),
	    open);
	return HTTP_INTERNAL_SERVER_ERROR;
}

/*
 * Serve only JSON, whatever was edited into the template.  No value adds a
 * line, so line numbers are the same before and after.
 */
static int
check(const char *path, const char *text, size_t len)
{
	struct json_object *doc;
	const char *why;
	int line;

	if ((doc = json_read_at(text, len, &why, &line)) != NULL) {
		json_object_put(doc);
		return 0;
	}
	if (line > 0)
		log_line("%s:%d: not JSON: %s", path, line, why);
	else
		log_line("%s: not JSON: %s", path, why);
	return HTTP_INTERNAL_SERVER_ERROR;
}

/* Render the file anew. */
static int
render_file(const char *path, const struct template_value *values, char **out,
    size_t *len)
{
	/* on the stack, -fstack-clash-protection would touch every page */
	char *text = need(malloc(TEMPLATE_MAX + 1));
	FILE *stream = need(open_memstream(out, len));
	int status = read_file(path, text);

	if (status == 0)
		status = render(path, text, values, stream);
	free(text);
	if (fclose(stream) != 0)
		need(NULL);
	if (status == 0 && *len > TEMPLATE_MAX) {
		log_line("%s: rendered, it is too large", path);
		status = HTTP_INTERNAL_SERVER_ERROR;
	}
	if (status == 0)
		status = check(path, *out, *len);
	if (status != 0) {
		free(*out);
		*out = NULL;
	}
	return status;
}

/* What the result depends on, but for the file's content. */
static char *
join(const char *path, const struct template_value *values)
{
	char *text = NULL;
	size_t len;
	FILE *out = need(open_memstream(&text, &len));

	fprintf(out, "%s\n", path);
	for (; values->name != NULL; values++)
		fprintf(out, "%s\n", values->value);
	if (fclose(out) != 0)
		need(NULL);
	return text;
}

void
template_free(struct template *last)
{
	free(last->values);
	free(last->text);
	memset(last, 0, sizeof(*last));
}

int
template_render(struct template *last, const char *dir, const char *name,
    const struct template_value *values, char **out, size_t *len)
{
	char path[4096], *joined;
	struct stamp stamp;
	int status = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	stamp = stamp_at(path);
	joined = join(path, values);
	if (last->text == NULL || !stamp_is_old(&stamp) ||
	    !stamp_is(&stamp, &last->stamp) ||
	    strcmp(joined, last->values) != 0) {
		template_free(last);
		status = render_file(path, values, &last->text, &last->len);
		last->stamp = stamp;
		last->values = joined;
	} else
		free(joined);
	*out = status == 0 ? need(strdup(last->text)) : NULL;
	*len = last->len;
	return status;
}
