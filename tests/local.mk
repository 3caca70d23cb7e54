# SPDX-License-Identifier: MIT
# Unit tests in C, whole-system tests in Python and shell, and the fuzz targets.
# All speak TAP; "make check -j2" runs them in parallel.

TEST_EXTENSIONS = .t
T_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) \
	$(top_srcdir)/build-aux/tap-driver.sh
# The source may be read-only and elsewhere, the programs are in the build.
AM_TESTS_ENVIRONMENT = \
	TIDINGS_BUILD='$(abs_builddir)'; export TIDINGS_BUILD; \
	TIDINGS_SOURCE='$(abs_srcdir)'; export TIDINGS_SOURCE; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE;

check_LIBRARIES += %D%/tap/libtap.a
%C%_tap_libtap_a_SOURCES = \
	%D%/tap/foreign.c \
	%D%/tap/foreign.h \
	%D%/tap/frames.c \
	%D%/tap/frames.h \
	%D%/tap/held.c \
	%D%/tap/held.h \
	%D%/tap/table.c \
	%D%/tap/table.h \
	%D%/tap/tap.c \
	%D%/tap/tap.h

# Programs of NAME_t.c.
C_TESTS = \
	%D%/access.t \
	%D%/apache_child.t \
	%D%/apache_link.t \
	%D%/apache_pump.t \
	%D%/apache_threads.t \
	%D%/backlog.t \
	%D%/board.t \
	%D%/change.t \
	%D%/client.t \
	%D%/config.t \
	%D%/cursor.t \
	%D%/db.t \
	%D%/descriptors.t \
	%D%/emptying.t \
	%D%/fcgi.t \
	%D%/fuzz/replay.t \
	%D%/group.t \
	%D%/handshake.t \
	%D%/heap.t \
	%D%/http.t \
	%D%/hub.t \
	%D%/incoming.t \
	%D%/lease.t \
	%D%/log.t \
	%D%/loss.t \
	%D%/mute.t \
	%D%/outbox.t \
	%D%/packet.t \
	%D%/prune.t \
	%D%/publish.t \
	%D%/removal.t \
	%D%/round.t \
	%D%/schema.t \
	%D%/sendq.t \
	%D%/settle.t \
	%D%/sink.t \
	%D%/str.t \
	%D%/subs.t \
	%D%/turns.t \
	%D%/waiting.t \
	%D%/watch.t \
	%D%/watch_series.t \
	%D%/writer.t \
	%D%/writer_pairs.t \
	%D%/wsdeflate.t \
	%D%/wsframe.t \
	%D%/wsframe_deflate.t
check_PROGRAMS += $(C_TESTS)
UNIT_LIBS = %D%/tap/libtap.a $(SHARED_LIBS)

%C%_access_t_SOURCES = %D%/access_t.c
%C%_access_t_LDADD = $(UNIT_LIBS)
# The module without httpd, and with system calls that fail.
UNIT_APACHE = \
	%D%/tap/parking.c \
	%D%/tap/parking.h \
	apache/link.c \
	apache/parked.c \
	apache/pump.c \
	apache/watched.c
WRAP_CALLS = \
	-Wl,--wrap=clock_gettime \
	-Wl,--wrap=epoll_ctl \
	-Wl,--wrap=epoll_wait \
	-Wl,--wrap=eventfd \
	-Wl,--wrap=poll \
	-Wl,--wrap=sendmsg
%C%_apache_child_t_SOURCES = %D%/apache_child_t.c $(UNIT_APACHE)
%C%_apache_child_t_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
%C%_apache_child_t_LDFLAGS = $(AM_LDFLAGS) $(WRAP_CALLS)
%C%_apache_child_t_LDADD = %D%/tap/libtap.a
%C%_apache_link_t_SOURCES = %D%/apache_link_t.c $(UNIT_APACHE)
%C%_apache_link_t_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
%C%_apache_link_t_LDFLAGS = $(AM_LDFLAGS) $(WRAP_CALLS)
%C%_apache_link_t_LDADD = %D%/tap/libtap.a
%C%_apache_pump_t_SOURCES = %D%/apache_pump_t.c $(UNIT_APACHE)
%C%_apache_pump_t_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
%C%_apache_pump_t_LDFLAGS = $(AM_LDFLAGS) $(WRAP_CALLS)
%C%_apache_pump_t_LDADD = %D%/tap/libtap.a
%C%_apache_threads_t_SOURCES = %D%/apache_threads_t.c $(UNIT_APACHE)
%C%_apache_threads_t_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
%C%_apache_threads_t_LDFLAGS = $(AM_LDFLAGS) $(WRAP_CALLS)
%C%_apache_threads_t_LDADD = %D%/tap/libtap.a

%C%_backlog_t_SOURCES = %D%/backlog_t.c
%C%_backlog_t_LDADD = $(UNIT_LIBS)
%C%_board_t_SOURCES = %D%/board_t.c
%C%_board_t_LDADD = $(UNIT_LIBS)
%C%_change_t_SOURCES = %D%/change_t.c
%C%_change_t_LDADD = $(UNIT_LIBS)
%C%_client_t_SOURCES = %D%/client_t.c
%C%_client_t_LDADD = $(UNIT_LIBS)
%C%_config_t_SOURCES = %D%/config_t.c
%C%_config_t_LDADD = $(UNIT_LIBS)
%C%_cursor_t_SOURCES = %D%/cursor_t.c
%C%_cursor_t_LDADD = $(UNIT_LIBS)
%C%_db_t_SOURCES = %D%/db_t.c
%C%_db_t_LDADD = $(UNIT_LIBS)
%C%_emptying_t_SOURCES = %D%/emptying_t.c
%C%_emptying_t_LDADD = $(UNIT_LIBS)
%C%_descriptors_t_SOURCES = %D%/descriptors_t.c
%C%_descriptors_t_LDADD = $(UNIT_LIBS)
%C%_fcgi_t_SOURCES = %D%/fcgi_t.c
%C%_fcgi_t_LDADD = $(UNIT_LIBS)
%C%_group_t_SOURCES = %D%/group_t.c
%C%_group_t_LDADD = $(UNIT_LIBS)
%C%_handshake_t_SOURCES = %D%/handshake_t.c daemon/handshake.c
%C%_handshake_t_LDADD = $(UNIT_LIBS)
%C%_heap_t_SOURCES = %D%/heap_t.c
%C%_heap_t_LDADD = $(UNIT_LIBS)
%C%_http_t_SOURCES = %D%/http_t.c
%C%_http_t_LDADD = $(UNIT_LIBS)
%C%_hub_t_SOURCES = %D%/hub_t.c
%C%_hub_t_LDADD = $(UNIT_LIBS)
%C%_incoming_t_SOURCES = %D%/incoming_t.c
%C%_incoming_t_LDADD = $(UNIT_LIBS)
%C%_lease_t_SOURCES = %D%/lease_t.c
%C%_lease_t_LDADD = $(UNIT_LIBS)
%C%_log_t_SOURCES = %D%/log_t.c
%C%_log_t_LDADD = $(UNIT_LIBS)
%C%_loss_t_SOURCES = %D%/loss_t.c
%C%_loss_t_LDADD = $(UNIT_LIBS)
%C%_mute_t_SOURCES = %D%/mute_t.c
%C%_mute_t_LDADD = $(UNIT_LIBS)
%C%_outbox_t_SOURCES = %D%/outbox_t.c
%C%_outbox_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sendmsg
%C%_outbox_t_LDADD = $(UNIT_LIBS)
%C%_packet_t_SOURCES = %D%/packet_t.c
%C%_packet_t_LDADD = $(UNIT_LIBS)
%C%_prune_t_SOURCES = %D%/prune_t.c
%C%_prune_t_LDADD = $(UNIT_LIBS)
%C%_publish_t_SOURCES = %D%/publish_t.c
%C%_publish_t_LDADD = $(UNIT_LIBS)
%C%_removal_t_SOURCES = %D%/removal_t.c
%C%_removal_t_LDADD = $(UNIT_LIBS)
%C%_round_t_SOURCES = %D%/round_t.c
%C%_round_t_LDADD = $(UNIT_LIBS)
%C%_schema_t_SOURCES = %D%/schema_t.c
%C%_schema_t_LDADD = $(UNIT_LIBS)
%C%_sendq_t_SOURCES = %D%/sendq_t.c
%C%_sendq_t_LDADD = $(UNIT_LIBS)
%C%_settle_t_SOURCES = %D%/settle_t.c
%C%_settle_t_LDADD = $(UNIT_LIBS)
%C%_sink_t_SOURCES = %D%/sink_t.c
%C%_sink_t_LDADD = $(UNIT_LIBS)
%C%_str_t_SOURCES = %D%/str_t.c
%C%_str_t_LDADD = $(UNIT_LIBS)
%C%_subs_t_SOURCES = %D%/subs_t.c
%C%_subs_t_LDADD = $(UNIT_LIBS)
%C%_turns_t_SOURCES = %D%/turns_t.c
%C%_turns_t_LDADD = $(UNIT_LIBS)
%C%_waiting_t_SOURCES = %D%/waiting_t.c
%C%_waiting_t_LDADD = $(UNIT_LIBS)
%C%_watch_t_SOURCES = %D%/watch_t.c
%C%_watch_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=inotify_init1 \
	-Wl,--wrap=inotify_add_watch -Wl,--wrap=timerfd_create
%C%_watch_t_LDADD = $(UNIT_LIBS)
%C%_watch_series_t_SOURCES = %D%/watch_series_t.c
%C%_watch_series_t_LDADD = $(UNIT_LIBS)
%C%_writer_t_SOURCES = %D%/writer_t.c
%C%_writer_t_LDADD = $(UNIT_LIBS)
%C%_writer_pairs_t_SOURCES = %D%/writer_pairs_t.c
%C%_writer_pairs_t_LDADD = $(UNIT_LIBS)
%C%_wsdeflate_t_SOURCES = %D%/wsdeflate_t.c
%C%_wsdeflate_t_LDADD = $(UNIT_LIBS)
%C%_wsframe_t_SOURCES = %D%/wsframe_t.c
%C%_wsframe_t_LDADD = $(UNIT_LIBS)
%C%_wsframe_deflate_t_SOURCES = %D%/wsframe_deflate_t.c
%C%_wsframe_deflate_t_LDADD = $(UNIT_LIBS)

%C%_fuzz_replay_t_SOURCES = \
	%D%/fuzz/fuzz.h \
	%D%/fuzz/fuzz-config.c \
	%D%/fuzz/fuzz-cursor.c \
	%D%/fuzz/fuzz-deflate.c \
	%D%/fuzz/fuzz-fcgi.c \
	%D%/fuzz/fuzz-handshake.c \
	%D%/fuzz/fuzz-json.c \
	%D%/fuzz/fuzz-packet.c \
	%D%/fuzz/fuzz-query.c \
	%D%/fuzz/fuzz-wsframe.c \
	%D%/fuzz/host.c \
	%D%/fuzz/host.h \
	%D%/fuzz/program-iframe.c \
	%D%/fuzz/program-longpoll.c \
	%D%/fuzz/program-poll.c \
	%D%/fuzz/program-publish.c \
	%D%/fuzz/program-sse.c \
	%D%/fuzz/replay_t.c \
	daemon/handshake.c \
	daemon/wsconn.c \
	daemon/wsform.c \
	daemon/wsop.c \
	daemon/wsopen.c \
	daemon/wsread.c
%C%_fuzz_replay_t_LDADD = $(UNIT_LIBS)

# What the shell finds by "ls tests/*.t".
dist_check_SCRIPTS += \
	%D%/a-channel-tells-what-it-holds-and-can-be-emptied.t \
	%D%/a-crowd-gets-the-same-with-and-without-io-uring.t \
	%D%/a-cursor-moves-through-all-transports.t \
	%D%/a-held-client-that-is-behind-is-told-what-was-pruned.t \
	%D%/a-large-backlog-comes-without-waiting.t \
	%D%/a-lock-that-somebody-holds-stops-nobody.t \
	%D%/a-loss-is-told-by-a-reset-on-every-transport.t \
	%D%/a-reset-before-a-long-backlog-is-told-once.t \
	%D%/a-restore-while-nothing-runs-is-noticed.t \
	%D%/a-trigger-on-an-application-table-publishes.t \
	%D%/a-websockets-backlog-and-its-operations-mix.t \
	%D%/an-application-with-its-own-file-publishes-by-attach.t \
	%D%/an-expired-message-is-not-delivered.t \
	%D%/an-idempotency-key-makes-publishing-twice-one-message.t \
	%D%/an-iframe-fills-an-element-by-itself.t \
	%D%/bad-starts-are-refused-with-a-sentence.t \
	%D%/bodies-on-their-way-in-are-bounded.t \
	%D%/broken-fastcgi-peers-harm-nobody.t \
	%D%/broken-websocket-peers-harm-nobody.t \
	%D%/busy-database-delays-publish-alone.t \
	%D%/channels-are-named-in-every-way-and-no-character-is-magic.t \
	%D%/checkpoints-and-vacuum-do-not-deafen.t \
	%D%/clients-nobody-here-wrote-work.t \
	%D%/clients-of-one-channel-get-the-same-bytes.t \
	%D%/command-line-publishes-prunes-and-checks.t \
	%D%/commit-reaches-sse-within-milliseconds.t \
	%D%/compression-does-not-hold-streams-back.t \
	%D%/connections-to-a-program-are-used-again.t \
	%D%/connects-by-the-thousand-leave-nothing.t \
	%D%/corrupt-database-is-refused.t \
	%D%/cors-follows-the-list-of-origins.t \
	%D%/cursors-are-read-in-every-form-and-place.t \
	%D%/deadlines-are-of-progress.t \
	%D%/echo-false-spares-the-publisher-alone.t \
	%D%/emptying-a-large-channel-lets-others-publish.t \
	%D%/errors-are-problems-in-json-in-every-program.t \
	%D%/every-commit-wakes-subscribers.t \
	%D%/every-program-answers-as-plain-cgi.t \
	%D%/fault-proxy-has-its-faults.t \
	%D%/faulty-heads-are-refused-one-by-one.t \
	%D%/feeders.t \
	%D%/format-text-is-the-newest-data-as-it-is.t \
	%D%/forwarded-addresses-count-from-trusted-proxies-only.t \
	%D%/full-disk-refuses-publish-alone.t \
	%D%/full-run-folder-kills-nobody.t \
	%D%/hand-overs-are-taken-from-httpds-user-alone.t \
	%D%/hand-overs-by-the-thousand-leave-nothing.t \
	%D%/hand-overs-without-descriptors-cost-one-client-each.t \
	%D%/handed-over-clients-are-answered-in-http.t \
	%D%/held-streams-end-by-themselves-after-a-random-life.t \
	%D%/held-websockets-keep-little-of-their-request.t \
	%D%/htmx-works-unchanged.t \
	%D%/http2-does-not-hold-streams-back.t \
	%D%/iframe-callback-names-are-checked.t \
	%D%/iframe-data-cannot-leave-its-script.t \
	%D%/js-503-for-a-while-loses-nothing.t \
	%D%/js-a-closed-feed-is-silent.t \
	%D%/js-a-frozen-tab-hands-over.t \
	%D%/js-a-loss-is-told-by-reset.t \
	%D%/js-a-throttled-tab-yields-the-lead.t \
	%D%/js-another-tab-takes-over.t \
	%D%/js-answers-of-others-are-waited-out.t \
	%D%/js-any-mix-of-faults-loses-nothing.t \
	%D%/js-asks-no-more-than-it-must.t \
	%D%/js-climbs-again.t \
	%D%/js-clocks-may-jump.t \
	%D%/js-comes-back-from-bfcache.t \
	%D%/js-comes-back-soon-after-an-outage.t \
	%D%/js-each-transport-delivers-in-order.t \
	%D%/js-eventsource-is-a-drop-in.t \
	%D%/js-goes-on-when-online-again.t \
	%D%/js-hundreds-of-channels.t \
	%D%/js-is-es5-and-small.t \
	%D%/js-killed-programs-lose-nothing.t \
	%D%/js-ladder-steps-down-when-a-proxy-buffers.t \
	%D%/js-ladder-survives-idle-droppers.t \
	%D%/js-ladder-takes-the-best-rung-that-is-left.t \
	%D%/js-misuse-is-a-typeerror.t \
	%D%/js-names-and-numbers-are-taken-as-they-are.t \
	%D%/js-own-publish-after-subscribe-arrives.t \
	%D%/js-publishes-once-through-faults.t \
	%D%/js-restarted-httpd-loses-nothing.t \
	%D%/js-runs-in-an-es5-browser.t \
	%D%/js-shares-only-where-tabs-hear-each-other.t \
	%D%/js-start-is-kept-when-the-lead-changes.t \
	%D%/js-stops-on-401-403-404-410-and-204.t \
	%D%/js-subscribes-at-run-time.t \
	%D%/js-subscribing-in-a-hidden-tab-loses-nothing.t \
	%D%/js-survives-sleep.t \
	%D%/js-tabs-share-without-web-locks.t \
	%D%/js-twelve-tabs-share-one-connection.t \
	%D%/js-types-tell-all-of-it.t \
	%D%/js-watchdog-notices-dead-streams.t \
	%D%/js-works-in-a-service-worker.t \
	%D%/js-works-in-node.t \
	%D%/js-works-in-workers-and-modules.t \
	%D%/js-works-where-there-is-no-page.t \
	%D%/killed-program-is-noticed-at-once.t \
	%D%/killed-programs-lose-nothing.t \
	%D%/killed-supervisor-takes-its-programs-along.t \
	%D%/locked-database-delays-the-start.t \
	%D%/long-polls-by-the-thousand-leave-nothing.t \
	%D%/longpoll-answers-empty-or-304-after-wait-seconds.t \
	%D%/longpoll-holds-until-a-message-comes.t \
	%D%/malformed-hand-overs-end-that-link-alone.t \
	%D%/manuals-match-the-programs.t \
	%D%/messages-arrive-exactly-as-published-on-every-transport.t \
	%D%/missing-database-comes-back.t \
	%D%/mod-tidings-asks-httpd-who-may-first.t \
	%D%/mod-tidings-bears-what-peers-do-to-it.t \
	%D%/mod-tidings-clients-outlive-httpd.t \
	%D%/mod-tidings-declines-what-it-cant-give-away.t \
	%D%/mod-tidings-goes-around-programs-that-are-away-or-stuck.t \
	%D%/mod-tidings-hand-overs-by-the-thousand-leave-nothing.t \
	%D%/mod-tidings-holds-no-worker-of-event.t \
	%D%/mod-tidings-holds-no-worker-of-prefork.t \
	%D%/mod-tidings-holds-no-worker-of-worker.t \
	%D%/mod-tidings-operations-leave-nothing-in-httpd.t \
	%D%/mod-tidings-parked-clients-outlive-httpd.t \
	%D%/mod-tidings-parked-clients-outlive-programs.t \
	%D%/mod-tidings-parks-by-the-thousand-leave-nothing.t \
	%D%/mod-tidings-parks-clients-that-flood-or-never-read.t \
	%D%/mod-tidings-parks-tls-on-no-worker.t \
	%D%/mod-tidings-parks-websockets-that-pass-every-case.t \
	%D%/mod-tidings-refuses-wrong-directives.t \
	%D%/mod-tidings-tells-all-that-httpd-knows.t \
	%D%/mod-tidings-websockets-pass-every-case.t \
	%D%/no-single-input-holds-the-loop.t \
	%D%/operations-by-the-ten-thousand-leave-nothing.t \
	%D%/others-in-httpd-leave-streams-alone.t \
	%D%/out-of-descriptors-recovers.t \
	%D%/page-chat-in-readme.t \
	%D%/page-chat.t \
	%D%/page-clock-iframe.t \
	%D%/page-clock-longpoll.t \
	%D%/page-clock-poll.t \
	%D%/page-clock-sse.t \
	%D%/page-clock-ws.t \
	%D%/page-clocks-in-firefox.t \
	%D%/page-compare.t \
	%D%/page-home.t \
	%D%/page-layout.t \
	%D%/page-library-in-readme.t \
	%D%/page-login.t \
	%D%/page-monitor.t \
	%D%/page-news.t \
	%D%/page-quotes.t \
	%D%/page-wordpress-style.t \
	%D%/php-helper-publishes-in-the-applications-transaction.t \
	%D%/php-runs-in-the-examples-alone.t \
	%D%/parked-clients-share-what-they-get.t \
	%D%/parked-clients-that-take-nothing-hold-nobody-up.t \
	%D%/poll-answers-304-only-to-if-none-match.t \
	%D%/poll-answers-what-came-since-the-cursor.t \
	%D%/polling-pages-through-a-backlog-without-loss.t \
	%D%/program-that-keeps-dying-is-started-slowly.t \
	%D%/programs-that-nobody-asks-watch-nothing.t \
	%D%/pruning-lets-other-writers-in.t \
	%D%/pruning-resets-exactly-those-who-missed.t \
	%D%/publish-commits-a-batch-whole-or-not-at-all.t \
	%D%/publish-needs-a-key-of-the-configuration.t \
	%D%/publish-refuses-with-a-reason.t \
	%D%/publish-takes-a-raw-body-and-keeps-its-type.t \
	%D%/publish-takes-form-fields.t \
	%D%/publishes-of-many-share-commits.t \
	%D%/quickstart-of-root-follows-no-link-either.t \
	%D%/quickstart-starts-and-stops-the-demo.t \
	%D%/readme-commands-work.t \
	%D%/readmes-match.t \
	%D%/refusals-come-before-the-body.t \
	%D%/replaced-folder-does-not-deafen.t \
	%D%/restarted-httpd-loses-nothing.t \
	%D%/restored-backup-resets-clients.t \
	%D%/restored-in-place-resets-clients.t \
	%D%/retention-by-age-goes-by-each-message-alone.t \
	%D%/retention-prunes-by-count-age-and-size.t \
	%D%/rooms-stand-on-each-other.t \
	%D%/root-follows-no-link-that-another-user-plants.t \
	%D%/sighup-changes-settings-and-drops-nobody.t \
	%D%/sighup-in-the-middle-of-a-connection-harms-nobody.t \
	%D%/slow-and-flooding-handshakes-hold-nobody-up.t \
	%D%/slow-bodies-and-quick-connects-delay-nobody.t \
	%D%/source-keeps-the-rules.t \
	%D%/sql-publishing-is-part-of-the-writers-transaction.t \
	%D%/sse-begins-with-comment-retry-and-cursor.t \
	%D%/sse-event-names-arrive-as-published.t \
	%D%/sse-format-json-tells-the-whole-message.t \
	%D%/sse-resumes-without-gap-or-duplicate-in-a-storm.t \
	%D%/stalled-reader-is-cut.t \
	%D%/status-is-a-page-json-and-metrics.t \
	%D%/stop-ends-every-stream.t \
	%D%/stop-ends-what-httpd-handed-over.t \
	%D%/streams-beat-while-nothing-happens.t \
	%D%/the-files-of-a-database-are-one.t \
	%D%/the-schema-refuses-what-could-not-be-sent.t \
	%D%/tidings-feed-element.t \
	%D%/too-many-clients-are-refused-with-503.t \
	%D%/unfinished-websocket-messages-are-bounded.t \
	%D%/vanished-clients-are-noticed.t \
	%D%/wal-removed-behind-a-restore-is-noticed.t \
	%D%/websocket-carries-data-or-json-frames.t \
	%D%/websocket-clients-that-leave-or-flood-harm-nobody.t \
	%D%/websocket-deflate-passes-every-case-directly.t \
	%D%/websocket-deflate-passes-every-case-through-httpd.t \
	%D%/websocket-deflate-passes-every-case-through-wstunnel.t \
	%D%/websocket-echo-pings-and-closes-as-the-rfc-says.t \
	%D%/websocket-ends-promptly-on-both-sides.t \
	%D%/websocket-extensions-are-negotiated.t \
	%D%/websocket-handshakes-are-checked.t \
	%D%/websocket-holds-thousands-of-channels.t \
	%D%/websocket-operations-are-answered-with-their-ref.t \
	%D%/websocket-over-tls-is-the-same.t \
	%D%/websocket-passes-every-case-directly.t \
	%D%/websocket-passes-every-case-through-httpd.t \
	%D%/websocket-passes-every-case-through-wstunnel.t \
	%D%/websocket-peers-that-never-read-cost-little.t \
	%D%/websocket-resumes-at-the-seam.t \
	%D%/websocket-stop-spreads-its-closes.t \
	%D%/websocket-work-of-some-starves-nobody.t \
	%D%/what-one-connection-publishes-keeps-its-order.t \
	%D%/who-may-publish-is-the-same-on-every-way-in.t

EXTRA_DIST += \
	%D%/browser/feed.html \
	%D%/browser/feed.py \
	%D%/browser/firefox.py \
	%D%/browser/page.py \
	%D%/browser/screenshots \
	%D%/checked \
	%D%/clients/package-lock.json \
	%D%/clients/package.json \
	%D%/fuzz/corpus/config/bounds \
	%D%/fuzz/corpus/config/bracket \
	%D%/fuzz/corpus/config/indented \
	%D%/fuzz/corpus/config/long-line \
	%D%/fuzz/corpus/config/long-section \
	%D%/fuzz/corpus/config/nonsense \
	%D%/fuzz/corpus/config/nul \
	%D%/fuzz/corpus/config/open \
	%D%/fuzz/corpus/config/whole \
	%D%/fuzz/corpus/cursor/any \
	%D%/fuzz/corpus/cursor/at \
	%D%/fuzz/corpus/cursor/bare \
	%D%/fuzz/corpus/cursor/earliest \
	%D%/fuzz/corpus/cursor/etag \
	%D%/fuzz/corpus/cursor/half \
	%D%/fuzz/corpus/cursor/last \
	%D%/fuzz/corpus/cursor/latest \
	%D%/fuzz/corpus/cursor/list \
	%D%/fuzz/corpus/cursor/long \
	%D%/fuzz/corpus/deflate/bomb \
	%D%/fuzz/corpus/deflate/empty-blocks \
	%D%/fuzz/corpus/deflate/final-block \
	%D%/fuzz/corpus/deflate/final-block-points-back \
	%D%/fuzz/corpus/deflate/hello \
	%D%/fuzz/corpus/deflate/invalid \
	%D%/fuzz/corpus/deflate/nothing-allowed \
	%D%/fuzz/corpus/deflate/offer-broken \
	%D%/fuzz/corpus/deflate/offer-browser \
	%D%/fuzz/corpus/deflate/offer-many \
	%D%/fuzz/corpus/deflate/offer-quoted \
	%D%/fuzz/corpus/deflate/stored \
	%D%/fuzz/corpus/deflate/text \
	%D%/fuzz/corpus/deflate/too-far-back \
	%D%/fuzz/corpus/deflate/two-blocks \
	%D%/fuzz/corpus/fcgi/abort \
	%D%/fuzz/corpus/fcgi/get \
	%D%/fuzz/corpus/fcgi/lies \
	%D%/fuzz/corpus/fcgi/long-values \
	%D%/fuzz/corpus/fcgi/post \
	%D%/fuzz/corpus/fcgi/role \
	%D%/fuzz/corpus/fcgi/second \
	%D%/fuzz/corpus/fcgi/too-big \
	%D%/fuzz/corpus/fcgi/unknown \
	%D%/fuzz/corpus/fcgi/values \
	%D%/fuzz/corpus/handshake/broken-extensions \
	%D%/fuzz/corpus/handshake/browser \
	%D%/fuzz/corpus/handshake/extensions \
	%D%/fuzz/corpus/handshake/first-field-empty-name \
	%D%/fuzz/corpus/handshake/first-field-folded \
	%D%/fuzz/corpus/handshake/first-field-gap \
	%D%/fuzz/corpus/handshake/first-field-tab \
	%D%/fuzz/corpus/handshake/frames-behind \
	%D%/fuzz/corpus/handshake/gap \
	%D%/fuzz/corpus/handshake/limit-and-gap \
	%D%/fuzz/corpus/handshake/limit-and-no-colon \
	%D%/fuzz/corpus/handshake/loop \
	%D%/fuzz/corpus/handshake/not-http \
	%D%/fuzz/corpus/handshake/proxied \
	%D%/fuzz/corpus/handshake/twice \
	%D%/fuzz/corpus/handshake/user-of-a-proxy \
	%D%/fuzz/corpus/handshake/user-of-a-stranger \
	%D%/fuzz/corpus/json/bad-utf8 \
	%D%/fuzz/corpus/json/list \
	%D%/fuzz/corpus/json/member \
	%D%/fuzz/corpus/json/message \
	%D%/fuzz/corpus/json/nul \
	%D%/fuzz/corpus/json/number \
	%D%/fuzz/corpus/json/object \
	%D%/fuzz/corpus/json/script \
	%D%/fuzz/corpus/json/surrogate \
	%D%/fuzz/corpus/json/twice \
	%D%/fuzz/corpus/packet/client \
	%D%/fuzz/corpus/packet/client-evil-headers \
	%D%/fuzz/corpus/packet/empty-to-wsd \
	%D%/fuzz/corpus/packet/empty-with-a-descriptor \
	%D%/fuzz/corpus/packet/gone \
	%D%/fuzz/corpus/packet/hello \
	%D%/fuzz/corpus/packet/input \
	%D%/fuzz/corpus/packet/leave \
	%D%/fuzz/corpus/packet/lies \
	%D%/fuzz/corpus/packet/park \
	%D%/fuzz/corpus/packet/taken \
	%D%/fuzz/corpus/packet/two-descriptors \
	%D%/fuzz/corpus/query/bad-escape \
	%D%/fuzz/corpus/query/channels \
	%D%/fuzz/corpus/query/control \
	%D%/fuzz/corpus/query/empty \
	%D%/fuzz/corpus/query/escapes \
	%D%/fuzz/corpus/query/etag \
	%D%/fuzz/corpus/query/form \
	%D%/fuzz/corpus/query/header \
	%D%/fuzz/corpus/query/many \
	%D%/fuzz/corpus/query/odd \
	%D%/fuzz/corpus/wsframe/bad-close \
	%D%/fuzz/corpus/wsframe/binary \
	%D%/fuzz/corpus/wsframe/close \
	%D%/fuzz/corpus/wsframe/deflate-bad-utf8 \
	%D%/fuzz/corpus/wsframe/deflate-bad-utf8-and-too-big \
	%D%/fuzz/corpus/wsframe/deflate-binary \
	%D%/fuzz/corpus/wsframe/deflate-bomb \
	%D%/fuzz/corpus/wsframe/deflate-empty \
	%D%/fuzz/corpus/wsframe/deflate-empty-blocks \
	%D%/fuzz/corpus/wsframe/deflate-final-block \
	%D%/fuzz/corpus/wsframe/deflate-fragments \
	%D%/fuzz/corpus/wsframe/deflate-not-deflate \
	%D%/fuzz/corpus/wsframe/deflate-order-of-faults \
	%D%/fuzz/corpus/wsframe/deflate-pause \
	%D%/fuzz/corpus/wsframe/deflate-rsv-continuation \
	%D%/fuzz/corpus/wsframe/deflate-stored \
	%D%/fuzz/corpus/wsframe/fragments \
	%D%/fuzz/corpus/wsframe/huge \
	%D%/fuzz/corpus/wsframe/invalid \
	%D%/fuzz/corpus/wsframe/key \
	%D%/fuzz/corpus/wsframe/pings \
	%D%/fuzz/corpus/wsframe/rsv \
	%D%/fuzz/corpus/wsframe/text \
	%D%/fuzz/corpus/wsframe/too-big \
	%D%/fuzz/corpus/wsframe/unmasked \
	%D%/fuzz/driver.c \
	%D%/fuzz/run \
	%D%/lib/es5_names.js \
	%D%/lib/es5_page.js \
	%D%/lib/handover_site.py \
	%D%/lib/js_world.js \
	%D%/lib/js_world.py \
	%D%/lib/handover_cases.py \
	%D%/lib/npm_clients.py \
	%D%/lib/planted_links.py \
	%D%/lib/fake_httpd.py \
	%D%/lib/fault_proxy.py \
	%D%/lib/tidings_clients.py \
	%D%/lib/tidings_test.py \
	%D%/lib/types.js \
	%D%/lib/websocket_cases.py \
	%D%/lib/websocket_client.py \
	%D%/lib/websocket_deflate_cases.py \
	%D%/lib/websocket_suite.py \
	%D%/lib/websocket_text_cases.py \
	%D%/lib/wordpress_stand_in.php \
	%D%/run

TESTS = $(check_PROGRAMS) $(dist_check_SCRIPTS)

# Each target runs for so long; "make fuzz FUZZ_SECONDS=600 FUZZ_TARGETS=fcgi".
FUZZ_SECONDS = 60
FUZZ_TARGETS =
FUZZ_DEFS = $(DEFS) $(DEFAULT_INCLUDES) -I$(srcdir) -I$(builddir) \
	$(SQLITE_CFLAGS) $(JANSSON_CFLAGS) $(INIH_CFLAGS) $(NETTLE_CFLAGS) \
	$(URING_CFLAGS) $(ZLIB_CFLAGS) $(CPPFLAGS)
FUZZ_LINK = $(SQLITE_LIBS) $(JANSSON_LIBS) $(INIH_LIBS) $(EV_LIBS) \
	$(NETTLE_LIBS) $(URING_LIBS) $(WSLAY_LIBS) $(ZLIB_LIBS)
fuzz: all
	CPPFLAGS='$(FUZZ_DEFS)' LIBS='$(FUZZ_LINK)' $(srcdir)/%D%/fuzz/run \
	    $(srcdir) $(builddir) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Everything with the sanitizers; under valgrind, which is far slower, the units
# and one whole-system test for each program and each way to fail.
VALGRIND_TESTS = \
	$(C_TESTS) \
	%D%/a-cursor-moves-through-all-transports.t \
	%D%/a-loss-is-told-by-a-reset-on-every-transport.t \
	%D%/an-idempotency-key-makes-publishing-twice-one-message.t \
	%D%/broken-fastcgi-peers-harm-nobody.t \
	%D%/broken-websocket-peers-harm-nobody.t \
	%D%/cursors-are-read-in-every-form-and-place.t \
	%D%/killed-programs-lose-nothing.t \
	%D%/malformed-hand-overs-end-that-link-alone.t \
	%D%/messages-arrive-exactly-as-published-on-every-transport.t \
	%D%/missing-database-comes-back.t \
	%D%/publish-commits-a-batch-whole-or-not-at-all.t \
	%D%/restored-backup-resets-clients.t \
	%D%/too-many-clients-are-refused-with-503.t \
	%D%/vanished-clients-are-noticed.t \
	%D%/websocket-carries-data-or-json-frames.t \
	%D%/websocket-handshakes-are-checked.t \
	%D%/websocket-operations-are-answered-with-their-ref.t

# What a checker's own cost would make fail: claims about memory and latency,
# and what starts no program.
UNCHECKED_TESTS = \
	%D%/commit-reaches-sse-within-milliseconds.t \
	%D%/program-that-keeps-dying-is-started-slowly.t \
	%D%/slow-bodies-and-quick-connects-delay-nobody.t \
	%D%/source-keeps-the-rules.t \
	%D%/stalled-reader-is-cut.t

check-asan: all
	rm -rf $@ && mkdir $@
	$(MAKE) $(AM_MAKEFLAGS) distdir distdir=$@/src
	UNCHECKED='$(UNCHECKED_TESTS)' $(srcdir)/%D%/checked asan $@ $(TESTS)

# Two more are left out, which take a quarter of an hour each there.
check-valgrind: all
	rm -rf $@ && mkdir $@
	$(MAKE) $(AM_MAKEFLAGS) distdir distdir=$@/src
	UNCHECKED='$(UNCHECKED_TESTS) %D%/prune.t %D%/sink.t' \
	    $(srcdir)/%D%/checked valgrind $@ $(VALGRIND_TESTS)

clean-local:
	rm -rf check-asan check-valgrind %D%/fuzz/found %D%/fuzz/obj
