/*
 * faults: the disk is full, and processes are killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "soak.h"

/* Of the file system that is filled, while it is not, in bytes. */
#define DISK_SIZE 4294967296ULL

/* Give the file system that many bytes; false: it holds more already. */
static bool
resize_disk(unsigned long long bytes)
{
	char *option = text("size=%llu", bytes);
	const bool done =
	    mount("none", soak.data, "tmpfs", MS_REMOUNT, option) == 0;

	if (!done && errno != EINVAL)
		die("resizing the file system");
	free(option);
	return done;
}

/* Make it as small as what is in it, and fill the rest to the last byte. */
void
fill_disk(uint64_t *state)
{
	char *path = text("%s/filler", soak.data), block[4096];
	const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	size_t size = sizeof(block);
	struct statvfs now;

	if (fd < 0)
		die(path);
	do
		if (statvfs(soak.data, &now) != 0)
			die(soak.data);
	while (!resize_disk((now.f_blocks - now.f_bfree) * now.f_frsize));
	memset(block, 'x', sizeof(block));
	while (size > 0)
		if (write(fd, block, size) < 0)
			size = errno == ENOSPC ? size / 2 : 0;
	close(fd);
	atomic_fetch_add(&soak.filled, 1);
	pause_ms(50 + (int)dice(state, 200));
	if (unlink(path) != 0 || !resize_disk(DISK_SIZE))
		die(path);
	free(path);
	pause_ms(50 + (int)dice(state, 200));
}

bool
look_at(int pid, char name[64], int *parent)
{
	char path[64], line[512];
	const char *open_bracket, *close_bracket;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n <= 0)
		return false;
	line[n] = '\0';
	open_bracket = strchr(line, '(');
	close_bracket = strrchr(line, ')');
	if (open_bracket == NULL || close_bracket == NULL ||
	    close_bracket[2] == 'Z')
		return false;
	snprintf(name, 64, "%.*s", (int)(close_bracket - open_bracket - 1),
	    open_bracket + 1);
	*parent = (int)strtol(close_bracket + 3, NULL, 10);
	return true;
}

enum prey {
	COURIER, /* one with the name that is ours alone */
	PROGRAM, /* a child of a child of our Apache */
	SERVER,	 /* a child of our Apache, mod_cgid's daemon included */
};

static bool
is_prey(enum prey prey, int pid)
{
	const char *slash = strrchr(soak.courier, '/');
	char name[64], other[64];
	int parent, grandparent;

	if (!look_at(pid, name, &parent))
		return false;
	if (prey == COURIER)
		return strcmp(name, slash + 1) == 0;
	if (prey == SERVER)
		return parent == soak.apache;
	return look_at(parent, other, &grandparent) &&
	    grandparent == soak.apache;
}

/* Find one of that kind by chance, or 0. */
static int
find_prey(enum prey prey, uint64_t *state)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned int found = 0;
	int pid, chosen = 0;

	if (proc == NULL)
		die("/proc");
	while ((entry = readdir(proc)) != NULL) {
		pid = (int)strtol(entry->d_name, NULL, 10);
		if (pid > 0 && is_prey(prey, pid) && dice(state, ++found) == 0)
			chosen = pid;
	}
	closedir(proc);
	return chosen;
}

void
kill_one(uint64_t *state)
{
	const unsigned int throw = dice(state, 20);
	const enum prey prey = throw == 0 ? SERVER :
	    throw < 6			  ? COURIER :
					    PROGRAM;
	const int pid = find_prey(prey, state);

	if (pid > 0 && kill(pid, SIGKILL) == 0)
		atomic_fetch_add(&soak.killed, 1);
	pause_ms((int)dice(state, 40));
}
