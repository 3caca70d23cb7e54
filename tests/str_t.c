/* SPDX-License-Identifier: MIT */
/* Strings and encodings: UTF-8, names, JSON, base64, URL coding, secrets. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "shared/base/str.h"
#include "tests/tap/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* A literal that may hold NULs, and its length. */
#define B(literal) literal, sizeof(literal) - 1

/* RFC 3629, section 4: each bound of each row of its grammar. */
static const struct {
	const char *bytes;
	size_t len;
	bool valid;
} utf8[] = {
	{ B(""), true },
	{ B("\x00"), true },
	{ B("a"), true },
	{ B("\x7f"), true },
	{ B("\x80"), false },
	{ B("\xbf"), false },
	{ B("\xc0\x80"), false },
	{ B("\xc0\xaf"), false },
	{ B("\xc1\xbf"), false },
	{ B("\xc2"), false },
	{ B("\xc2\x7f"), false },
	{ B("\xc2\x80"), true },
	{ B("\xc2\xbf"), true },
	{ B("\xc2\xc0"), false },
	{ B("\xdf\x80"), true },
	{ B("\xdf\xbf"), true },
	{ B("\xdf\xc0"), false },
	{ B("\xe0\x80\x80"), false },
	{ B("\xe0\x9f\xbf"), false },
	{ B("\xe0\xa0\x7f"), false },
	{ B("\xe0\xa0\x80"), true },
	{ B("\xe0\xbf\xbf"), true },
	{ B("\xe0\xc0\x80"), false },
	{ B("\xe1\x7f\x80"), false },
	{ B("\xe1\x80"), false },
	{ B("\xe1\x80\x80"), true },
	{ B("\xe1\x80\xc0"), false },
	{ B("\xec\xbf\xbf"), true },
	{ B("\xed\x80\x80"), true },
	{ B("\xed\x9f\xbf"), true },
	{ B("\xed\xa0\x80"), false },
	{ B("\xed\xbf\xbf"), false },
	{ B("\xee\x80\x80"), true },
	{ B("\xef\xbf\xbf"), true },
	{ B("\xf0\x80\x80\x80"), false },
	{ B("\xf0\x8f\xbf\xbf"), false },
	{ B("\xf0\x90\x80"), false },
	{ B("\xf0\x90\x80\x80"), true },
	{ B("\xf0\x90\x80\x7f"), false },
	{ B("\xf0\x90\xc0\x80"), false },
	{ B("\xf0\xbf\xbf\xbf"), true },
	{ B("\xf1\x80\x80\x80"), true },
	{ B("\xf3\xbf\xbf\xbf"), true },
	{ B("\xf4\x80\x80\x80"), true },
	{ B("\xf4\x8f\xbf\xbf"), true },
	{ B("\xf4\x90\x80\x80"), false },
	{ B("\xf5\x80\x80\x80"), false },
	{ B("\xff"), false },
	{ B("\xfe"), false },
	{ B("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), true },
	{ B("ok\xc3"), false },
	{ B("ok\xf0\x9f\x98"), false },
};

/* Whether some bytes behind this could make it well-formed: by trial. */
static bool
can_be_completed(const char *bytes, size_t len)
{
	char whole[64];

	memcpy(whole, bytes, len);
	if (utf8_valid(bytes, len))
		return true;
	for (int a = 0x80; a <= 0xbf; a++) {
		whole[len] = (char)a;
		for (size_t more = 1; more <= 3; more++) {
			memset(whole + len + 1, 0x80, 2);
			if (utf8_valid(whole, len + more))
				return true;
		}
	}
	return false;
}

static void
test_utf8(void)
{
	for (size_t i = 0; i < N(utf8); i++) {
		const char *bytes = utf8[i].bytes;
		size_t len = utf8[i].len, checked = 0, n;
		bool alive = true, right = true;

		ok(utf8_valid(bytes, len) == utf8[i].valid,
		    "utf8_valid, row %zu", i);
		/* One byte at a time: refused as soon as nothing can help. */
		for (n = 1; n <= len && alive; n++) {
			alive = utf8_scan(bytes, n, &checked);
			if (alive != can_be_completed(bytes, n)) {
				right = false;
				diag("after %zu bytes: %d", n, alive);
			}
		}
		ok(right, "utf8_scan decides at each byte, row %zu", i);
		ok((alive && checked == len) == utf8[i].valid,
		    "utf8_scan and utf8_valid agree, row %zu", i);
	}
}

/* All code points, and all that is one byte off. */
static void
test_utf8_sequence(void)
{
	size_t wrong = 0, bad_pairs = 0;

	for (unsigned long c = 0; c < 0x110000; c++) {
		unsigned char b[4];
		size_t want, n;

		if (c < 0x80) {
			b[0] = (unsigned char)c;
			want = 1;
		} else if (c < 0x800) {
			b[0] = (unsigned char)(0xc0 | c >> 6);
			b[1] = (unsigned char)(0x80 | (c & 63));
			want = 2;
		} else if (c < 0x10000) {
			b[0] = (unsigned char)(0xe0 | c >> 12);
			b[1] = (unsigned char)(0x80 | (c >> 6 & 63));
			b[2] = (unsigned char)(0x80 | (c & 63));
			want = 3;
		} else {
			b[0] = (unsigned char)(0xf0 | c >> 18);
			b[1] = (unsigned char)(0x80 | (c >> 12 & 63));
			b[2] = (unsigned char)(0x80 | (c >> 6 & 63));
			b[3] = (unsigned char)(0x80 | (c & 63));
			want = 4;
		}
		n = c >= 0xd800 && c < 0xe000 ? 0 : want;
		wrong += utf8_sequence(b, want) != n;
		if (want > 1)
			wrong += utf8_sequence(b, want - 1) != 0;
	}
	is_int((long long)wrong, 0, "utf8_sequence of all code points");
	for (unsigned v = 0; v < 0x10000; v++) {
		unsigned char b[2] = { (unsigned char)(v >> 8),
			(unsigned char)v };
		bool two = b[0] >= 0xc2 && b[0] <= 0xdf && b[1] >= 0x80 &&
			   b[1] <= 0xbf;
		size_t want = b[0] < 0x80 ? 1 : two ? 2 : 0;

		bad_pairs += utf8_sequence(b, 2) != want;
	}
	is_int((long long)bad_pairs, 0, "utf8_sequence of all pairs of bytes");
}

static const struct {
	const char *name;
	size_t len;
	bool valid;
} names[] = {
	{ B(""), false },
	{ B("a"), true },
	{ B(" "), true },
	{ B("quotes.ACME"), true },
	{ B("https://example.org/a?b=c&d#e"), true },
	{ B("*"), true },
	{ B("[]^%_'\"\\"), true },
	{ B("a\0b"), false },
	{ B("\x01"), false },
	{ B("\x1f"), false },
	{ B("a\tb"), false },
	{ B("a\nb"), false },
	{ B("a\rb"), false },
	{ B("\x7f"), false },
	{ B("\xc2\x80"), false },
	{ B("\xc2\x9f"), false },
	{ B("\xc2\xa0"), true },
	{ B("\xc3\x80"), true },
	{ B("a\xc2\x85"), false },
	{ B("\xe2\x80\xa8"), true },
	{ B("\xff"), false },
	{ B("a\xc2"), false },
};

static void
test_names(void)
{
	char text[300];

	for (size_t i = 0; i < N(names); i++)
		ok(name_valid(names[i].name, names[i].len) == names[i].valid,
		    "name_valid, row %zu", i);
	memset(text, 'x', sizeof(text));
	ok(name_valid(text, 255), "a name of 255 bytes");
	ok(!name_valid(text, 256), "not one of 256");
	memcpy(text + 253, "\xc3\xa9", 2);
	ok(name_valid(text, 255), "255 bytes that end in a long character");
	ok(!name_valid(text, 254), "not one that is cut in a character");
}

static void
test_json(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *want;
	} rows[] = {
		{ B(""), "\"\"" },
		{ B("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"" },
		{ B("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
		{ B("</script>"), "\"\\u003c/script\\u003e\"" },
		{ B("<!--"), "\"\\u003c!--\"" },
		{ B("a&b"), "\"a\\u0026b\"" },
		{ B("\xe2\x80\xa7"), "\"\xe2\x80\xa7\"" },
		{ B("\xe2\x80\xa8"), "\"\\u2028\"" },
		{ B("\xe2\x80\xa9"), "\"\\u2029\"" },
		{ B("\xe2\x80\xaa"), "\"\xe2\x80\xaa\"" },
		{ B("\xc3\xa9\xf0\x9f\x98\x80"),
		    "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
		{ B("\xff"), "\"\xef\xbf\xbd\"" },
		{ B("a\xe2\x80"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ B("\xed\xa0\x80"),
		    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	struct str out = { 0 };
	size_t wrong = 0;

	for (size_t i = 0; i < N(rows); i++) {
		str_clear(&out);
		str_add_json(&out, rows[i].bytes, rows[i].len);
		is_str(out.p, rows[i].want, "str_add_json, row %zu", i);
	}
	/* All 256 bytes, alone and between letters, through another parser. */
	for (int c = 0; c < 256; c++) {
		char text[3] = { 'a', (char)c, 'z' };
		const char *want = c < 0x80 ? text : "a\xef\xbf\xbdz";
		size_t want_len = c < 0x80 ? 3 : 5;
		json_t *json;

		str_clear(&out);
		str_add_json(&out, text, 3);
		for (size_t i = 0; i < out.len; i++)
			wrong += (unsigned char)out.p[i] < 0x20 ||
				 out.p[i] == 0x7f ||
				 strchr("<>&", out.p[i]) != NULL;
		json = json_loadb(out.p, out.len,
		    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		if (!json_is_string(json) ||
		    json_string_length(json) != want_len ||
		    memcmp(json_string_value(json), want, want_len) != 0) {
			wrong++;
			diag("byte %d becomes %s", c, out.p);
		}
		json_decref(json);
	}
	is_int((long long)wrong, 0, "str_add_json of all 256 bytes");
	str_free(&out);
}

static void
test_base64(void)
{
	/* RFC 4648, section 10. */
	static const char *const rows[][2] = { { "", "" }, { "f", "Zg==" },
		{ "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/" }, { "\xff\xff\xff", "////" } };
	struct str out = { 0 };

	for (size_t i = 0; i < N(rows); i++) {
		str_clear(&out);
		str_addz(&out, "x");
		str_add_base64(&out, rows[i][0], strlen(rows[i][0]));
		is_str(out.p + 1, rows[i][1], "base64, row %zu", i);
		is_int((long long)out.len, (long long)strlen(out.p),
		    "its length, row %zu", i);
	}
	str_free(&out);
}

static void
test_urldecode(void)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *want; /* NULL = refused */
		size_t want_len;
	} rows[] = {
		{ B(""), B("") },
		{ B("a+b"), B("a b") },
		{ B("%41%6a%4A"), B("AjJ") },
		{ B("%00"), B("\0") },
		{ B("%2B%25"), B("+%") },
		{ B("%ff"), B("\xff") },
		{ B("%C3%A9"), B("\xc3\xa9") },
		{ B("%"), NULL, 0 },
		{ B("%4"), NULL, 0 },
		{ B("%4g"), NULL, 0 },
		{ B("%g4"), NULL, 0 },
		{ B("%%41"), NULL, 0 },
		{ B("% 1"), NULL, 0 },
		{ B("%+1"), NULL, 0 },
		{ B("%-1"), NULL, 0 },
		{ B("abc%"), NULL, 0 },
		{ B("abc%4"), NULL, 0 },
		{ B("\xc3\xa9"), B("\xc3\xa9") },
	};
	struct str out = { 0 };
	size_t wrong = 0;

	for (size_t i = 0; i < N(rows); i++) {
		bool good;

		str_clear(&out);
		good = str_add_urldecoded(&out, rows[i].bytes, rows[i].len);
		if (rows[i].want == NULL)
			ok(!good, "urldecode refuses row %zu", i);
		else if (ok(good, "urldecode takes row %zu", i))
			is_mem(out.p, out.len, rows[i].want, rows[i].want_len,
			    "urldecode, row %zu", i);
	}
	for (unsigned c = 0; c < 256; c++) {
		char text[4];
		static const char hex[] = "0123456789abcdef";

		text[0] = '%';
		text[1] = hex[c >> 4];
		text[2] = hex[c & 15];
		str_clear(&out);
		wrong += !str_add_urldecoded(&out, text, 3) || out.len != 1 ||
			 (unsigned char)out.p[0] != c || out.p[1] != '\0';
	}
	is_int((long long)wrong, 0, "urldecode of all 256 bytes");
	str_free(&out);
}

static void
test_utf8_repair(void)
{
	static const char *const rows[][2] = { { "ok", "ok" },
		{ "\xc3\xa9", "\xc3\xa9" },
		{ "a\xff"
		  "b",
		    "a\xef\xbf\xbd"
		    "b" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc3\xa9\xc3", "\xc3\xa9\xef\xbf\xbd" } };
	struct str out = { 0 };

	for (size_t i = 0; i < N(rows); i++) {
		str_clear(&out);
		str_add_utf8(&out, rows[i][0], strlen(rows[i][0]));
		is_str(out.p, rows[i][1], "str_add_utf8, row %zu", i);
	}
	str_free(&out);
}

static void
test_secrets(void)
{
	static const struct {
		const char *given, *expected;
		bool equal;
	} rows[] = { { "", "", true }, { "a", "a", true }, { "a", "b", false },
		{ "", "a", false }, { "a", "", false }, { "ab", "a", false },
		{ "aa", "a", false }, { "a", "aa", false },
		{ "secret", "secret", true }, { "Secret", "secret", false },
		{ "secret\x80", "secret\x80", true },
		{ "secretsecret", "secret", false }, { "\x01", "", false } };

	for (size_t i = 0; i < N(rows); i++)
		ok(secret_equal(rows[i].given, rows[i].expected) ==
			rows[i].equal,
		    "secret_equal, row %zu", i);
}

static void
test_growing(void)
{
	struct str s = { 0 }, again = { 0 };
	bool same = true;

	for (int i = 0; i < 5000; i++)
		str_addf(&s, "%d,", i);
	for (int i = 0; i < 5000; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d,", i);
		for (char *p = text; *p != '\0'; p++)
			str_add(&again, p, 1);
	}
	same = s.len == again.len && memcmp(s.p, again.p, s.len) == 0;
	ok(same, "in large and small pieces it is the same");
	is_int((long long)strlen(s.p), (long long)s.len, "a NUL is behind it");
	str_clear(&s);
	is_str(s.p, "", "cleared");
	str_free(&s);
	str_free(&again);
	ok(s.p == NULL && s.len == 0 && s.cap == 0, "freed");
	str_add(&s, NULL, 0);
	is_str(s.p, "", "nothing at all is an empty text");
	str_free(&s);
}

int
main(void)
{
	test_utf8();
	test_utf8_sequence();
	test_names();
	test_json();
	test_base64();
	test_urldecode();
	test_utf8_repair();
	test_secrets();
	test_growing();
	return done();
}
