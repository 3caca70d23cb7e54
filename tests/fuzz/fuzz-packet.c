/* SPDX-License-Identifier: MIT */
/*
 * Packets of a hand-over link, and the variables and header lines in them.  The
 * first byte says how many descriptors came along.
 */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "shared/packet.h"
#include "shared/req.h"
#include "shared/sink.h"
#include "shared/str.h"
#include "tests/fuzz/fuzz.h"

/* Every line is whole, whatever came as RESPONSE_HEADERS. */
static void
check_given(struct req *req)
{
	struct sink sink = { .fd = -1, .kind = SINK_RAW };
	struct str out = { 0 };
	const char *p, *end;

	req->sink = &sink;
	req_add_given(req, &out);
	str_addz(&out, "");
	for (p = out.p; *p != '\0'; p = end + 2) {
		size_t len = strcspn(p, "\r\n");

		end = p + len;
		MUST(strncmp(end, "\r\n", 2) == 0);
		MUST(len > 1 && *p != ':' && memchr(p, ':', len) != NULL);
		MUST(strncasecmp(p, "Transfer-Encoding:", 18) != 0);
		MUST(strncasecmp(p, "Content-Length:", 15) != 0);
	}
	MUST(strlen(out.p) == out.len);
	str_free(&out);
}

static void
check_variables(const char *text, size_t len)
{
	struct req req = { 0 };

	if (req_set_text(&req, text, len) == 0) {
		MUST(req.nvars > 0);
		for (size_t i = 0; i < req.nvars; i++) {
			MUST(req.vars[i].name[0] != '\0');
			MUST(req.vars[i].value > req.vars[i].name);
		}
		check_given(&req);
	}
	req_free(&req);
}

int
fuzz_packet(const uint8_t *data, size_t len)
{
	struct packet packet;
	unsigned char *copy;
	unsigned nfds;

	if (len < 1)
		return 0;
	nfds = data[0] % 4;
	len--;
	copy = xmalloc(len + 1);
	memcpy(copy, data + 1, len);
	copy = xreallocarray(copy, len > 0 ? len : 1, 1);
	if (packet_read(&packet, copy, len, nfds) == NULL) {
		const unsigned char *bytes = (const void *)packet.bytes;

		MUST(packet.items == copy + sizeof(struct handover_head));
		MUST(bytes >= packet.items && bytes + packet.len == copy + len);
		MUST((packet.type == HANDOVER_CLIENT) == (nfds == 1));
		for (uint32_t i = 0; i < packet.count; i++)
			if (packet.type == HANDOVER_TAKEN)
				MUST(packet_pair(&packet, i).number <
				     HANDOVER_NUMBERS);
			else
				MUST(packet_number(&packet, i) <
				     HANDOVER_NUMBERS);
		check_variables(packet.bytes, packet.len);
	}
	check_variables((const char *)copy, len);
	free(copy);
	return 0;
}
