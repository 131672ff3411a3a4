/*
 * watch: have the files changed that a confined program depends on?
 *
 * A confined program keeps the files that it had when it was confined, and
 * nothing that later takes their names.  So when the settings, the
 * certificates, the resolver's files or the program itself are replaced, it has
 * to start anew.  Looking needs no right to open them: stat(2) is enough.
 *
 *	watch_begin(&watch, program);	before the settings are read
 *	config_read(&cfg);
 *	watch_add(&watch, cfg.ca_file);
 *	sandbox_enter(...);
 *	once a second: if (watch_changed(&watch) != NULL) hand over
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "stamp.h"

/* As many are watched, and no more. */
#define WATCH_FILES 12

struct watch {
	size_t n;
	struct watched {
		const char *path; /* the caller's; outlives this */
		struct stamp first;
		struct stamp last;
	} files[WATCH_FILES];
};

/*
 * Begin to watch the settings file, the program at this path, and what the name
 * service and OpenSSL read by default.
 */
void watch_begin(struct watch *w, const char *program);

/* Watch this file, too; NULL: none. */
void watch_add(struct watch *w, const char *path);

/*
 * Look at all files.  Returns the path of one that is not what it was at first
 * and is the same as at the last look (nobody is still writing it), or NULL.  A
 * file that comes or goes has changed, too.
 */
const char *watch_changed(struct watch *w);

#endif
