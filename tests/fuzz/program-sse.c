/* SPDX-License-Identifier: MIT */
/* cgi-bin/sse as a part of another program. */
int program_sse_main(int argc, char **argv);
#define main program_sse_main
#include "cgi-bin/sse.c"

#include "tests/fuzz/host.h"

const struct program *const program_sse = &program;
