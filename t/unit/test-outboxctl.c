/*
 * test-outboxctl: what --list prints of records of any age.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemons/outboxctl.h"
#include "scratch.h"
#include "tap.h"

/* Run it on the directory; what it prints is in text. */
static int
list(const char *dir, char *text, size_t size)
{
	const struct config cfg = { .data_dir = dir };
	const int file = memfd_create("stdout", 0);
	const int saved = dup(STDOUT_FILENO);
	ssize_t n;
	int rc;

	if (file < 0 || saved < 0 || dup2(file, STDOUT_FILENO) < 0)
		die("capturing standard output");
	rc = outboxctl_list(&cfg);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	n = pread(file, text, size - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(saved);
	close(file);
	return rc;
}

int
main(void)
{
	struct installation nothing, inst = sample(1, 1);
	char text[1024];
	struct scratch s;

	setenv("TZ", "UTC", 1);
	scratch_open(&s);
	sample_put(&s.st, 0, 1);
	memset(&nothing, 0, sizeof(nothing));
	inst.installed = 1700000000;
	inst.room_id = 0;
	store_put(&s.st, &inst, &nothing);
	is_int(list(s.dir, text, sizeof(text)), 0, "--list");
	ok(strstr(text,
	       "\nf3100c47-9936-40e8-a8aa-000000000000  "
	       "api.hipchat.com          2589171     -\n") != NULL,
	    "a record that is older than its time");
	ok(strstr(text,
	       "\nf3100c47-9936-40e8-a8aa-000000000001  "
	       "api.hipchat.com          group       2023-11-14 22:13:20\n") !=
		NULL,
	    "a group, and since when");
	scratch_close(&s);
	return done();
}
