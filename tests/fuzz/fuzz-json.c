/* SPDX-License-Identifier: MIT */
/*
 * Message objects on their way in, and any bytes on their way out: what our
 * writer writes another parser reads back.
 */
#include "config.h"

#include <string.h>

#include <jansson.h>

#include "shared/config_file.h"
#include "shared/publish.h"
#include "shared/str.h"
#include "tests/fuzz/fuzz.h"

/* Bytes to JSON and back are the bytes with their UTF-8 repaired. */
static void
write_and_read(const char *bytes, size_t len)
{
	struct str json = { 0 }, text = { 0 };
	json_t *back;

	str_add_json(&json, bytes, len);
	str_add_utf8(&text, bytes, len);
	MUST(utf8_valid(json.p, json.len));
	MUST(strpbrk(json.p, "<>&\r\n") == NULL);
	back = json_loadb(json.p, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL,
	    NULL);
	MUST(json_is_string(back));
	MUST(json_string_length(back) == text.len);
	MUST(text.len == 0 ||
	     memcmp(json_string_value(back), text.p, text.len) == 0);
	json_decref(back);
	str_free(&json);
	str_free(&text);
}

/* Checked whole and byte by byte. */
static void
scan(const char *bytes, size_t len)
{
	size_t checked = 0;
	bool alive = true;

	for (size_t n = 1; n <= len && alive; n++) {
		alive = utf8_scan(bytes, n, &checked);
		MUST(checked <= n);
	}
	MUST((alive && checked == len) == utf8_valid(bytes, len));
	if (name_valid(bytes, len))
		MUST(utf8_valid(bytes, len) && len >= 1 && len <= 255);
}

int
fuzz_json(const uint8_t *data, size_t len)
{
	static struct config config;
	struct publish p = { 0 };
	char error[100];
	json_t *json;

	if (config.database == NULL) {
		MUST(config_load(&config, NULL, error, sizeof(error)) == 0);
		config.max_data = 1000;
	}
	write_and_read((const char *)data, len);
	scan((const char *)data, len);
	json = json_loadb((const char *)data, len,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	if (json == NULL)
		return 0;
	if (publish_add_json(&p, &config, json, "default") == 0) {
		const struct message *m = &p.job.messages[0];

		MUST(p.job.n == 1);
		MUST(name_valid(m->channel, strlen(m->channel)));
		MUST(m->data_len <= 1000 && utf8_valid(m->data, m->data_len));
	} else {
		MUST(p.job.n == 0 && p.error[0] != '\0');
		MUST(p.status == 400 || p.status == 413);
	}
	publish_free(&p);
	json_decref(json);
	return 0;
}
