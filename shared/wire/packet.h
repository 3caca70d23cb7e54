/* SPDX-License-Identifier: MIT */
#ifndef SHARED_WIRE_PACKET_H
#define SHARED_WIRE_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "shared/wire/handover.h"

/* A packet of httpd's, taken apart.  It points into the bytes that were read.
 */
struct packet {
	enum handover_type type;    /* what it is */
	uint32_t count;             /* numbers or pairs */
	const unsigned char *items; /* the numbers or pairs, not aligned */
	const char *bytes;          /* what stands behind them */
	size_t len;                 /* bytes of it */
};

/*
 * Takes `len` bytes apart, with which `nfds` descriptors came.  Returns NULL if
 * it is a packet that httpd may send and all in it is within its bounds, or a
 * sentence that says what is wrong.  What variables look like inside is not
 * looked at; see vars_set_text.
 */
const char *packet_read(struct packet *packet, const void *bytes, size_t len,
    unsigned nfds);

/* Number or pair `i` of those that it has. */
uint32_t packet_number(const struct packet *packet, uint32_t i);
struct handover_pair packet_pair(const struct packet *packet, uint32_t i);

#endif
