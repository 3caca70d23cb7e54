/* SPDX-License-Identifier: MIT */
/*
 * Which files lie under the names of a database.  Nothing is opened here: who
 * closes a descriptor of a file loses the locks that his process has on it, and
 * SQLite's are among them.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "shared/table/file_ids.h"

static void
read_id(struct file_id *id, const char *path)
{
	*id = (struct file_id){ 0 };
#ifdef HAVE_STATX
	struct statx sx;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &sx) == -1)
		return;
	id->dev = makedev(sx.stx_dev_major, sx.stx_dev_minor);
	id->ino = sx.stx_ino;
	if ((sx.stx_mask & STATX_BTIME) != 0) {
		id->birth_s = sx.stx_btime.tv_sec;
		id->birth_ns = sx.stx_btime.tv_nsec;
	}
#else
	struct stat sb;

	if (stat(path, &sb) == -1)
		return;
	id->dev = sb.st_dev;
	id->ino = sb.st_ino;
#endif
}

void
file_ids_read(struct file_ids *ids, char *const *paths)
{
	for (int i = 0; i < FILE__MAX; i++)
		read_id(&ids->of[i], paths[i]);
}

bool
file_id_equals(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino &&
	       a->birth_s == b->birth_s && a->birth_ns == b->birth_ns;
}

unsigned
file_ids_compare(const struct file_ids *then, const struct file_ids *now)
{
	unsigned changed = 0;

	for (int i = 0; i < FILE__MAX; i++)
		if (then->of[i].ino != 0 &&
		    !file_id_equals(&then->of[i], &now->of[i]))
			changed |= 1u << i;
	return changed;
}

bool
file_ids_are_open(const struct file_ids *ids)
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned found = 0;
	struct stat sb;

	if (folder == NULL)
		return true;
	while ((entry = readdir(folder)) != NULL) {
		if (fstat(atoi(entry->d_name), &sb) == -1)
			continue;
		for (int i = 0; i < FILE__MAX; i++)
			if (ids->of[i].ino == sb.st_ino &&
			    ids->of[i].dev == sb.st_dev)
				found |= 1u << i;
	}
	closedir(folder);
	return found == (1u << FILE__MAX) - 1;
}
