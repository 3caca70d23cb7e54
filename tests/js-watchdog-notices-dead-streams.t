#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-watchdog-notices-dead-streams.t - issue 4: connections go dead, and nobody
# tells: they stay open and nothing passes, as when a router forgets them. Each
# transport notices by the missing heartbeats, comes back, and loses nothing.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


def test(t, stage):
    for name in ('ws', 'sse', 'longpoll', 'iframe', 'poll'):
        stage.watch(name, transports=[name])
    stage.watch('ladder')
    stage.publish()
    for n in range(2):
        stage.flows(t, 'before')
        for client in stage.clients:
            # Streams and a poll under way; there may be more.
            until(lambda: all(client.proxy.open('/push/' + name)
                              for name in ('ws', 'sse', 'longpoll', 'iframe')))
            client.proxy.lose()
            t.ok(client.proxy.lost() >= 4, '%s: all connections are dead' %
                 client.name, client.proxy.lost())
        stage.flows(t, 'after that')
    stage.complete(t)


stage_test(test)
