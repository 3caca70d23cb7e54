/* SPDX-License-Identifier: MIT */
/*
 * Message objects and operations on their way in, as a batch over HTTP and as a
 * message of a WebSocket; and any bytes on their way out: what our writer
 * writes another parser reads back.
 */
#include "config.h"

#include <sys/socket.h>

#include <string.h>

#include <jansson.h>

#include "daemon/wsconn.h"
#include "shared/base/config_file.h"
#include "shared/base/str.h"
#include "shared/intake/conn.h"
#include "shared/publish/publish.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

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

/* A batch, as cgi-bin/publish takes it. */
static void
publish_batch(const uint8_t *data, size_t len)
{
	static const char variables[] = "REQUEST_METHOD\0POST\0"
					"QUERY_STRING\0batch=1&channel=a\0"
					"REMOTE_ADDR\000127.0.0.1\0"
					"CONTENT_TYPE\0application/json";
	struct str text = { 0 }, said = { 0 };
	int fd[2];

	host_add_request(&text, variables, sizeof(variables), data, len, false);
	host_pair(fd, SOCK_STREAM);
	conn_new_fcgi(host(program_publish), fd[0]);
	host_speak(fd[1], text.p, text.len, SIZE_MAX, &said);
	host_close(fd[1]);
	str_free(&said);
	str_free(&text);
}

/* An operation of a client that has a subscription. */
static void
operate(const uint8_t *data, size_t len)
{
	static const char head[] =
	    "GET /ws?channel=a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "X-Forwarded-For: 127.0.0.1\r\n"
	    "Sec-WebSocket-Protocol: tidings.json\r\n\r\n";
	struct str text = { 0 }, said = { 0 };
	int fd[2];

	str_addz(&text, head);
	host_add_frame(&text, 1, data, len);
	host_add_frame(&text, 1, "{\"op\":\"ping\",\"ref\":7}", 21);
	host_pair(fd, SOCK_STREAM);
	wsconn_new(host(&program_wsd), fd[0]);
	host_speak(fd[1], text.p, text.len, SIZE_MAX, &said);
	host_close(fd[1]);
	MUST(strncmp(said.p, "HTTP/1.1 101 ", 13) == 0);
	str_free(&said);
	str_free(&text);
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
	publish_batch(data, len);
	operate(data, len);
	write_and_read((const char *)data, len);
	scan((const char *)data, len);
	json = publish_parse((const char *)data, len, error, sizeof(error));
	if (json == NULL) {
		MUST(strlen(error) > 0 && strlen(error) < sizeof(error));
		return 0;
	}
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
