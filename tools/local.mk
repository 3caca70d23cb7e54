# SPDX-License-Identifier: MIT
bin_PROGRAMS += %D%/tidings
%C%_tidings_SOURCES = \
	%D%/run.c \
	%D%/run.h \
	%D%/tidings.c
%C%_tidings_LDADD = $(SHARED_LIBS)
dist_man_MANS += \
	%D%/tidings.1

tidingsconfdir = $(sysconfdir)/$(PACKAGE)
dist_tidingsconf_DATA = %D%/tidings.conf.example

# Below the prefix, so that an installation elsewhere touches nothing outside;
# systemd looks into /usr and /usr/local.
systemdunitdir = $(prefix)/lib/systemd/system
nodist_systemdunit_DATA = %D%/tidings.service
CLEANFILES += %D%/tidings.service

%D%/tidings.service: %D%/tidings.service.in Makefile
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)$(FILL_IN) $(srcdir)/%D%/tidings.service.in >$@.tmp && mv $@.tmp $@

# What the demo pages show; the data lies beside the script that reads it.
feedersdir = $(datadir)/$(PACKAGE)/feeders
dist_feeders_SCRIPTS = \
	%D%/feed-clock \
	%D%/feed-monitor \
	%D%/feed-quotes
dist_feeders_DATA = \
	%D%/feed-quotes.LICENSE \
	%D%/feed-quotes.tsv \
	%D%/feed.sh

EXTRA_DIST += \
	%D%/packages \
	%D%/tidings.service.in
