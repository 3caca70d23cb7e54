#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-restarted-httpd-loses-nothing.t - issue 4: httpd restarted gracefully,
# restarted hard and killed, with the browsers talking to it directly: the
# library comes back over each transport and on the ladder, and every message
# arrives once and in order.

import os
import sys
import signal

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')


def test(t, stage):
    site = stage.site
    for client in stage.clients:
        client.open(url=site.url)
    for name in TRANSPORTS:
        stage.watch(name, transports=[name])
    stage.watch('ladder')
    stage.publish()
    stage.flows(t, 'at first')
    for what, restart in (
            ('a graceful restart', lambda: site.httpd.send_signal(signal.SIGUSR1)),
            ('a hard restart', lambda: site.httpd.send_signal(signal.SIGHUP)),
            ('kill -9', site.kill_httpd)):
        restart()
        stage.flows(t, 'after ' + what, 40)
        t.ok(site.httpd.poll() is None, 'httpd lives after ' + what)
    stage.complete(t)


stage_test(test)
