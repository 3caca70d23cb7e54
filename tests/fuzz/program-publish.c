/* SPDX-License-Identifier: MIT */
/* cgi-bin/publish as a part of another program. */
int program_publish_main(int argc, char **argv);
#define main program_publish_main
#include "cgi-bin/publish.c"

#include "tests/fuzz/host.h"

const struct program *const program_publish = &program;
