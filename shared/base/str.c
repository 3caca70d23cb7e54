/* SPDX-License-Identifier: MIT */
/*
 * Growing strings and the few encodings that every transport needs.  The JSON
 * writer is our own because one pass over the bytes, with repair of ill-formed
 * UTF-8, sits on the path of every message; parsing JSON is jansson's work.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/base/str.h"

#define REPLACEMENT "\xef\xbf\xbd"

void *
xmalloc(size_t size)
{
	void *p = malloc(size == 0 ? 1 : size);

	if (p == NULL)
		fatalx("out of memory (%zu bytes)", size);
	return p;
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size == 0 ? 1 : size);

	if (p == NULL)
		fatalx("out of memory (%zu times %zu bytes)", n, size);
	return p;
}

void *
xreallocarray(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n == 0 ? 1 : n, size);
	if (p == NULL)
		fatalx("out of memory (%zu times %zu bytes)", n, size);
	return p;
}

char *
xstrndup(const char *s, size_t len)
{
	char *p = xmalloc(len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *
str_room(struct str *s, size_t more)
{
	if (s->len + more + 1 > s->cap) {
		size_t cap = s->cap < 64 ? 64 : s->cap;

		while (cap < s->len + more + 1)
			cap *= 2;
		s->p = xreallocarray(s->p, cap, 1);
		s->cap = cap;
	}
	return s->p + s->len;
}

void
str_add(struct str *s, const void *bytes, size_t len)
{
	char *to = str_room(s, len);

	if (len > 0)
		memcpy(to, bytes, len);
	s->len += len;
	s->p[s->len] = '\0';
}

void
str_addz(struct str *s, const char *text)
{
	str_add(s, text, strlen(text));
}

void
str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0) {
		vsnprintf(str_room(s, (size_t)n), (size_t)n + 1, fmt, again);
		s->len += (size_t)n;
	}
	va_end(again);
}

void
str_clear(struct str *s)
{
	s->len = 0;
	if (s->p != NULL)
		s->p[0] = '\0';
}

void
str_free(struct str *s)
{
	free(s->p);
	*s = (struct str){ 0 };
}

static bool
is_tail(const unsigned char *b, size_t len, size_t at)
{
	return at < len && (b[at] & 0xc0) == 0x80;
}

size_t
utf8_sequence(const unsigned char *b, size_t len)
{
	if (b[0] < 0x80)
		return 1;
	if (b[0] < 0xc2 || b[0] > 0xf4 || !is_tail(b, len, 1))
		return 0;
	if (b[0] < 0xe0)
		return 2;
	if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
	    (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f))
		return 0;
	if (!is_tail(b, len, 2))
		return 0;
	if (b[0] < 0xf0)
		return 3;
	return is_tail(b, len, 3) ? 4 : 0;
}

bool
utf8_valid(const char *bytes, size_t len)
{
	const unsigned char *b = (const unsigned char *)bytes;

	while (len > 0) {
		size_t n = utf8_sequence(b, len);

		if (n == 0)
			return false;
		b += n;
		len -= n;
	}
	return true;
}

/* Whether fewer than four bytes may be the start of a character. */
static bool
may_begin(const unsigned char *b, size_t len)
{
	/* The least and the greatest continuation; others lie between. */
	static const char *const tails[] = { "\x80\x80\x80", "\x90\x80\x80",
		"\xa0\x80\x80" };
	unsigned char whole[4];

	for (size_t i = 0; i < 3; i++) {
		memcpy(whole, b, len);
		memcpy(whole + len, tails[i], 4 - len);
		if (utf8_sequence(whole, 4) > len)
			return true;
	}
	return false;
}

bool
utf8_scan(const char *bytes, size_t len, size_t *checked)
{
	const unsigned char *b = (const unsigned char *)bytes;

	while (*checked < len) {
		size_t n = utf8_sequence(b + *checked, len - *checked);

		if (n == 0)
			return len - *checked < 4 &&
			       may_begin(b + *checked, len - *checked);
		*checked += n;
	}
	return true;
}

bool
name_valid(const char *name, size_t len)
{
	if (len < 1 || len > 255 || !utf8_valid(name, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c < 0x20 || c == 0x7f)
			return false;
		if (c == 0xc2 && (unsigned char)name[i + 1] < 0xa0)
			return false;
	}
	return true;
}

uint64_t
name_hash(const char *name, size_t len, bool is_prefix)
{
	uint64_t h = name_hash_begin(is_prefix);

	for (size_t i = 0; i < len; i++)
		h = name_hash_add(h, name[i]);
	return name_hash_end(h);
}

/* Writes a byte that JSON or a script element may not hold as it is. */
static void
add_json_escape(struct str *s, unsigned char c)
{
	static const char letters
	    [32] = { [8] = 'b', [9] = 't', [10] = 'n', [12] = 'f', [13] = 'r' };

	if (c == '"' || c == '\\')
		str_addf(s, "\\%c", c);
	else if (c < 32 && letters[c] != 0)
		str_addf(s, "\\%c", letters[c]);
	else
		str_addf(s, "\\u%04x", c);
}

static bool
is_json_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' &&
	       c != '>' && c != '&';
}

void
str_add_json(struct str *s, const char *bytes, size_t len)
{
	const unsigned char *b = (const unsigned char *)bytes;
	size_t i = 0;

	str_room(s, len + 2);
	str_add(s, "\"", 1);
	while (i < len) {
		size_t run = i, n;

		while (run < len && is_json_plain(b[run]))
			run++;
		str_add(s, b + i, run - i);
		i = run;
		if (i == len)
			break;
		n = utf8_sequence(b + i, len - i);
		if (n == 0)
			str_addz(s, REPLACEMENT);
		else if (n == 1)
			add_json_escape(s, b[i]);
		else if (n == 3 && memcmp(b + i, "\xe2\x80", 2) == 0 &&
			 (b[i + 2] & 0xfe) == 0xa8)
			str_addf(s, "\\u202%c", b[i + 2] & 1 ? '9' : '8');
		else
			str_add(s, b + i, n);
		i += n == 0 ? 1 : n;
	}
	str_add(s, "\"", 1);
}

void
str_add_utf8(struct str *s, const char *bytes, size_t len)
{
	const unsigned char *b = (const unsigned char *)bytes;

	if (utf8_valid(bytes, len)) {
		str_add(s, bytes, len);
		return;
	}
	while (len > 0) {
		size_t n = utf8_sequence(b, len);

		if (n == 0) {
			str_addz(s, REPLACEMENT);
			n = 1;
		} else {
			str_add(s, b, n);
		}
		b += n;
		len -= n;
	}
}

void
str_add_base64(struct str *s, const void *bytes, size_t len)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *b = bytes;
	char *to = str_room(s, (len + 2) / 3 * 4);

	for (size_t i = 0; i < len; i += 3) {
		unsigned long v = (unsigned long)b[i] << 16;

		v |= i + 1 < len ? (unsigned long)b[i + 1] << 8 : 0;
		v |= i + 2 < len ? b[i + 2] : 0;
		*to++ = set[v >> 18];
		*to++ = set[v >> 12 & 63];
		*to++ = i + 1 < len ? set[v >> 6 & 63] : '=';
		*to++ = i + 2 < len ? set[v & 63] : '=';
	}
	*to = '\0';
	s->len = (size_t)(to - s->p);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
str_add_urldecoded(struct str *out, const char *bytes, size_t len)
{
	str_room(out, len);
	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int hi = i + 2 < len ? hex_digit(bytes[i + 1]) : -1;
			int lo = i + 2 < len ? hex_digit(bytes[i + 2]) : -1;

			if (hi < 0 || lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		out->p[out->len++] = c;
	}
	out->p[out->len] = '\0';
	return true;
}

bool
secret_equal(const char *given, const char *expected)
{
	size_t len = strlen(given), want = strlen(expected);
	unsigned char diff = len != want;

	for (size_t i = 0; i < len; i++)
		diff |= (unsigned char)(given[i] ^
					(want == 0 ? 1 : expected[i % want]));
	return diff == 0;
}
