# SPDX-License-Identifier: MIT
bin_PROGRAMS += %D%/tidings
%C%_tidings_SOURCES = \
	%D%/run.c \
	%D%/run.h \
	%D%/tidings.c
%C%_tidings_LDADD = $(SHARED_LIBS)
