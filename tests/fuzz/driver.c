/* SPDX-License-Identifier: MIT */
/* What libFuzzer calls; FUZZ_TARGET is one of the entries of fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include "shared/base/log.h"

#ifndef FUZZ_TARGET
#define FUZZ_TARGET fuzz_cursor
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
no_line(const char *line)
{
	(void)line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	log_set_sink(no_line);
	return FUZZ_TARGET(data, len);
}
