/*
 * watch: see watch.h.
 */
#include "config.h"
#include "watch.h"

/*
 * What the name service reads, by these names, and the sandbox pins; and the
 * certificates that libcurl trusts on Debian and Alpine, and on Fedora: it
 * reads them once a day.
 */
static const char *const always[] = {
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/host.conf",
	"/etc/nsswitch.conf",
	"/etc/gai.conf",
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
};

void
watch_add(struct watch *w, const char *path)
{
	struct watched *file = &w->files[w->n];

	if (path == NULL || w->n == WATCH_FILES)
		return;
	file->path = path;
	file->first = file->last = stamp_at(path);
	w->n++;
}

void
watch_begin(struct watch *w, const char *program)
{
	size_t i;

	w->n = 0;
	watch_add(w, config_file());
	watch_add(w, program);
	for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		watch_add(w, always[i]);
}

const char *
watch_changed(struct watch *w)
{
	const char *changed = NULL;
	struct stamp now;
	size_t i;

	for (i = 0; i < w->n; i++) {
		struct watched *file = &w->files[i];

		now = stamp_at(file->path);
		if (stamp_is(&now, &file->last) &&
		    !stamp_is(&now, &file->first))
			changed = file->path;
		file->last = now;
	}
	return changed;
}
