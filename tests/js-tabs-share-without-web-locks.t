#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-tabs-share-without-web-locks.t - issue 4: a page without Web Locks, as every
# one over plain http is, and without BroadcastChannel, as in older browsers,
# shares its connection by the storage; when the leader closes, another takes
# over. Nothing is lost.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


def test(t, stage):
    stage.publish()
    for without in ('locks', 'locks,BroadcastChannel'):
        page = '/feed.html?without=' + without
        for client in stage.clients:
            client.open(page)
            for n in range(3):
                client.tab('%s %d' % (without, n), page)
        stage.flows(t, 'at first')
        stage.soon(t, lambda client: len(client.leaders()) == 1, 'one leads')
        for client in stage.clients:
            t.soon(lambda: client.proxy.open('/push/') == 1,
                   client.name + ': one connection')
            leader = client.leaders()[0]
            client.browser.look(client.places[leader])
            client.browser.close_tab()
            client.watched.remove(leader)
        stage.flows(t, 'though the leader is gone')
        stage.soon(t, lambda client: len(client.leaders()) == 1,
                   'another leads')
        stage.complete(t, end=False)
        for client in stage.clients:
            while len(client.browser.tabs()) > 1:
                client.browser.look(client.browser.tabs()[-1])
                client.browser.close_tab()
            client.browser.look(client.browser.tabs()[0])


stage_test(test)
