/*
 * test-template: placeholders, and what a template may get wrong.
 */
#include <time.h>

#include "capture.h"
#include "scratch.h"
#include "tap.h"
#include "template.h"

static const struct template_value values[] = { { "name", "Echo" },
	{ "quoted", "say \"hi\" \\ \n\t\x01 </script>" },
	{ "utf8", "\xc3\xa9\xf0\x9f\x98\x80" }, { "latin1", "\xe9" },
	{ "braces", "{{ name }}" }, { "empty", "" }, { "name2", "Second" },
	{ NULL, NULL } };

static const struct {
	const char *name;
	const char *text;
	const char *rendered;
} good[] = {
	{ "no placeholder", "{\"a\":1}", "{\"a\":1}" },
	{ "one", "{\"a\":\"{{ name }}\"}", "{\"a\":\"Echo\"}" },
	{ "without blanks", "{\"a\":\"{{name}}\"}", "{\"a\":\"Echo\"}" },
	{ "with tabs", "{\"a\":\"{{\t name\t}}\"}", "{\"a\":\"Echo\"}" },
	{ "two in a string", "{\"a\":\"{{ name }}/{{ name2 }}\"}",
	    "{\"a\":\"Echo/Second\"}" },
	{ "two without a gap", "{\"a\":\"{{name}}{{name}}\"}",
	    "{\"a\":\"EchoEcho\"}" },
	{ "as a member's name", "{\"{{ name }}\":1}", "{\"Echo\":1}" },
	{ "an empty value", "{\"a\":\"{{ empty }}\"}", "{\"a\":\"\"}" },
	{ "quotes, controls", "{\"a\":\"{{ quoted }}\"}",
	    "{\"a\":\"say \\\"hi\\\" \\\\ \\n\\t\\u0001 </script>\"}" },
	{ "UTF-8", "{\"a\":\"{{ utf8 }}\"}",
	    "{\"a\":\"\xc3\xa9\xf0\x9f\x98\x80\"}" },
	{ "a value is not rendered again", "{\"a\":\"{{ braces }}\"}",
	    "{\"a\":\"{{ name }}\"}" },
	{ "a brace alone", "{\"a\":\"{ name }\"}", "{\"a\":\"{ name }\"}" },
	{ "objects that end together", "{\"a\":{\"b\":{}}}",
	    "{\"a\":{\"b\":{}}}" },
};

static const struct {
	const char *name;
	const char *text;
	const char *line; /* of the log, behind the path */
} bad[] = {
	{ "an unknown name", "{\n\"a\":\"{{ nobody }}\"}",
	    ":2: unknown name: {{ nobody " },
	{ "the start of a name", "{\"a\":\"{{ nam }}\"}",
	    ":1: unknown name: " },
	{ "another case", "{\"a\":\"{{ Name }}\"}", ":1: unknown name: " },
	{ "no name", "{\"a\":\"{{ }}\"}", ":1: unknown name: " },
	{ "no name, no blank", "{\"a\":\"{{}}\"}", ":1: unknown name: " },
	{ "no end", "{\"a\":\"{{ name", ":1: unterminated placeholder: " },
	{ "one closing brace", "{\"a\":\"{{ name }\"}",
	    ":1: unterminated placeholder: " },
	{ "two names", "{\"a\":\"{{ name name2 }}\"}",
	    ":1: unterminated placeholder: " },
	{ "a line break inside", "{\"a\":\"{{ name\n}}\"}",
	    ":1: unterminated placeholder: " },
	{ "opened twice", "{\"a\":\"{{ {{ name }} }}\"}", ":1: " },
	{ "an opening at the very end", "{}\n{{", ":2: " },
	{ "an object opened twice", "{{\"a\":1}}", ":1: " },
	{ "not JSON", "{\"a\":}", ":1: not JSON: " },
	{ "an array", "[]", ": not JSON: " },
	{ "nothing", "", ": not JSON: empty" },
	{ "a comma too many", "{\"a\":1,}", ":1: not JSON: " },
	{ "a member twice", "{\"a\":1,\"a\":2}",
	    ": not JSON: duplicate member" },
	{ "a placeholder outside a string", "{\"a\":{{ name }}}",
	    ":1: not JSON: " },
	{ "Latin-1", "{\"a\":\"\xe9\"}", ": not JSON: " },
	{ "a Latin-1 value", "{\"a\":\"{{ latin1 }}\"}", ": not JSON: " },
	{ "a byte order mark", "\xef\xbb\xbf{}", ":1: not JSON: " },
};

/* Through all tests, whose files are all young. */
static struct template last;

static void
test_good(const struct scratch *s)
{
	char path[SCRATCH_PATH], *out;
	struct capture log;
	size_t i, len;
	int status;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		image_write(scratch_path(s, "t.json", path), good[i].text,
		    strlen(good[i].text));
		out = NULL;
		len = 0;
		capture_start(&log);
		status = template_render(&last, s->dir, "t.json", values, &out,
		    &len);
		capture_stop(&log);
		is_int(status, 0, "%s", good[i].name);
		is_str(out, good[i].rendered, "... as rendered");
		ok(out != NULL && len == strlen(out), "... and its length");
		is_str(log.text, "", "... and nothing logged");
		free(out);
	}
}

/* Rendering is refused, and the log line starts with path and text. */
static void
refused(const struct scratch *s, const char *text, size_t text_len,
    const char *line, const char *name)
{
	char path[SCRATCH_PATH], start[2 * SCRATCH_PATH], *out = NULL;
	struct capture log;
	size_t len;
	int status;

	scratch_path(s, "t.json", path);
	if (text != NULL)
		image_write(path, text, text_len);
	snprintf(start, sizeof(start), "%s%s", path, line);
	capture_start(&log);
	status = template_render(&last, s->dir, "t.json", values, &out, &len);
	capture_stop(&log);
	ok(status == 500 && out == NULL, "500: %s", name);
	is_line(log.text, start, "... which is logged");
}

static void
test_bad(const struct scratch *s)
{
	char path[SCRATCH_PATH];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(s, bad[i].text, strlen(bad[i].text), bad[i].line,
		    bad[i].name);
	refused(s, "{}\0", 3, ": too large or not text", "a NUL at the end");
	refused(s, "{\"a\":\"\0\"}", 9, ": too large or not text",
	    "a NUL inside");

	unlink(scratch_path(s, "t.json", path));
	refused(s, NULL, 0, ": reading: No such file or directory", "no file");
	if (mkdir(path, 0700) != 0)
		die(path);
	refused(s, NULL, 0, ": reading: Is a directory", "a directory");
	if (rmdir(path) != 0)
		die(path);
}

static void
test_size(const struct scratch *s)
{
	char *text = malloc(TEMPLATE_MAX + 1), *out = NULL;
	const struct template_value large[] = { { "large", text },
		{ NULL, NULL } };
	char path[SCRATCH_PATH];
	struct capture log;
	size_t len;

	if (text == NULL)
		die("malloc");
	memset(text, ' ', TEMPLATE_MAX + 1);
	memcpy(text, "{}", 2);
	image_write(scratch_path(s, "t.json", path), text, TEMPLATE_MAX);
	is_int(template_render(&last, s->dir, "t.json", values, &out, &len), 0,
	    "the largest template");
	is_int((long long)len, TEMPLATE_MAX, "... as large as that");
	free(out);
	out = NULL;
	refused(s, text, TEMPLATE_MAX + 1, ": too large or not text",
	    "one byte more");

	memset(text, 'x', TEMPLATE_MAX);
	text[TEMPLATE_MAX] = '\0';
	image_write(path, "{\"a\":\"{{ large }}\"}", 19);
	capture_start(&log);
	is_int(template_render(&last, s->dir, "t.json", large, &out, &len), 500,
	    "rendered, it is larger than that");
	is_line(capture_stop(&log), path, "... which is logged");
	free(out);
	free(text);
}

/* Write the file, changed n seconds ago. */
static void
write_aged(const char *path, const char *text, int n)
{
	const time_t then = time(NULL) - n;
	const struct timespec times[2] = { { then, 0 }, { then, 0 } };

	image_write(path, text, strlen(text));
	if (utimensat(AT_FDCWD, path, times, 0) != 0)
		die(path);
}

static void
renders(const struct scratch *s, const char *value, const char *expected,
    const char *name)
{
	const struct template_value one[] = { { "name", value },
		{ NULL, NULL } };
	char *out;
	size_t len;

	is_int(template_render(&last, s->dir, "t.json", one, &out, &len), 0,
	    "%s", name);
	is_str(out, expected, "... as rendered");
	free(out);
}

/* A file that has not changed is not read again, and only then. */
static void
test_kept(const struct scratch *s)
{
	char path[SCRATCH_PATH];

	scratch_path(s, "t.json", path);
	write_aged(path, "{\"a\":\"{{ name }}\"}", 60);
	renders(s, "x", "{\"a\":\"x\"}", "an old file");
	write_aged(path, "{\"b\":\"{{ name }}\"}", 60);
	renders(s, "x", "{\"a\":\"x\"}", "by its stamp, it is the same");
	renders(s, "y", "{\"b\":\"y\"}", "with another value");
	write_aged(path, "{\"c\":\"{{ name }}\"}", 61);
	renders(s, "y", "{\"c\":\"y\"}", "with another time");
	write_aged(path, "{\"d\":\"{{ name }}\"}", 0);
	renders(s, "y", "{\"d\":\"y\"}", "a young file");
	write_aged(path, "{\"e\":\"{{ name }}\"}", 0);
	renders(s, "y", "{\"e\":\"y\"}", "changed at once");
	unlink(path);
	refused(s, NULL, 0, ": reading: No such file or directory", "gone");
}

int
main(void)
{
	struct scratch s;

	scratch_open(&s);
	test_good(&s);
	test_bad(&s);
	test_size(&s);
	test_kept(&s);
	template_free(&last);
	scratch_close(&s);
	return done();
}
