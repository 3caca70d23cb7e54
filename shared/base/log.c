/* SPDX-License-Identifier: MIT */
/*
 * One façade for what the programs have to say.  Under Apache and systemd
 * standard error is collected already, so that is the sink; syslog was left
 * out because it would hide a line that an administrator looks for there.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/log.h"

#define LINE_MAX_LEN 2048

static const char *program_name = "tidings";
static enum log_level max_level = LOG_LEVEL_INFO;
static void (*line_sink)(const char *line);

size_t
log_escape(char *out, size_t size, const char *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	if (out != NULL && size > 0)
		out[0] = '\0';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '\\';
		size_t n = plain ? 1 : 4;

		if (out != NULL && at + n < size) {
			if (plain) {
				out[at] = (char)c;
			} else {
				out[at] = '\\';
				out[at + 1] = 'x';
				out[at + 2] = hex[c >> 4];
				out[at + 3] = hex[c & 15];
			}
			out[at + n] = '\0';
		} else {
			out = NULL;
		}
		at += n;
	}
	return at;
}

static void
write_line(const char *word, int err, const char *fmt, va_list ap)
{
	char text[LINE_MAX_LEN], safe[LINE_MAX_LEN], line[LINE_MAX_LEN * 2];
	int saved = errno;

	vsnprintf(text, sizeof(text), fmt, ap);
	log_escape(safe, sizeof(safe), text, strlen(text));
	snprintf(line, sizeof(line), "%s[%ld]: %s%s%s%s", program_name,
	    (long)getpid(), word, safe, err == 0 ? "" : ": ",
	    err == 0 ? "" : strerror(err));
	if (line_sink != NULL)
		line_sink(line);
	else
		dprintf(STDERR_FILENO, "%s\n", line);
	errno = saved;
}

void
log_init(const char *program, enum log_level level)
{
	program_name = program;
	max_level = level;
}

void
log_set_level(enum log_level level)
{
	max_level = level;
}

void
log_set_sink(void (*sink)(const char *line))
{
	line_sink = sink;
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line("warning: ", errno, fmt, ap);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line("warning: ", 0, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	if (max_level < LOG_LEVEL_INFO)
		return;
	va_start(ap, fmt);
	write_line("", 0, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	if (max_level < LOG_LEVEL_DEBUG)
		return;
	va_start(ap, fmt);
	write_line("debug: ", 0, fmt, ap);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line("error: ", errno, fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line("error: ", 0, fmt, ap);
	va_end(ap);
	exit(1);
}
