/* SPDX-License-Identifier: MIT */
/*
 * Files of ours that lie beside the database, such as the doorbell.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "shared/base/str.h"
#include "shared/table/beside.h"

/* The same users as may write to the database, and no others. */
static mode_t
mode_beside(mode_t db_mode)
{
	return 0600 | ((db_mode & 0020) != 0 ? 0060 : 0) |
	       ((db_mode & 0002) != 0 ? 0006 : 0);
}

int
beside_open(const char *db_path, const char *suffix)
{
	struct str path = { 0 };
	struct stat db, file;
	int fd;

	str_addf(&path, "%s%s", db_path, suffix);
	fd = open(path.p,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	str_free(&path);
	if (fd == -1 || stat(db_path, &db) == -1 || fstat(fd, &file) == -1)
		return fd;
	if (!S_ISREG(file.st_mode)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	if (file.st_uid == geteuid() &&
	    (file.st_mode & 0777) != mode_beside(db.st_mode))
		fchmod(fd, mode_beside(db.st_mode));
	return fd;
}
