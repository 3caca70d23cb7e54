/* SPDX-License-Identifier: MIT */
#ifndef SHARED_WIRE_HANDOVER_H
#define SHARED_WIRE_HANDOVER_H

#include <stdint.h>

/*
 * What mod_tidings and the programs say to each other over a hand-over socket.
 * This header is all that the two have in common: the module is built by apxs
 * and uses nothing else of shared/.
 *
 * The socket lies beside the program's own, with HANDOVER_SUFFIX behind its
 * name, and is a SOCK_SEQPACKET.  Each child of httpd has one connection to
 * it, the link.  A packet is a struct handover_head, `count` items, and bytes
 * to the end of the packet; all numbers are in the order of this machine.
 * Nobody waits for the other one with a packet: who can't send now keeps it
 * (the program) or carries the request in another way (httpd).
 *
 * First the child says HELLO, and the program says it as well or closes: before
 * that no client is given away.
 *
 * A client is either handed over, and httpd knows nothing of it afterwards, or
 * parked: it stays with the child, which passes bytes on in both directions.
 * A parked client has a number that the child chooses, a small one.  The
 * child uses a number again when the program has said END of it, and
 * the program says that once for every number, also after GONE; what either of
 * them hears of a number that is over, it passes by.
 */
#define HANDOVER_SUFFIX     ".handover"
#define HANDOVER_HELLO_TEXT "tidings 1" /* bytes of the first packet */
#define HANDOVER_PACKET_MAX 65536       /* bytes of a packet, the head too */
#define HANDOVER_NUMBERS    1000000     /* parked clients are below */

/*
 * How much of one client's bytes may be on their way to the other side, or lie
 * there: what came through is told by TAKEN and READ, at the latest when it is
 * HANDOVER_REPORT bytes, and may be sent again.
 */
#define HANDOVER_WINDOW 65536
#define HANDOVER_INPUT  32768
#define HANDOVER_REPORT 16384

enum handover_type {
	/* From the child of httpd. */
	HANDOVER_HELLO = 1, /* bytes: HANDOVER_HELLO_TEXT; see above */
	HANDOVER_CLIENT,    /* bytes: variables; the socket by SCM_RIGHTS */
	HANDOVER_PARK,      /* 1 number; bytes: variables */
	HANDOVER_INPUT_OF,  /* 1 number; bytes: what the client sent */
	HANDOVER_TAKEN,     /* pairs: bytes that the client's socket took */
	HANDOVER_GONE,      /* numbers: these clients are no more */
	HANDOVER_LEAVE,     /* the child is about to end: end what it parks */
	/* From the program. */
	HANDOVER_DATA, /* numbers; bytes: for each of these clients */
	HANDOVER_END,  /* numbers: end these behind what was sent */
	HANDOVER_READ, /* pairs: bytes of input that were used */
	HANDOVER_STOP, /* the program is about to end: give it no more clients
			*/
	HANDOVER__MAX
};

struct handover_head {
	uint32_t type;  /* enum handover_type */
	uint32_t count; /* numbers or pairs behind it */
};

struct handover_pair {
	uint32_t number; /* of a parked client */
	uint32_t bytes;  /* how many */
};

/*
 * Variables are "NAME\0VALUE\0" each: those of CGI (RFC 3875), SCRIPT_NAME
 * being the whole path, and HANDOVER_HEADERS, which holds the response headers
 * that httpd's other modules had set by then, as lines that end in CR LF.
 */
#define HANDOVER_HEADERS "RESPONSE_HEADERS"

#endif
