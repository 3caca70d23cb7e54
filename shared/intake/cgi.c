/* SPDX-License-Identifier: MIT */
/* The one request of a CGI program (RFC 3875). */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/str.h"
#include "shared/intake/cgi.h"
#include "shared/intake/incoming.h"
#include "shared/intake/req.h"

#define READ_SIZE 16384

struct req *
cgi_read_head(void)
{
	extern char **environ;
	struct req *req = xcalloc(1, sizeof(*req));

	for (char **e = environ; *e != NULL; e++) {
		char *eq = strchr(*e, '=');
		char *name;

		if (eq == NULL)
			continue;
		name = xstrndup(*e, (size_t)(eq - *e));
		vars_add(&req->vars, name, eq + 1);
		free(name);
	}
	vars_done(&req->vars);
	return req;
}

/* Waits until something can be read; false = too little came meanwhile. */
static bool
wait_for_input(int64_t *until_ms, uint64_t *got, int64_t look_ms)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };

	for (;;) {
		int64_t left_ms = *until_ms - clock_mono_ms();

		if (left_ms > 0 && poll(&pfd, 1, (int)left_ms) == 1)
			return true;
		if (left_ms > 0)
			continue;
		if (incoming_is_slow(*got, look_ms))
			return false;
		*until_ms += look_ms;
		*got = 0;
	}
}

/*
 * Blocking: there is nobody else to wait.  A body that nobody wants is read all
 * the same, because httpd reads our answer only behind it.
 */
bool
cgi_read_body(struct req *req, bool keep, int64_t look_ms)
{
	unsigned long long left =
	    strtoull(req_var(req, "CONTENT_LENGTH"), NULL, 10);
	int64_t until_ms = clock_mono_ms() + look_ms;
	char buf[READ_SIZE];
	uint64_t got = 0;
	ssize_t n;

	while (left > 0) {
		if (!wait_for_input(&until_ms, &got, look_ms))
			return false;
		n = read(STDIN_FILENO, buf,
		    left < sizeof(buf) ? (size_t)left : sizeof(buf));
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		/* The head announced so much, and was admitted. */
		if (keep)
			str_add(&req->body, buf, (size_t)n);
		got += (uint64_t)n;
		left -= (unsigned long long)n;
	}
	return true;
}

void
cgi_own_output(void)
{
	struct stat sb;

	if (fstat(STDOUT_FILENO, &sb) == 0 &&
	    (S_ISFIFO(sb.st_mode) || S_ISSOCK(sb.st_mode)))
		fcntl(STDOUT_FILENO, F_SETFL,
		    fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
}
