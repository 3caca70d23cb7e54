/* SPDX-License-Identifier: MIT */
/* cgi-bin/iframe as a part of another program. */
int program_iframe_main(int argc, char **argv);
#define main program_iframe_main
#include "cgi-bin/iframe.c"

#include "tests/fuzz/host.h"

const struct program *const program_iframe = &program;
