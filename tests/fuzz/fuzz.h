/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/*
 * One entry for each parser: any bytes in, 0 out.  A promise that is broken
 * ends the process by abort, for the fuzzer as well as for the replay.
 */
int fuzz_config(const uint8_t *data, size_t len);
int fuzz_cursor(const uint8_t *data, size_t len);
int fuzz_deflate(const uint8_t *data, size_t len);
int fuzz_fcgi(const uint8_t *data, size_t len);
int fuzz_handshake(const uint8_t *data, size_t len);
int fuzz_json(const uint8_t *data, size_t len);
int fuzz_packet(const uint8_t *data, size_t len);
int fuzz_query(const uint8_t *data, size_t len);
int fuzz_wsframe(const uint8_t *data, size_t len);

/* Stays when asserts are compiled out. */
#define MUST(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			abort();                                               \
	} while (0)

#endif
