/* SPDX-License-Identifier: MIT */
/*
 * How root stops being root.  A folder that another user may write in is full
 * of traps: every name in it can be a link to a file of root's, and can become
 * one between any look and the use.  So root makes the folders that nobody else
 * can make, becomes the other user for good, and only then touches what is in
 * them.
 *
 * Refused: O_NOFOLLOW and fchown at every place.  They stop symbolic links, but
 * not a hard link, nor a file of root's that is moved there; and SQLite opens
 * files of its own.
 */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/base/user.h"

#define LINKS_MAX   16   /* symbolic links followed on the way to a folder */
#define MODE_FOLDER 0755 /* of those that we make */
#define O_FOLDER    (O_PATH | O_DIRECTORY | O_CLOEXEC)

/* Whom root becomes. */
struct user {
	const char *name; /* borrowed from the password file, NULL = none */
	uid_t uid;        /* 0 = stay root */
	gid_t gid;        /* its primary group */
};

static struct user
user_of_passwd(const struct passwd *pw)
{
	return (struct user){ pw->pw_name, pw->pw_uid, pw->pw_gid };
}

static struct user
user_named(const char *name)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL)
		fatalx("there is no user %s", name);
	return user_of_passwd(pw);
}

/* An owner may have no entry: then the group of the file has to do. */
static struct user
user_owning(const struct stat *sb)
{
	const struct passwd *pw = getpwuid(sb->st_uid);

	return pw != NULL ? user_of_passwd(pw)
			  : (struct user){ NULL, sb->st_uid, sb->st_gid };
}

/* The owner of the nearest folder above `path` that is there. */
static int
stat_above(const char *path, struct stat *sb)
{
	char *folder = user_folder_of(path);
	int rc = stat(folder, sb);

	if (rc == -1 && strcmp(folder, "/") != 0 && strcmp(folder, ".") != 0)
		rc = stat_above(folder, sb);
	free(folder);
	return rc;
}

static struct user
find_user(const struct config *config)
{
	char *real = realpath(config->database, NULL);
	struct stat sb;
	bool found;

	if (config->user != NULL) {
		free(real);
		return user_named(config->user);
	}
	found = stat_above(config->database, &sb) == 0 && sb.st_uid != 0;
	if (!found && real != NULL)
		found = (stat_above(real, &sb) == 0 && sb.st_uid != 0) ||
			(stat(real, &sb) == 0 && sb.st_uid != 0);
	free(real);
	return found ? user_owning(&sb) : (struct user){ 0 };
}

/*
 * Whether root alone decides what each name in this folder means.  In a sticky
 * one nobody replaces the files of others.
 */
static bool
is_of_root(int fd)
{
	struct stat sb;

	return fstat(fd, &sb) == 0 && S_ISDIR(sb.st_mode) && sb.st_uid == 0 &&
	       ((sb.st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
		   (sb.st_mode & S_ISVTX) != 0);
}

static int walk(int at, const char *path, int links);

/* Where a link of root's leads, seen from the folder `at`; closes `link`. */
static int
follow(int at, int link, int links)
{
	char target[PATH_MAX];
	struct stat sb;
	ssize_t n = -1;

	if (links > 0 && fstat(link, &sb) == 0 && S_ISLNK(sb.st_mode) &&
	    sb.st_uid == 0)
		n = readlinkat(link, "", target, sizeof(target) - 1);
	close(link);
	if (n <= 0)
		return -1;
	target[n] = '\0';
	return walk(target[0] == '/' ? open("/", O_FOLDER)
				     : openat(at, ".", O_FOLDER),
	    target, links - 1);
}

/* From the folder `at`, which it closes, along `path`. */
static int
walk(int at, const char *path, int links)
{
	char name[NAME_MAX + 1];
	size_t len;
	int next;

	while (at != -1) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0)
			break;
		next = -1;
		if (len < sizeof(name)) {
			memcpy(name, path, len);
			name[len] = '\0';
			next =
			    openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		}
		if (next != -1 && !is_of_root(next))
			next = follow(at, next, links);
		close(at);
		at = next;
		path += len;
	}
	return at;
}

/* Opens a folder if root alone has a hand in its path; else returns -1. */
static int
open_of_root(const char *path)
{
	int fd = open(path[0] == '/' ? "/" : ".", O_FOLDER);

	if (fd != -1 && !is_of_root(fd)) {
		close(fd);
		return -1;
	}
	return walk(fd, path, LINKS_MAX);
}

/* A folder of root's that was meant for the user, and for nothing else yet. */
static bool
is_to_be_given(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct stat sb;
	int names = 0;

	if (dir == NULL) {
		if (fd != -1)
			close(fd);
		return false;
	}
	/* Two are those of each folder. */
	while (names < 3 && readdir(dir) != NULL)
		names++;
	closedir(dir);
	return names < 3 && fstat(folder, &sb) == 0 &&
	       (sb.st_mode & S_ISVTX) == 0;
}

void
user_give_folder(const struct config *config, const char *path)
{
	struct user user = { 0 };
	int parent = -1, fd = -1;
	char *above = NULL;

	if (geteuid() == 0)
		user = find_user(config);
	if (user.uid == 0)
		return;
	above = user_folder_of(path);
	parent = open_of_root(above);
	if (parent != -1 && user_make_folder(path) == 0)
		fd = open_of_root(path);
	if (fd != -1 && is_to_be_given(fd) &&
	    fchownat(fd, "", user.uid, user.gid, AT_EMPTY_PATH) == -1)
		fatal("%s", path);
	if (fd != -1)
		close(fd);
	if (parent != -1)
		close(parent);
	free(above);
}

void
user_become(const struct config *config)
{
	struct user user = { 0 };

	if (geteuid() == 0)
		user = find_user(config);
	if (user.uid == 0)
		return;
	if ((user.name != NULL ? initgroups(user.name, user.gid)
			       : setgroups(1, &user.gid)) == -1 ||
	    setgid(user.gid) == -1 || setuid(user.uid) == -1)
		fatal("becoming user %lu", (unsigned long)user.uid);
}

int
user_make_folder(const char *path)
{
	return mkdir(path, MODE_FOLDER) == -1 && errno != EEXIST ? -1 : 0;
}

char *
user_folder_of(const char *path)
{
	char *copy = xstrndup(path, strlen(path));
	const char *folder = dirname(copy);
	char *out = xstrndup(folder, strlen(folder));

	free(copy);
	return out;
}
