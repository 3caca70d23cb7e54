/* SPDX-License-Identifier: MIT */
/*
 * A FastCGI program that does nothing: the yardstick for short polling.
 *
 *	null SOCKET
 *
 * It listens on the unix socket SOCKET and answers every request with 304.
 * Whatever a program does beyond that costs more. It is what libfcgi makes
 * easy: one request at a time, so httpd must not keep connections to it.
 */
#include "config.h"

#include <sys/stat.h>

#include <err.h>
#include <fcgiapp.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
	FCGX_Request request;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: null SOCKET\n");
		return 2;
	}
	fd = FCGX_Init() == 0 ? FCGX_OpenSocket(argv[1], 1024) : -1;
	if (fd == -1 || FCGX_InitRequest(&request, fd, 0) != 0)
		errx(1, "%s: cannot listen", argv[1]);
	chmod(argv[1], 0666); /* httpd's children run as another user */
	while (FCGX_Accept_r(&request) == 0)
		FCGX_PutS("Status: 304 Not Modified\r\nETag: \"null\"\r\n\r\n",
		    request.out);
	return 0;
}
