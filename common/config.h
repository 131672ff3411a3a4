/*
 * config: the settings, from the environment (SetEnv in httpd.conf), read
 * and checked once at start.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>

/* Longest public base URL, terminating NUL included. */
#define CONFIG_URL_MAX 512

struct config {
	char base_url[CONFIG_URL_MAX];	/* no slash at the end; "": derive it */
	char addon_key[CONFIG_URL_MAX];	/* "": the base URL's host */
	const char *addon_name;
	const char *data_dir;		/* absolute */
	const char *template_dir;	/* absolute */
	const char *allowed_hosts;	/* a list as in hosts.h, valid */
	const char *ca_file;		/* absolute; NULL: the system's */
	bool webhook_jwt;		/* webhooks must be signed */
	int message_ttl;		/* seconds that delivery is tried */
	const char *courier;		/* absolute; NULL: beside the program */
	int courier_idle;		/* seconds that an idle one lingers */
};

/*
 * Read the settings.  An absent or empty one takes its default.  The strings
 * belong to the environment and stay valid.
 * Returns 0, or 500 with the setting named in the log.
 */
int config_read(struct config *cfg);

#endif
