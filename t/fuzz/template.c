/*
 * template: the first line is a value, the rest the template that it goes in.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "json.h"
#include "template.h"

/* A file with that text; its name below /proc/self/fd goes to name. */
static int
make_file(const char *text, size_t len, char name[12])
{
	const int fd = memfd_create("template", MFD_CLOEXEC);

	fuzz_check(fd >= 0 && write(fd, text, len) == (ssize_t)len, "memfd");
	snprintf(name, 12, "%d", fd);
	return fd;
}

static void
check_result(char *out, size_t len)
{
	struct json_object *doc;
	const char *why;

	fuzz_check(strlen(out) == len, "template_render: the length");
	doc = json_read(out, len, &why);
	fuzz_check(doc != NULL, "template_render: JSON");
	json_object_put(doc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text;
	const struct template_value values[] = { { "value", fuzz_line(&rest) },
		{ "name", "a \"name\"" }, { NULL, NULL } };
	const size_t len = size - (size_t)(rest - text);
	struct template last = { .text = NULL };
	char name[12], *out = NULL;
	const int fd = make_file(rest, len, name);
	int status;
	size_t out_len;

	status = template_render(&last, "/proc/self/fd", name, values, &out,
	    &out_len);
	fuzz_check(status == 0 || status == 500, "template_render: status");
	fuzz_check((status == 0) == (out != NULL), "template_render: *out");
	if (out != NULL)
		check_result(out, out_len);
	free(out);
	template_free(&last);
	close(fd);
	free(text);
	return 0;
}
