/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames.  wslay takes frames apart and puts them together; what is
 * here is what stands above frames: fragments, UTF-8, codes, limits.  wslay's
 * event interface was refused, because it keeps 4 KB for every connection and a
 * queue of its own for each; its frame reader is made only while a frame is
 * under way.  A deflated message is inflated as it comes, so that limits and
 * UTF-8 are checked as early as in one that is not.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <wslay/wslay.h>

#include "shared/base/str.h"
#include "shared/wire/chunk.h"
#include "shared/wire/wsdeflate.h"
#include "shared/wire/wsframe.h"

#define CONTROL_MAX 125
#define KEY_LEN     24        /* base64 of 16 bytes */
#define WORK_MAX    (1 << 20) /* between two pauses */
#define WORK_FACTOR 256       /* work that a deflated byte may be */
#define DEFLATE_OVERHEAD                                                       \
	1024 /* bytes by which a deflated message is longer                    \
	      */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static ssize_t
take_feed(uint8_t *buf, size_t len, int flags, void *user)
{
	struct ws_in *in = user;
	size_t n = len < in->feed_len ? len : in->feed_len;

	(void)flags;
	if (n == 0)
		return -1; /* as read(2) would with EAGAIN */
	memcpy(buf, in->feed, n);
	in->feed += n;
	in->feed_len -= n;
	in->fed += n;
	return (ssize_t)n;
}

static ssize_t
add_frame(const uint8_t *bytes, size_t len, int flags, void *user)
{
	(void)flags;
	str_add(user, bytes, len);
	return (ssize_t)len;
}

static int
no_mask(uint8_t *buf, size_t len, void *user)
{
	/* A server does not mask; wslay wants the function all the same. */
	(void)user;
	memset(buf, 0, len);
	return 0;
}

static const struct wslay_frame_callbacks callbacks = { add_frame, take_feed,
	no_mask };

static struct chunk *
make_frame(enum ws_opcode opcode, uint8_t rsv, const void *bytes, size_t len)
{
	struct wslay_frame_iocb iocb = { .fin = 1,
		.rsv = rsv,
		.opcode = (uint8_t)opcode,
		.payload_length = len,
		.data = bytes,
		.data_length = len };
	wslay_frame_context_ptr wslay;
	struct str out = { 0 };

	if (wslay_frame_context_init(&wslay, &callbacks, &out) != 0)
		abort(); /* memory exhausted */
	str_room(&out, len + 10);
	wslay_frame_send(wslay, &iocb);
	wslay_frame_context_free(wslay);
	return chunk_take(&out);
}

struct chunk *
ws_frame(enum ws_opcode opcode, const void *bytes, size_t len)
{
	return make_frame(opcode, WSLAY_RSV_NONE, bytes, len);
}

struct chunk *
ws_deflated_frame(enum ws_opcode opcode, const void *bytes, size_t len)
{
	return make_frame(opcode, WSLAY_RSV1_BIT, bytes, len);
}

struct chunk *
ws_close_frame(enum ws_code code, const char *reason)
{
	unsigned char payload[CONTROL_MAX];
	size_t len = strlen(reason);

	if (code == WS_CODE_NONE)
		return ws_frame(WS_CLOSE, "", 0);
	if (len > CONTROL_MAX - 2)
		len = CONTROL_MAX - 2;
	while (len > 0 && !utf8_valid(reason, len))
		len--;
	payload[0] = (unsigned char)((unsigned)code >> 8);
	payload[1] = (unsigned char)code;
	memcpy(payload + 2, reason, len);
	return ws_frame(WS_CLOSE, payload, len + 2);
}

bool
ws_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) ||
	       (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

bool
ws_accept(const char *key, char *out)
{
	struct base64_decode_ctx decode;
	struct sha1_ctx sha1;
	uint8_t bytes[BASE64_DECODE_LENGTH(KEY_LEN)], digest[SHA1_DIGEST_SIZE];
	size_t len = sizeof(bytes);

	base64_decode_init(&decode);
	if (strlen(key) != KEY_LEN ||
	    !base64_decode_update(&decode, &len, bytes, KEY_LEN, key) ||
	    !base64_decode_final(&decode) || len != 16)
		return false;
	sha1_init(&sha1);
	sha1_update(&sha1, KEY_LEN, (const uint8_t *)key);
	sha1_update(&sha1, strlen(GUID), (const uint8_t *)GUID);
	sha1_digest(&sha1, sizeof(digest), digest);
	base64_encode_raw(out, sizeof(digest), digest);
	out[BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE)] = '\0';
	return true;
}

void
ws_feed(struct ws_in *in, const void *bytes, size_t len)
{
	in->feed = bytes;
	in->feed_len = len;
}

void
ws_in_free(struct ws_in *in)
{
	if (in->wslay != NULL)
		wslay_frame_context_free(in->wslay);
	in->wslay = NULL;
	ws_inflate_end(in->inflater);
	in->inflater = NULL;
	str_free(&in->message);
	str_free(&in->control);
}

static enum ws_event
bad(struct ws_in *in, enum ws_code code, const char *why)
{
	in->code = (uint16_t)code;
	in->why = why;
	return WS_EV_BAD;
}

/* RSV1 may stand on the first frame of a message (RFC 7692, section 6). */
static bool
rsv_allowed(const struct ws_in *in, const struct wslay_frame_iocb *iocb)
{
	return iocb->rsv == WSLAY_RSV_NONE ||
	       (iocb->rsv == WSLAY_RSV1_BIT && in->deflate &&
		   (iocb->opcode == WS_TEXT || iocb->opcode == WS_BINARY));
}

/*
 * Whether a message grows too large by a frame of this length.  How large a
 * deflated one becomes is seen as it is inflated; what does not become anything
 * is not taken for ever either.
 */
static bool
is_too_big(const struct ws_in *in, uint64_t length)
{
	uint64_t max = in->max_message;

	if (in->inflater != NULL)
		max += max / 1024 + DEFLATE_OVERHEAD;
	return in->taken > max || length > max - in->taken;
}

static enum ws_event
begin_message(struct ws_in *in, const struct wslay_frame_iocb *iocb)
{
	in->opcode = iocb->opcode;
	in->checked = 0;
	in->taken = 0;
	if (iocb->rsv == WSLAY_RSV_NONE)
		return WS_EV_MORE;
	in->inflater = ws_inflate_begin();
	if (in->inflater == NULL)
		return bad(in, WS_CODE_AGAIN, "out of memory");
	return WS_EV_MORE;
}

/* A control frame (RFC 6455, section 5.5). */
static enum ws_event
begin_control(struct ws_in *in, const struct wslay_frame_iocb *iocb)
{
	if (iocb->opcode > WS_PONG)
		return bad(in, WS_CODE_PROTOCOL, "a reserved opcode");
	if (!iocb->fin)
		return bad(in, WS_CODE_PROTOCOL, "a control frame in pieces");
	if (iocb->payload_length > CONTROL_MAX)
		return bad(in, WS_CODE_PROTOCOL,
		    "a control frame of more than 125 bytes");
	str_clear(&in->control);
	return WS_EV_MORE;
}

/* A frame of a message (RFC 6455, section 5.4). */
static enum ws_event
begin_data(struct ws_in *in, const struct wslay_frame_iocb *iocb)
{
	enum ws_event event = WS_EV_MORE;

	if (iocb->opcode > WS_BINARY)
		return bad(in, WS_CODE_PROTOCOL, "a reserved opcode");
	if (iocb->opcode == WS_CONTINUATION && in->opcode == 0)
		return bad(in, WS_CODE_PROTOCOL, "a continuation of nothing");
	if (iocb->opcode != WS_CONTINUATION && in->opcode != 0)
		return bad(in, WS_CODE_PROTOCOL,
		    "a message inside another one");
	if (iocb->opcode != WS_CONTINUATION)
		event = begin_message(in, iocb);
	if (event == WS_EV_MORE && is_too_big(in, iocb->payload_length))
		return bad(in, WS_CODE_TOO_BIG, "the message is too large");
	return event;
}

/* The first bytes of a frame are known: is it allowed here? */
static enum ws_event
begin_frame(struct ws_in *in, const struct wslay_frame_iocb *iocb)
{
	if (!iocb->mask)
		return bad(in, WS_CODE_PROTOCOL, "a frame without a mask");
	if (!rsv_allowed(in, iocb))
		return bad(in, WS_CODE_PROTOCOL,
		    "a reserved bit that no extension uses so");
	in->frame_begun = true;
	in->frame_got = 0;
	return wslay_is_ctrl_frame(iocb->opcode) ? begin_control(in, iocb)
						 : begin_data(in, iocb);
}

/* Text is checked as it comes (RFC 6455, section 8.1). */
static enum ws_event
check_text(struct ws_in *in)
{
	if (in->opcode == WS_TEXT &&
	    !utf8_scan(in->message.p, in->message.len, &in->checked))
		return bad(in, WS_CODE_INVALID, "the text is not UTF-8");
	return WS_EV_MORE;
}

static enum ws_event
inflate_payload(struct ws_in *in, const void *bytes, size_t len, bool last)
{
	size_t before = in->message.len;
	enum ws_inflate_status status =
	    last ? ws_inflate_last(in->inflater, &in->message, in->max_message)
		 : ws_inflate_add(in->inflater, bytes, len, &in->message,
		       in->max_message);

	in->worked += in->message.len - before + len * WORK_FACTOR;
	/* What came before the end of it counts first, however it is cut. */
	if (check_text(in) != WS_EV_MORE)
		return WS_EV_BAD;
	switch (status) {
	case WS_INFLATE_OK:
		break;
	case WS_INFLATE_BAD:
		return bad(in, WS_CODE_INVALID, "the data are not DEFLATE");
	case WS_INFLATE_TOO_BIG:
		return bad(in, WS_CODE_TOO_BIG, "the message is too large");
	}
	return WS_EV_MORE;
}

static enum ws_event
add_payload(struct ws_in *in, const struct wslay_frame_iocb *iocb)
{
	in->frame_got += iocb->data_length;
	if (wslay_is_ctrl_frame(iocb->opcode)) {
		str_add(&in->control, iocb->data, iocb->data_length);
		return WS_EV_MORE;
	}
	in->taken += iocb->data_length;
	if (in->inflater != NULL)
		return iocb->data_length == 0 ? WS_EV_MORE
					      : inflate_payload(in, iocb->data,
						    iocb->data_length, false);
	str_add(&in->message, iocb->data, iocb->data_length);
	return check_text(in);
}

/* RFC 6455, sections 5.5.1 and 7.4. */
static enum ws_event
end_close(struct ws_in *in)
{
	const unsigned char *p = (const unsigned char *)in->control.p;
	size_t len = in->control.len;

	in->code = WS_CODE_NONE;
	if (len == 0)
		return WS_EV_CLOSE;
	if (len == 1)
		return bad(in, WS_CODE_PROTOCOL, "half a close code");
	in->code = (uint16_t)(p[0] << 8 | p[1]);
	if (!ws_code_valid(in->code))
		return bad(in, WS_CODE_PROTOCOL,
		    "a close code that must not be sent");
	if (!utf8_valid(in->control.p + 2, len - 2))
		return bad(in, WS_CODE_INVALID, "the reason is not UTF-8");
	return WS_EV_CLOSE;
}

static uint64_t
frame_size(uint64_t payload)
{
	return payload + 6 + (payload < 126 ? 0 : payload < 65536 ? 2 : 8);
}

static enum ws_event
end_message(struct ws_in *in)
{
	enum ws_event event = WS_EV_MORE;

	if (in->inflater != NULL)
		event = inflate_payload(in, NULL, 0, true);
	if (event != WS_EV_MORE)
		return event;
	if (in->opcode == WS_TEXT && in->checked != in->message.len)
		return bad(in, WS_CODE_INVALID, "the text is not UTF-8");
	in->delivered = true;
	return WS_EV_MESSAGE;
}

static enum ws_event
end_frame(struct ws_in *in, const struct wslay_frame_iocb *iocb)
{
	in->frame_begun = false;
	in->framed += frame_size(iocb->payload_length);
	switch (iocb->opcode) {
	case WS_PING:
		return WS_EV_PING;
	case WS_PONG:
		return WS_EV_PONG;
	case WS_CLOSE:
		return end_close(in);
	default:
		break;
	}
	return iocb->fin ? end_message(in) : WS_EV_MORE;
}

void
ws_forget(struct ws_in *in)
{
	if (!in->delivered)
		return;
	in->delivered = false;
	in->opcode = 0;
	ws_inflate_end(in->inflater);
	in->inflater = NULL;
	str_free(&in->message);
}

/* All bytes are used; between frames the reader goes. */
static enum ws_event
no_more(struct ws_in *in)
{
	if (in->fed == in->framed && in->wslay != NULL) {
		wslay_frame_context_free(in->wslay);
		in->wslay = NULL;
		in->fed = in->framed = 0;
		str_free(&in->control);
	}
	return WS_EV_MORE;
}

enum ws_event
ws_read(struct ws_in *in)
{
	struct wslay_frame_iocb iocb;
	enum ws_event event = WS_EV_MORE;
	ssize_t n;

	ws_forget(in);
	if (in->wslay == NULL && in->feed_len == 0)
		return WS_EV_MORE;
	if (in->wslay == NULL &&
	    wslay_frame_context_init(&in->wslay, &callbacks, in) != 0)
		return bad(in, WS_CODE_AGAIN, "out of memory");
	while (event == WS_EV_MORE) {
		if (in->worked >= WORK_MAX) {
			in->worked = 0;
			return WS_EV_PAUSE;
		}
		memset(&iocb, 0, sizeof(iocb));
		n = wslay_frame_recv(in->wslay, &iocb);
		if (n == WSLAY_ERR_WANT_READ)
			return no_more(in);
		if (n < 0)
			return bad(in, WS_CODE_PROTOCOL,
			    "a length that is not in its shortest form");
		if (!in->frame_begun)
			event = begin_frame(in, &iocb);
		if (event == WS_EV_MORE)
			event = add_payload(in, &iocb);
		if (event == WS_EV_MORE && in->frame_got == iocb.payload_length)
			event = end_frame(in, &iocb);
	}
	return event;
}
