/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_LOG_H
#define SHARED_BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * Names the program in every line and sets the least urgent level that is
 * written.  `program` is borrowed for the life of the process.
 */
void log_init(const char *program, enum log_level level);

/* Changes the level alone. */
void log_set_level(enum log_level level);

/*
 * Where lines go: `sink` gets one finished line without its newline.  NULL
 * stands for standard error.
 */
void log_set_sink(void (*sink)(const char *line));

/*
 * Write one line.  log_warn adds the text of errno.  Arguments that came from
 * outside need no preparation: the whole text passes log_escape.  errno is
 * preserved by all of them.
 */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As log_warn and log_warnx, then exit with status 1.  Before serving only. */
void fatal(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));
void fatalx(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/*
 * Makes `len` bytes of anything safe for one line of a log: control bytes,
 * backslashes and bytes from 0x7f up become \xNN.  Writes at most `size`
 * bytes to `out`, NUL included; with `out` NULL it only measures.  Returns the
 * length of the whole result without its NUL, as snprintf does.
 */
size_t log_escape(char *out, size_t size, const char *bytes, size_t len);

#endif
