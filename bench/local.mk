# SPDX-License-Identifier: MIT
# The benchmark. Nothing of it is built by plain make or installed:
# "make bench-programs" builds it, "make bench" runs the whole comparison.

BENCH_BINARIES = \
	%D%/bare \
	%D%/load \
	%D%/null
EXTRA_PROGRAMS += $(BENCH_BINARIES)

%C%_bare_SOURCES = \
	%D%/bare.c \
	%D%/buf.c \
	%D%/buf.h \
	%D%/fcgi.c \
	%D%/fcgi.h \
	%D%/target.c \
	%D%/target.h \
	%D%/ws.c \
	%D%/ws.h
%C%_bare_LDADD =

%C%_load_SOURCES = \
	%D%/ask.c \
	%D%/ask.h \
	%D%/buf.c \
	%D%/buf.h \
	%D%/client.c \
	%D%/client.h \
	%D%/fcgi.c \
	%D%/fcgi.h \
	%D%/http.c \
	%D%/http.h \
	%D%/inflate.c \
	%D%/inflate.h \
	%D%/load.c \
	%D%/message.c \
	%D%/message.h \
	%D%/proc.c \
	%D%/proc.h \
	%D%/publisher.c \
	%D%/publisher.h \
	%D%/report.c \
	%D%/sse.c \
	%D%/sse.h \
	%D%/tally.c \
	%D%/tally.h \
	%D%/target.c \
	%D%/target.h \
	%D%/tls.c \
	%D%/tls.h \
	%D%/watch.c \
	%D%/watch.h \
	%D%/ws.c \
	%D%/ws.h
%C%_load_LDADD = $(SQLITE_LIBS) $(ZLIB_LIBS) -lssl -lcrypto -lpthread

%C%_null_SOURCES = %D%/null.c
%C%_null_LDADD = -lfcgi

# BUILT_SOURCES only counts for all, check and install, so it is said here.
%D%/publisher.$(OBJEXT): %D%/insert.inc

CLEANFILES += \
	$(BENCH_BINARIES) \
	%D%/insert.inc

EXTRA_DIST += \
	%D%/README.md \
	%D%/RESULTS.md \
	%D%/crowd.conf.in \
	%D%/crowd.py \
	%D%/httpd.conf.in \
	%D%/insert.sql \
	%D%/nchan.conf.in \
	%D%/node-server.js \
	%D%/publish.py \
	%D%/report.py \
	%D%/run \
	%D%/servers.py

bench-programs: $(BENCH_BINARIES)

bench: all bench-programs
	$(srcdir)/%D%/run --build $(abs_builddir) $(BENCH_FLAGS)

.PHONY: bench bench-programs
