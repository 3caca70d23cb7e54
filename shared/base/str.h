/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_STR_H
#define SHARED_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing string of bytes.  `= {0}` is an empty one. */
struct str {
	char *p;    /* the bytes and a NUL behind them, or NULL while empty */
	size_t len; /* bytes, the NUL not counted */
	size_t cap; /* bytes allocated */
};

/* Append.  Memory exhausted: the process ends with a line in its log. */
void str_add(struct str *s, const void *bytes, size_t len);
void str_addz(struct str *s, const char *text);
void str_addf(struct str *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Makes room for `more` bytes behind the end and returns where they go. */
char *str_room(struct str *s, size_t more);

/* Forgets the contents, keeps the memory. */
void str_clear(struct str *s);

/* Frees the contents; the string is an empty one again. */
void str_free(struct str *s);

/* As malloc, realloc and strdup; memory exhausted ends the process. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrndup(const char *s, size_t len);

/* Whether `len` bytes are well-formed UTF-8 (RFC 3629, section 4). */
bool utf8_valid(const char *bytes, size_t len);

/*
 * Checks text that comes in parts: goes on at *checked and moves it behind the
 * last whole character.  Returns false as soon as no continuation could make
 * the text well-formed.
 */
bool utf8_scan(const char *bytes, size_t len, size_t *checked);

/*
 * Length in bytes of the well-formed sequence at the start of `bytes`, 1 to
 * 4, or 0 if what stands there is not well-formed.  `len` is at least 1.
 */
size_t utf8_sequence(const unsigned char *bytes, size_t len);

/*
 * Whether `name` may be a channel or event name: 1 to 255 bytes of UTF-8
 * without control characters (C0, DEL, C1).  sql/schema.sql checks the same.
 */
bool name_valid(const char *name, size_t len);

/*
 * Hash of a channel's name, or of a prefix: the same text hashes differently as
 * either.  Never 0.
 */
uint64_t name_hash(const char *name, size_t len, bool is_prefix);

/*
 * The same in steps, for all prefixes of one name in one pass: name_hash_end
 * tells the hash of what was added so far.
 */
static inline uint64_t
name_hash_begin(bool is_prefix)
{
	return UINT64_C(0xcbf29ce484222325) ^ (is_prefix ? 0x5a : 0);
}

static inline uint64_t
name_hash_add(uint64_t h, char c)
{
	return (h ^ (unsigned char)c) * UINT64_C(0x100000001b3);
}

static inline uint64_t
name_hash_end(uint64_t h)
{
	/* FNV-1a, folded: tables take the low bits. */
	h ^= h >> 32;
	return h == 0 ? 1 : h;
}

/*
 * Appends `len` bytes as a JSON string with its quotes (RFC 8259, section 7).
 * Ill-formed UTF-8 becomes U+FFFD.  '<', '>', '&', U+2028 and U+2029 are
 * escaped as well, so that the text may stand inside a script element.
 */
void str_add_json(struct str *s, const char *bytes, size_t len);

/* Appends bytes with ill-formed UTF-8 made U+FFFD, all else as it is. */
void str_add_utf8(struct str *s, const char *bytes, size_t len);

/* Appends base64 with padding (RFC 4648, section 4). */
void str_add_base64(struct str *s, const void *bytes, size_t len);

/*
 * Decodes `len` bytes of application/x-www-form-urlencoded text onto `out`.
 * Returns false if a '%' is not followed by two hexadecimal digits.
 */
bool str_add_urldecoded(struct str *out, const char *bytes, size_t len);

/* Compares in time that depends on the length of `given` alone. */
bool secret_equal(const char *given, const char *expected);

#endif
