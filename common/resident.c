/*
 * resident: see resident.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "log.h"
#include "resident.h"
#include "status.h"
#include "uptime.h"

/* More settings than there are. */
#define SETTINGS_MAX 64

void
resident_begin(struct resident *r)
{
	memset(r, 0, sizeof(*r));
	r->program = realpath("/proc/self/exe", NULL);
	watch_begin(&r->watch, r->program);
}

void
resident_end(struct resident *r)
{
	free(r->program);
	free(r->settings);
}

static bool
is_setting(const char *variable)
{
	return strncmp(variable, "HIPCHAT_", strlen("HIPCHAT_")) == 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The settings among the variables, in one order, one a line. */
static char *
settings_of(char *const *env)
{
	const char *settings[SETTINGS_MAX] = { NULL };
	char *text = NULL;
	size_t i, n = 0, len;
	FILE *out = need(open_memstream(&text, &len));

	for (; *env != NULL && n < SETTINGS_MAX; env++)
		if (is_setting(*env))
			settings[n++] = *env;
	qsort(settings, n, sizeof(settings[0]), compare);
	for (i = 0; i < n; i++)
		fprintf(out, "%s\n", settings[i]);
	if (fclose(out) != 0)
		need(NULL);
	return text;
}

void
resident_adopt(struct resident *r, char *const *env)
{
	r->settings = settings_of(env);
	for (; *env != NULL; env++)
		if (is_setting(*env) && putenv(need(strdup(*env))) != 0)
			need(NULL);
	watch_add(&r->watch, config_file());
}

int
resident_check(struct resident *r, char *const *env)
{
	char *settings = settings_of(env);
	const bool same = strcmp(settings, r->settings) == 0;

	free(settings);
	if (same)
		return 0;
	log_line(
	    "500: this request comes with other settings than the first one of "
	    "this process, which ends");
	r->over = true;
	return HTTP_INTERNAL_SERVER_ERROR;
}

bool
resident_is_over(struct resident *r, int max_requests)
{
	const int64_t now = uptime_s();
	const char *changed;

	if (!r->over && r->looked != now &&
	    (changed = watch_changed(&r->watch)) != NULL) {
		log_line("%s has changed: this process ends", changed);
		r->over = true;
	}
	r->looked = now;
	return r->over || (max_requests > 0 && r->requests >= max_requests);
}
