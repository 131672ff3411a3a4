/*
 * config: the settings, from a file and the environment, read and checked once
 * at start.
 *
 * The file is SYSCONFDIR/hipchat-cgi.conf, or the one that HIPCHAT_CONFIG
 * names.  Its lines are NAME=value, comments (#) and blank ones, and mean the
 * same to a shell's "." and to systemd's EnvironmentFile.  A value of letters,
 * digits and -_.,/:@%+=*[] needs no quotes; any other goes in '...' or "..."
 * and must not contain $, `, \ or that quote.  Blanks may follow it.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>

/* Longest public base URL, terminating NUL included. */
#define CONFIG_URL_MAX 512

/* The file must be smaller than this, in bytes. */
#define CONFIG_FILE_MAX 16384

/* Size of a digest, terminating NUL included. */
#define CONFIG_DIGEST_MAX 17

/* Do not copy it: some members point into file. */
struct config {
	char base_url[CONFIG_URL_MAX];	/* no slash at the end; "": derive it */
	char addon_key[CONFIG_URL_MAX]; /* "": the base URL's host */
	const char *addon_name;
	const char *data_dir;	    /* absolute */
	const char *template_dir;   /* absolute */
	const char *allowed_hosts;  /* a valid list, as in hosts.h, or "" */
	const char *ca_file;	    /* absolute; NULL: the system's */
	bool webhook_jwt;	    /* webhooks must be signed */
	int message_ttl;	    /* seconds that delivery is tried */
	const char *courier;	    /* absolute; NULL: beside the program */
	int courier_idle;	    /* seconds that an idle one lingers */
	int max_requests;	    /* of a FastCGI process; 0: no limit */
	bool debug;		    /* log what can't be confined */
	char file[CONFIG_FILE_MAX]; /* the text of the file, cut up */
};

/*
 * Read the settings.  The environment wins over the file; an absent or empty
 * value takes its default.  The strings stay valid as long as *cfg and the
 * environment do.
 *
 * The file is optional unless HIPCHAT_CONFIG names it.  It must belong to root
 * or to the effective user, and nobody else may write it.
 *
 * Returns 0, or 500 with one log line: FILE:LINE (or FILE, or "environment"),
 * the setting and the reason.
 */
int config_read(struct config *cfg);

/* The path of the file; the string is static or the environment's. */
const char *config_file(void);

/*
 * Fingerprint of the settings that a courier uses, in hexadecimal digits: two
 * programs with the same digest deliver in the same way.
 */
void config_digest(const struct config *cfg, char digest[CONFIG_DIGEST_MAX]);

#endif
