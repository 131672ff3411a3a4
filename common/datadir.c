/*
 * datadir: see datadir.h.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datadir.h"
#include "log.h"
#include "status.h"

static int
check_owner(const char *path, const struct stat *sb)
{
	if (sb->st_uid != geteuid())
		log_line(
		    "%s: the data directory is user %u's, and this "
		    "program runs as user %u",
		    path, (unsigned int)sb->st_uid, (unsigned int)geteuid());
	else if ((sb->st_mode & 022) != 0)
		log_line(
		    "%s: the data directory must be writable by nobody "
		    "else",
		    path);
	else
		return 0;
	return HTTP_INTERNAL_SERVER_ERROR;
}

int
datadir_open(struct datadir *dir, const char *path)
{
	struct stat sb;
	int status;

	umask(077);
	dir->path = path;
	dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0 || fstat(dir->fd, &sb) != 0)
		status = log_errno(path, "data directory");
	else
		status = check_owner(path, &sb);
	if (status != 0)
		datadir_close(dir);
	return status;
}

void
datadir_close(struct datadir *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
}
