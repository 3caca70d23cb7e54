/* SPDX-License-Identifier: MIT */
/* cgi-bin/poll as a part of another program. */
int program_poll_main(int argc, char **argv);
#define main program_poll_main
#include "cgi-bin/poll.c"

#include "tests/fuzz/host.h"

const struct program *const program_poll = &program;
