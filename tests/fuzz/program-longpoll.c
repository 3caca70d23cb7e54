/* SPDX-License-Identifier: MIT */
/* cgi-bin/longpoll as a part of another program. */
int program_longpoll_main(int argc, char **argv);
#define main program_longpoll_main
#include "cgi-bin/longpoll.c"

#include "tests/fuzz/host.h"

const struct program *const program_longpoll = &program;
