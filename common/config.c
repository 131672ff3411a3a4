/*
 * config: see config.h.  CONFIG_FILE and the defaults DATA_DIR and TEMPLATE_DIR
 * come from the Makefile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/sha2.h>
#include <unistr.h>

#include "config.h"
#include "hosts.h"
#include "io.h"
#include "log.h"
#include "status.h"

/* A setting's value, and where it was found. */
struct value {
	const char *name;  /* NULL: a place in the file, no setting */
	const char *text;  /* NULL: not set */
	const char *path;  /* of the file, or "environment" */
	unsigned int line; /* 0: not in a line */
};

/*
 * Put a non-empty value into its member of struct config.  Returns 0, or 500
 * and logs why.
 */
typedef int take_fn(const struct value *v, void *member);

static const char environment[] = "environment";

static const char *
setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : otherwise;
}

static int __attribute__((format(printf, 2, 3)))
refuse(const struct value *v, const char *fmt, ...)
{
	char why[LOG_MAX], line[16] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (v->line != 0)
		snprintf(line, sizeof(line), ":%u", v->line);
	log_line("%s%s: %s%s%s", v->path, line, v->name != NULL ? v->name : "",
	    v->name != NULL ? ": " : "", why);
	return HTTP_INTERNAL_SERVER_ERROR;
}

static bool
is_utf8(const char *text)
{
	return u8_check((const uint8_t *)text, strlen(text)) == NULL;
}

/* ---- values ---- */

static int
take_base_url(const struct value *v, void *member)
{
	if (strlen(v->text) >= CONFIG_URL_MAX || !hosts_base_url(v->text))
		return refuse(v, "not an http(s) URL without trailing slash");
	strcpy(member, v->text);
	return 0;
}

static int
take_key(const struct value *v, void *member)
{
	if (strlen(v->text) >= CONFIG_URL_MAX)
		return refuse(v, "too long");
	if (!is_utf8(v->text))
		return refuse(v, "not UTF-8");
	strcpy(member, v->text);
	return 0;
}

static int
take_text(const struct value *v, void *member)
{
	*(const char **)member = v->text;
	return is_utf8(v->text) ? 0 : refuse(v, "not UTF-8");
}

static int
take_path(const struct value *v, void *member)
{
	*(const char **)member = v->text;
	return *v->text == '/' ? 0 : refuse(v, "not an absolute path");
}

static int
take_ca_file(const struct value *v, void *member)
{
	struct stat sb;

	*(const char **)member = v->text;
	if (*v->text != '/' || access(v->text, R_OK) != 0 ||
	    stat(v->text, &sb) != 0 || S_ISDIR(sb.st_mode))
		return refuse(v, "not a file to read, by an absolute path");
	return 0;
}

static int
take_hosts(const struct value *v, void *member)
{
	const char *bad;
	size_t len;

	*(const char **)member = v->text;
	if (*v->text == '\0' || (bad = hosts_bad(v->text, &len)) == NULL)
		return 0;
	return refuse(v,
	    "\"%.*s\" is neither host, *.domain nor origin "
	    "(https://host:port, no slash at the end); blanks stand between "
	    "them",
	    len < 256 ? (int)len : 256, bad);
}

static int
take_auth(const struct value *v, void *member)
{
	const bool jwt = strcmp(v->text, "jwt") == 0;

	*(bool *)member = jwt;
	return jwt || strcmp(v->text, "none") == 0 ?
	    0 :
	    refuse(v, "neither \"jwt\" nor \"none\"");
}

/* A number from low to high; -1 for anything else. */
static int
number(const char *text, long low, long high)
{
	const size_t len = strspn(text, "0123456789");
	const long value = strtol(text, NULL, 10);

	if (len == 0 || len > 9 || text[len] != '\0' || value < low ||
	    value > high)
		return -1;
	return (int)value;
}

static int
take_ttl(const struct value *v, void *member)
{
	const int ttl = *(int *)member = number(v->text, 1, 31536000);

	return ttl >= 0 ? 0 :
			  refuse(v, "not a number of seconds from 1 to a year");
}

static int
take_idle(const struct value *v, void *member)
{
	const int idle = *(int *)member = number(v->text, 0, 86400);

	return idle >= 0 ? 0 : refuse(v, "not a number of seconds up to a day");
}

static int
take_requests(const struct value *v, void *member)
{
	const int most = *(int *)member = number(v->text, 0, 999999999);

	return most >= 0 ? 0 : refuse(v, "not a number up to 999999999");
}

static int
take_flag(const struct value *v, void *member)
{
	*(bool *)member = *v->text != '\0';
	return 0;
}

static const struct setting {
	const char *name;
	const char *otherwise; /* NULL: none, and the member stays zero */
	take_fn *take;
	size_t member;
} settings[] = {
#define MEMBER(name) offsetof(struct config, name)
	{ "HIPCHAT_BASE_URL", NULL, take_base_url, MEMBER(base_url) },
	{ "HIPCHAT_ADDON_KEY", NULL, take_key, MEMBER(addon_key) },
	{ "HIPCHAT_ADDON_NAME", "HipChat CGI Sample Integration", take_text,
	    MEMBER(addon_name) },
	{ "HIPCHAT_DATA_DIR", DATA_DIR, take_path, MEMBER(data_dir) },
	{ "HIPCHAT_TEMPLATE_DIR", TEMPLATE_DIR, take_path,
	    MEMBER(template_dir) },
	{ "HIPCHAT_ALLOWED_HOSTS", "", take_hosts, MEMBER(allowed_hosts) },
	{ "HIPCHAT_CA_FILE", NULL, take_ca_file, MEMBER(ca_file) },
	{ "HIPCHAT_WEBHOOK_AUTH", "jwt", take_auth, MEMBER(webhook_jwt) },
	{ "HIPCHAT_MESSAGE_TTL", "3600", take_ttl, MEMBER(message_ttl) },
	{ "HIPCHAT_COURIER", NULL, take_path, MEMBER(courier) },
	{ "HIPCHAT_COURIER_IDLE", "5", take_idle, MEMBER(courier_idle) },
	{ "HIPCHAT_MAX_REQUESTS", "0", take_requests, MEMBER(max_requests) },
	{ "HIPCHAT_DEBUG", NULL, take_flag, MEMBER(debug) },
#undef MEMBER
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* ---- the file ---- */

/* What needs no quotes, neither for a shell nor for systemd. */
static const char plain_chars[] =
    "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,/:@%+=*[]";

/* Take the quotes off a value; only blanks may follow it. */
static bool
unquote(char **value)
{
	const char quote = **value, stop[] = { quote, '$', '`', '\\', '\0' };
	const bool quoted = quote == '"' || quote == '\'';
	char *text = *value + quoted;
	char *end =
	    text + (quoted ? strcspn(text, stop) : strspn(text, plain_chars));
	const char *rest = end + quoted;

	if ((quoted && *end != quote) || rest[strspn(rest, " \t")] != '\0')
		return false;
	*end = '\0';
	*value = text;
	return true;
}

/* Enter a line NAME=value in the values. */
static int
assign(const struct value *here, char *name, struct value *values)
{
	char *text = strchr(name, '=');
	size_t i;

	if (text == NULL)
		return refuse(here, "neither NAME=value nor a comment");
	*text++ = '\0';
	for (i = 0; i < SETTINGS && strcmp(settings[i].name, name) != 0; i++)
		;
	if (i == SETTINGS)
		return refuse(here, "%.64s: no setting has this name", name);
	if (values[i].line != 0)
		return refuse(here, "%s: set in line %u already", name,
		    values[i].line);
	if (!unquote(&text))
		return refuse(here,
		    "%s: but for letters, digits and "
		    "-_.,/:@%%+=*[] a value stands in quotes, which hold no $, "
		    "`, \\ or quote of their kind; nothing follows it",
		    name);
	values[i] = *here;
	values[i].text = text;
	return 0;
}

/* Read a line of the file, without its newline. */
static int
read_line(const struct value *here, char *line, size_t len,
    struct value *values)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') ||
		    line[i] == 0x7f)
			return refuse(here, "a control character, number %d",
			    line[i]);
	if (!is_utf8(line))
		return refuse(here, "not UTF-8");
	line += strspn(line, " \t");
	if (*line == '#') /* systemd would go on to the next line */
		return line[strlen(line) - 1] != '\\' ?
		    0 :
		    refuse(here, "a comment ends with a backslash");
	return *line == '\0' ? 0 : assign(here, line, values);
}

static int
read_lines(struct value *here, char *text, size_t len, struct value *values)
{
	char *end, *const last = text + len;
	int status = 0;

	for (; status == 0 && text < last; text = end + 1) {
		end = memchr(text, '\n', (size_t)(last - text));
		if (end == NULL)
			end = last;
		*end = '\0';
		here->line++;
		status = read_line(here, text, (size_t)(end - text), values);
	}
	return status;
}

/* Whoever can write the file decides what the programs do, and trust. */
static int
check_file(const struct value *here, int fd)
{
	struct stat sb;

	if (fstat(fd, &sb) != 0)
		return refuse(here, "%s", strerror(errno));
	if (!S_ISREG(sb.st_mode))
		return refuse(here, "not a regular file");
	if (sb.st_uid != 0 && sb.st_uid != geteuid())
		return refuse(here,
		    "owned by user %u, neither root nor the "
		    "user that runs this",
		    (unsigned int)sb.st_uid);
	if ((sb.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refuse(here, "others than its owner may write it");
	return 0;
}

/* Fill text, CONFIG_FILE_MAX bytes, and *len. */
static int
fetch(const struct value *here, int fd, char *text, size_t *len)
{
	int status = check_file(here, fd);
	ssize_t n;

	if (status != 0)
		return status;
	if ((n = io_read(fd, text, CONFIG_FILE_MAX)) < 0)
		return refuse(here, "%s", strerror(errno));
	if (n == CONFIG_FILE_MAX)
		return refuse(here, "larger than %d bytes",
		    CONFIG_FILE_MAX - 1);
	*len = (size_t)n;
	return 0;
}

const char *
config_file(void)
{
	return setting("HIPCHAT_CONFIG", CONFIG_FILE);
}

static int
read_file(char *text, struct value *values)
{
	const bool named = setting("HIPCHAT_CONFIG", NULL) != NULL;
	struct value here = { NULL, NULL, config_file(), 0 };
	size_t len = 0;
	int fd, status;

	if (*here.path != '/') {
		here = (struct value){ "HIPCHAT_CONFIG", NULL, environment, 0 };
		return refuse(&here, "not an absolute path");
	}
	/* O_NONBLOCK: never wait for the other end of a FIFO */
	fd = open(here.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT && !named)
		return 0;
	if (fd < 0)
		return refuse(&here, "%s", strerror(errno));
	status = fetch(&here, fd, text, &len);
	close(fd);
	return status != 0 ? status : read_lines(&here, text, len, values);
}

/* ---- all of them ---- */

/* The environment wins over the file. */
static int
apply(struct config *cfg, const struct setting *s, struct value v)
{
	const char *text = setting(s->name, NULL);

	v.name = s->name;
	if (text != NULL) {
		v.path = environment;
		v.line = 0;
	} else if (v.text != NULL && *v.text != '\0')
		text = v.text;
	else if ((text = s->otherwise) == NULL)
		return 0;
	v.text = text;
	return s->take(&v, (char *)cfg + s->member);
}

int
config_read(struct config *cfg)
{
	struct value values[SETTINGS] = { { NULL, NULL, NULL, 0 } };
	size_t i;
	int status;

	memset(cfg, 0, sizeof(*cfg));
	status = read_file(cfg->file, values);
	for (i = 0; status == 0 && i < SETTINGS; i++)
		status = apply(cfg, &settings[i], values[i]);
	return status;
}

void
config_digest(const struct config *cfg, char digest[CONFIG_DIGEST_MAX])
{
	uint8_t bytes[(CONFIG_DIGEST_MAX - 1) / 2];
	struct sha256_ctx ctx;
	char *text = NULL;
	size_t i;

	if (asprintf(&text, "%s\n%s\n%d\n%s\n%d\n%d\n", cfg->allowed_hosts,
		cfg->ca_file != NULL ? cfg->ca_file : "", cfg->message_ttl,
		cfg->courier != NULL ? cfg->courier : "", cfg->courier_idle,
		cfg->debug) < 0)
		need(NULL);
	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	sha256_digest(&ctx, sizeof(bytes), bytes);
	free(text);
	for (i = 0; i < sizeof(bytes); i++)
		snprintf(digest + 2 * i, 3, "%02x", bytes[i]);
}
