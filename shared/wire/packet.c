/* SPDX-License-Identifier: MIT */
/*
 * Packets of httpd's on a hand-over link: bytes in, a checked packet out. There
 * is no I/O here, so that all of it can be tested byte by byte.
 */
#include "config.h"

#include <stdbool.h>
#include <string.h>

#include "shared/wire/packet.h"

/* What a packet of some type looks like. */
struct shape {
	uint32_t item;   /* bytes of a number or pair, 0 = there are none */
	bool one;        /* exactly one of them; else at least one */
	size_t min, max; /* bytes behind them */
	unsigned nfds;   /* descriptors that come along */
};

#define ANY HANDOVER_PACKET_MAX

static const struct shape shapes[HANDOVER__MAX] = {
	[HANDOVER_HELLO] = { .max = ANY },
	[HANDOVER_CLIENT] = { .min = 1, .max = ANY, .nfds = 1 },
	[HANDOVER_PARK] = { sizeof(uint32_t), true, 1, ANY, 0 },
	[HANDOVER_INPUT_OF] = { sizeof(uint32_t), true, 1, HANDOVER_INPUT, 0 },
	[HANDOVER_TAKEN] = { sizeof(struct handover_pair), false, 0, 0, 0 },
	[HANDOVER_GONE] = { sizeof(uint32_t), false, 0, 0, 0 },
	[HANDOVER_LEAVE] = { 0 },
};

static bool
is_hello(const struct packet *packet)
{
	return packet->len == strlen(HANDOVER_HELLO_TEXT) &&
	       memcmp(packet->bytes, HANDOVER_HELLO_TEXT, packet->len) == 0;
}

static bool
numbers_fit(const struct packet *packet, uint32_t item)
{
	for (uint32_t i = 0; item != 0 && i < packet->count; i++) {
		uint32_t number = item == sizeof(uint32_t)
				      ? packet_number(packet, i)
				      : packet_pair(packet, i).number;

		if (number >= HANDOVER_NUMBERS)
			return false;
	}
	return true;
}

const char *
packet_read(struct packet *packet, const void *bytes, size_t len, unsigned nfds)
{
	struct handover_head head;
	const struct shape *shape;
	size_t items;

	if (len < sizeof(head) || len > HANDOVER_PACKET_MAX)
		return "a packet of no possible length";
	memcpy(&head, bytes, sizeof(head));
	if (head.type < HANDOVER_HELLO || head.type > HANDOVER_LEAVE)
		return "a packet of a type that is none of httpd's";
	shape = &shapes[head.type];
	if (nfds != shape->nfds)
		return "not as many descriptors as belong to the packet";
	if (shape->item == 0 ? head.count != 0
	    : shape->one     ? head.count != 1
			     : head.count == 0)
		return "a count that its type does not have";
	len -= sizeof(head);
	if (shape->item != 0 && head.count > len / shape->item)
		return "a count that is more than there is";
	items = (size_t)head.count * shape->item;
	*packet = (struct packet){ .type = (enum handover_type)head.type,
		.count = head.count,
		.items = (const unsigned char *)bytes + sizeof(head),
		.bytes = (const char *)bytes + sizeof(head) + items,
		.len = len - items };
	if (packet->len < shape->min || packet->len > shape->max)
		return "as many bytes as its type does not have";
	if (head.type == HANDOVER_HELLO && !is_hello(packet))
		return "another version of what is spoken here";
	if (!numbers_fit(packet, shape->item))
		return "the number of a client that is too large";
	return NULL;
}

uint32_t
packet_number(const struct packet *packet, uint32_t i)
{
	uint32_t number;

	memcpy(&number, packet->items + (size_t)i * sizeof(number),
	    sizeof(number));
	return number;
}

struct handover_pair
packet_pair(const struct packet *packet, uint32_t i)
{
	struct handover_pair pair;

	memcpy(&pair, packet->items + (size_t)i * sizeof(pair), sizeof(pair));
	return pair;
}
