/*
 * message: a file of the outbox, whatever is in it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <unistr.h>

#include "fuzz.h"
#include "outbox.h"

/* A file with that text; its name below /proc/self/fd goes to name. */
static int
make_file(const uint8_t *data, size_t size, char name[12])
{
	const int fd = memfd_create("message", MFD_CLOEXEC);

	fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t)size, "memfd");
	snprintf(name, 12, "%d", fd);
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outbox box = { .dirfd = open("/proc/self", O_PATH) };
	struct outbox_message msg;
	char name[12];
	const int fd = make_file(data, size, name);
	const int status = outbox_load(&box, "fd", name, &msg);

	fuzz_check(box.dirfd >= 0 && (status == 0 || status == 500),
	    "outbox_load: status");
	if (status == 0) {
		fuzz_check(msg.room_id > 0 && *msg.oauth_id != '\0',
		    "outbox_load: where it goes");
		fuzz_check(strlen(msg.key) < sizeof(msg.key) &&
			strlen(msg.reason) < sizeof(msg.reason) &&
			u8_check((uint8_t *)msg.reason, strlen(msg.reason)) ==
			    NULL,
		    "outbox_load: key and reason");
	}
	outbox_release(&msg);
	outbox_close(&box);
	close(fd);
	return 0;
}
