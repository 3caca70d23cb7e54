# SPDX-License-Identifier: MIT
# What reads the source instead of running it.  A missing tool is skipped by
# name.

EXTRA_DIST += \
	.githooks/pre-commit \
	tools/list-sites

# Patterns, for the shell in the source's folder.
LINT_UNITS = */*.c tests/*/*.c
LINT_C = */*.[ch] tests/*/*.[ch]
LINT_SHELL = \
	.ci/run \
	.githooks/pre-commit \
	quickstart \
	tests/checked \
	tests/fuzz/run \
	tests/run \
	tools/feed-clock \
	tools/feed-monitor \
	tools/feed-quotes \
	tools/feed.sh \
	tools/list-sites
LINT_CPPFLAGS = $(DEFS) $(DEFAULT_INCLUDES) $(INCLUDES) $(AM_CPPFLAGS) \
	$(CPPFLAGS) $(HTTPD_CPPFLAGS) -I$(srcdir)
CLANG_FORMAT = clang-format
# The defaults but for memset_s and its like, which no C library here has, and
# a check of va_list that is wrong from the second file on.
TIDY_CHECKS = -clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,-clang-analyzer-valist.Uninitialized

.PHONY: check-asan check-valgrind format format-check fuzz lint lint-c \
	lint-cppcheck lint-manuals lint-shell

lint: lint-c lint-cppcheck lint-shell lint-manuals

lint-c: all bench/insert.inc
	@if ! command -v clang-tidy >/dev/null; then \
		echo 'SKIP lint-c: needs clang-tidy'; \
	else \
		cd $(srcdir) && clang-tidy --quiet --warnings-as-errors='*' \
		    --checks='$(TIDY_CHECKS)' \
		    $(LINT_UNITS) -- $(LINT_CPPFLAGS) \
		    -I$(abs_builddir) -I. -std=gnu11; \
	fi

lint-cppcheck: all bench/insert.inc
	@if ! command -v cppcheck >/dev/null; then \
		echo 'SKIP lint-cppcheck: needs cppcheck'; \
	else \
		queue=`echo '#include <sys/queue.h>' | $(CC) -M -x c - | \
		    tr ' ' '\n' | grep 'sys/queue\.h'`; \
		cd $(srcdir) && cppcheck --quiet --error-exitcode=1 \
		    --enable=warning,performance,portability \
		    --inline-suppr --suppress=missingIncludeSystem \
		    --std=c11 -DHAVE_CONFIG_H -DEV_DEFAULT_UC_= -I. -I$(abs_builddir) \
		    --include="$$queue" $(LINT_UNITS); \
	fi

lint-shell:
	@if ! command -v shellcheck >/dev/null; then \
		echo 'SKIP lint-shell: needs shellcheck'; \
	else \
		cd $(srcdir) && shellcheck $(LINT_SHELL) \
		    `grep -lE '^#!/bin/(ba)?sh' tests/*.t`; \
	fi

lint-manuals:
	@if ! command -v mandoc >/dev/null; then \
		echo 'SKIP lint-manuals: needs mandoc'; \
	else \
		cd $(srcdir) && mandoc -Tlint -Werror $(dist_man_MANS); \
	fi

format:
	cd $(srcdir) && $(CLANG_FORMAT) -i $(LINT_C)

format-check:
	@if ! command -v $(CLANG_FORMAT) >/dev/null; then \
		echo 'SKIP format-check: needs $(CLANG_FORMAT)'; \
	else \
		cd $(srcdir) && $(CLANG_FORMAT) --dry-run --Werror $(LINT_C); \
	fi
