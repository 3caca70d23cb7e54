#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-another-tab-takes-over.t - issue 4: the tab that has the connection is
# closed, goes elsewhere, ends its feed or crashes: another takes over, one alone
# leads, and nobody misses a message.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


def close(client, leader):
    client.browser.look(client.places[leader])
    client.browser.close_tab()
    client.watched.remove(leader)


def leave(client, leader):
    client.browser.look(client.places[leader])
    client.browser.navigate('about:blank')
    client.watched.remove(leader)


def end(client, leader):
    client.forget(leader)


def test(t, stage):
    for client in stage.clients:
        for n in range(5):
            client.tab('tab %d' % n)
    stage.publish()
    stage.flows(t, 'at first')
    for how in (close, leave, end):
        for client in stage.clients:
            leaders = until(lambda: len(client.leaders()) == 1 and
                            client.leaders())
            t.ok(leaders, client.name + ': one leads')
            how(client, leaders[0])
        stage.flows(t, 'though the leader did: ' + how.__name__)
        stage.soon(t, lambda client: len(client.leaders()) == 1,
                   'another leads')
        for client in stage.clients:
            t.soon(lambda: client.proxy.open('/push/') == 1,
                   client.name + ': one connection')
    stage.complete(t)


stage_test(test)
