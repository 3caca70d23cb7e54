/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_USER_H
#define SHARED_BASE_USER_H

struct config;

/*
 * Makes the folder `path`, mode 0755, for the user that root is about to
 * become.  Root does it only where nobody else can change what the name means:
 * every folder on the way is root's and writable by root alone, or sticky.
 * A folder that is there already is given to the user if it is root's and
 * empty.  Does nothing if we are not root, are to stay root, or others have a
 * hand in the path: then the user makes it; see user_make_folder.
 */
void user_give_folder(const struct config *config, const char *path);

/*
 * Root becomes config->user, for good.  Without one, root becomes the owner of
 * the database, or of its folder, so that it never writes where another user
 * can plant a link; a database of root's leaves us root.  Does nothing if we
 * are not root.  Exits if there is no such user.
 */
void user_become(const struct config *config);

/*
 * Makes a folder as whoever we are; that it exists is fine.  Returns 0, or -1
 * with errno.
 */
int user_make_folder(const char *path);

/* The folder that holds `path`: "." if it names none.  The caller frees. */
char *user_folder_of(const char *path);

#endif
