# SPDX-License-Identifier: MIT
apacheconfdir = $(sysconfdir)/$(PACKAGE)
nodist_apacheconf_DATA = %D%/apache.conf %D%/apache-cgi.conf
EXTRA_DIST += %D%/tidings.conf.in %D%/tidings-cgi.conf.in %D%/tidings-php.conf.in
CLEANFILES += %D%/apache.conf %D%/apache-cgi.conf

FILL_IN = sed -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	-e 's|@libexecdir[@]|$(libexecdir)|g' \
	-e 's|@localstatedir[@]|$(localstatedir)|g' \
	-e 's|@bindir[@]|$(bindir)|g'

%D%/apache.conf: %D%/tidings.conf.in Makefile
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)$(FILL_IN) $(srcdir)/%D%/tidings.conf.in >$@.tmp && mv $@.tmp $@

%D%/apache-cgi.conf: %D%/tidings-cgi.conf.in Makefile
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)$(FILL_IN) $(srcdir)/%D%/tidings-cgi.conf.in >$@.tmp && mv $@.tmp $@
