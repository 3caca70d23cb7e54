/* SPDX-License-Identifier: MIT */
/*
 * A FastCGI program that does nothing: the yardstick for short polling and
 * publishing.
 *
 *	null SOCKET
 *
 * It listens on the unix socket SOCKET and answers every request with 304, or
 * a POST, of which it reads the body, with 201. Whatever a program does beyond
 * that costs more. It is what libfcgi makes easy: one request at a time, so
 * httpd must not keep connections to it.
 */
#include "config.h"

#include <sys/stat.h>

#include <err.h>
#include <fcgiapp.h>
#include <stdio.h>
#include <string.h>

static void
answer(FCGX_Request *request)
{
	const char *method = FCGX_GetParam("REQUEST_METHOD", request->envp);
	char in[4096];

	if (method == NULL || strcmp(method, "POST") != 0) {
		FCGX_PutS("Status: 304 Not Modified\r\nETag: \"null\"\r\n\r\n",
		    request->out);
		return;
	}
	while (FCGX_GetStr(in, sizeof(in), request->in) > 0)
		continue;
	FCGX_PutS("Status: 201 Created\r\nContent-Type: application/json\r\n"
		  "Content-Length: 5\r\n\r\nnull\n",
	    request->out);
}

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
		answer(&request);
	return 0;
}
