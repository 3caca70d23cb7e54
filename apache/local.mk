# SPDX-License-Identifier: MIT
httpdmoddir = $(pkglibdir)
apacheconfdir = $(sysconfdir)/$(PACKAGE)
nodist_apacheconf_DATA = \
	%D%/apache.conf \
	%D%/apache-cgi.conf
EXTRA_DIST += \
	%D%/tidings.conf.in \
	%D%/tidings-cgi.conf.in \
	%D%/tidings-module.conf.in \
	%D%/tidings-php.conf.in
CLEANFILES += $(nodist_apacheconf_DATA) %D%/apache-module.conf
dist_man_MANS += %D%/mod_tidings.8

FILL_IN = sed -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	-e 's|@libexecdir[@]|$(libexecdir)|g' \
	-e 's|@localstatedir[@]|$(localstatedir)|g' \
	-e 's|@bindir[@]|$(bindir)|g' \
	-e 's|@pkglibdir[@]|$(pkglibdir)|g'

%D%/apache.conf: %D%/tidings.conf.in Makefile
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)$(FILL_IN) $(srcdir)/%D%/tidings.conf.in >$@.tmp && mv $@.tmp $@

%D%/apache-cgi.conf: %D%/tidings-cgi.conf.in Makefile
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)$(FILL_IN) $(srcdir)/%D%/tidings-cgi.conf.in >$@.tmp && mv $@.tmp $@

%D%/apache-module.conf: %D%/tidings-module.conf.in Makefile
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)$(FILL_IN) $(srcdir)/%D%/tidings-module.conf.in >$@.tmp && mv $@.tmp $@

# The module.  Not by "apxs -c": that wants libtool, and builds in the source.
MODULE_C = \
	%D%/conn.c \
	%D%/link.c \
	%D%/mod_tidings.c \
	%D%/park.c \
	%D%/parked.c \
	%D%/pump.c \
	%D%/watched.c \
	%D%/worker.c
MODULE_H = \
	%D%/conn.h \
	%D%/link.h \
	%D%/mod_tidings.h \
	%D%/park.h \
	%D%/worker.h
EXTRA_DIST += $(MODULE_C) $(MODULE_H)

if HAVE_APXS
httpdmod_DATA = %D%/mod_tidings.so
nodist_apacheconf_DATA += %D%/apache-module.conf
CLEANFILES += %D%/mod_tidings.so

%D%/mod_tidings.so: $(MODULE_C) $(MODULE_H) shared/wire/handover.h
	@$(MKDIR_P) $(@D)
	$(AM_V_CCLD)$(CC) -shared -fPIC -pthread -fvisibility=hidden \
		-I$(srcdir) $(HTTPD_CPPFLAGS:-I%=-isystem %) $(WARN_CFLAGS) $(CPPFLAGS) \
		$(CFLAGS) $(LDFLAGS) -o $@.tmp \
		$(MODULE_C:%=$(srcdir)/%) && mv $@.tmp $@
endif
