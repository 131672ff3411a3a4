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
	if (status != 0) {
		datadir_close(dir);
		return status;
	}
	dir->device = sb.st_dev;
	dir->inode = sb.st_ino;
	return 0;
}

bool
datadir_is_lost(const struct datadir *dir)
{
	struct stat sb;

	if (stat(dir->path, &sb) == 0 && sb.st_dev == dir->device &&
	    sb.st_ino == dir->inode)
		return false;
	log_line("%s: another data directory than at the start", dir->path);
	return true;
}

void
datadir_close(struct datadir *dir)
{
	if (dir->fd >= 0)
		close(dir->fd);
	dir->fd = -1;
}
