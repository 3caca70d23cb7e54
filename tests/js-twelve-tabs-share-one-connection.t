#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-twelve-tabs-share-one-connection.t - issue 4: a browser keeps six
# connections to a host and no more; twelve tabs are all live on one of them, and
# each gets every message once and in order.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


TABS = 12


def test(t, stage):
    for client in stage.clients:
        for n in range(TABS):
            client.tab('tab %d' % n)
    stage.publish()
    stage.flows(t, 'at first')
    stage.soon(t, lambda client: len(client.leaders()) == 1, 'one leads')
    for client in stage.clients:
        t.soon(lambda: client.proxy.open('/push/') == 1,
               client.name + ': one request is open', 20,
               lambda: client.proxy.open('/push/'))
        t.equal(client.proxy.open('/push/ws'), 1,
                client.name + ': it is the WebSocket')
        leader = client.leaders()[0]
        t.equal({client.live_by(name) for name in client.watched}, {'ws'},
                client.name + ': each tab knows what it comes by')
        # All tabs say it, whichever asks.
        client.at(leader, 'feeds[arguments[0]].publish("feed", "from a tab")')
        other = next(name for name in client.watched if name != leader)
        client.at(other, 'feeds[arguments[0]].publish("feed", "another")')
    stage.flows(t, 'and on')
    for client in stage.clients:
        client.proxy.cut()
    stage.flows(t, 'after a cut')
    stage.complete(t)
    data = [m[3] for m in stage.messages()]
    for text in ('from a tab', 'another'):
        t.equal(data.count(text), len(stage.clients),
                'published once: ' + text)


stage_test(test)
