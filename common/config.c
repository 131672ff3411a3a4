/*
 * config: see config.h.  DATA_DIR and TEMPLATE_DIR, the compiled-in defaults,
 * come from the Makefile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unistr.h>

#include "config.h"
#include "hosts.h"
#include "log.h"

static const char *
setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : otherwise;
}

static int
refuse(const char *name, const char *why)
{
	log_line("%s: %s", name, why);
	return 500;
}

static bool
is_utf8(const char *text)
{
	return u8_check((const uint8_t *)text, strlen(text)) == NULL;
}

static int
read_identity(struct config *cfg)
{
	const char *url = setting("HIPCHAT_BASE_URL", "");
	const char *key = setting("HIPCHAT_ADDON_KEY", "");

	if (*url != '\0' && (strlen(url) >= sizeof(cfg->base_url) ||
	    !hosts_base_url(url)))
		return refuse("HIPCHAT_BASE_URL",
		    "not an http(s) URL without trailing slash");
	if (strlen(key) >= sizeof(cfg->addon_key))
		return refuse("HIPCHAT_ADDON_KEY", "too long");
	if (!is_utf8(key))
		return refuse("HIPCHAT_ADDON_KEY", "not UTF-8");
	strcpy(cfg->base_url, url);
	strcpy(cfg->addon_key, key);
	cfg->addon_name = setting("HIPCHAT_ADDON_NAME",
	    "HipChat CGI Sample Integration");
	if (!is_utf8(cfg->addon_name))
		return refuse("HIPCHAT_ADDON_NAME", "not UTF-8");
	return 0;
}

static int
read_paths(struct config *cfg)
{
	struct stat sb;

	cfg->data_dir = setting("HIPCHAT_DATA_DIR", DATA_DIR);
	cfg->template_dir = setting("HIPCHAT_TEMPLATE_DIR", TEMPLATE_DIR);
	cfg->ca_file = setting("HIPCHAT_CA_FILE", NULL);
	if (*cfg->data_dir != '/')
		return refuse("HIPCHAT_DATA_DIR", "not an absolute path");
	if (*cfg->template_dir != '/')
		return refuse("HIPCHAT_TEMPLATE_DIR", "not an absolute path");
	if (cfg->ca_file != NULL && (*cfg->ca_file != '/' ||
	    access(cfg->ca_file, R_OK) != 0 || stat(cfg->ca_file, &sb) != 0 ||
	    S_ISDIR(sb.st_mode)))
		return refuse("HIPCHAT_CA_FILE", "not a file to read, by an "
		    "absolute path");
	return 0;
}

static int
read_trust(struct config *cfg)
{
	const char *auth = setting("HIPCHAT_WEBHOOK_AUTH", "jwt");

	cfg->allowed_hosts = setting("HIPCHAT_ALLOWED_HOSTS",
	    "*.hipchat.com");
	if (!hosts_valid(cfg->allowed_hosts))
		return refuse("HIPCHAT_ALLOWED_HOSTS",
		    "an entry is neither host, "
		    "*.domain nor origin (https://host:port, no slash at the "
		    "end); blanks stand between them");
	cfg->webhook_jwt = strcmp(auth, "jwt") == 0;
	if (!cfg->webhook_jwt && strcmp(auth, "none") != 0)
		return refuse("HIPCHAT_WEBHOOK_AUTH",
		    "neither \"jwt\" nor \"none\"");
	return 0;
}

/* A number of seconds from low to high; -1 for anything else. */
static int
seconds(const char *text, long low, long high)
{
	const size_t len = strspn(text, "0123456789");
	const long value = strtol(text, NULL, 10);

	if (len == 0 || len > 9 || text[len] != '\0' || value < low ||
	    value > high)
		return -1;
	return (int)value;
}

static int
read_courier(struct config *cfg)
{
	cfg->courier = setting("HIPCHAT_COURIER", NULL);
	cfg->message_ttl = seconds(setting("HIPCHAT_MESSAGE_TTL", "3600"),
	    1, 31536000);
	cfg->courier_idle = seconds(setting("HIPCHAT_COURIER_IDLE", "5"),
	    0, 86400);
	if (cfg->courier != NULL && *cfg->courier != '/')
		return refuse("HIPCHAT_COURIER", "not an absolute path");
	if (cfg->message_ttl < 0)
		return refuse("HIPCHAT_MESSAGE_TTL",
		    "not a number of seconds from 1 to a year");
	if (cfg->courier_idle < 0)
		return refuse("HIPCHAT_COURIER_IDLE",
		    "not a number of seconds up to a day");
	return 0;
}

int
config_read(struct config *cfg)
{
	int status = read_identity(cfg);

	if (status == 0)
		status = read_paths(cfg);
	if (status == 0)
		status = read_trust(cfg);
	if (status == 0)
		status = read_courier(cfg);
	return status;
}
