#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-shares-only-where-tabs-hear-each-other.t - issue 12: two tabs with Web Locks
# and without BroadcastChannel stole the lead from each other for ever, because
# nothing that one said came to the other. Without a bus each has a line of its
# own; with the storage as bus they share one, and keep to it while they are idle.

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


# Longer than a tab that hears nothing waits before it takes the lead.
IDLE_S = 17


def tabs(t, stage, without, leaders):
    page = '/feed.html?without=' + without
    for client in stage.clients:
        client.open()
        client.browser.visit(client.proxy.url + page)
        for n in range(2):
            client.tab('tab %d' % n, page)
        label = '%s, without %s: ' % (client.name, without)
        t.soon(lambda: all(client.live_by(name) for name in client.watched) and
               len(client.leaders()) == leaders, label + '%d lead' % leaders, 20,
               *[lambda n=n: client.story(n) for n in client.watched])
    for n in range(2):
        stage.site.publish_sql('feed', '%s %d' % (without, n))
        seen = {client: [client.told(name, 'status') for name in client.watched]
                for client in stage.clients}
        mark = time.monotonic() + IDLE_S
        until(lambda: time.monotonic() > mark, IDLE_S + 5)
        for client in stage.clients:
            t.equal([client.told(name, 'status') for name in client.watched], seen[client],
                    '%s, without %s: nobody takes the lead' % (client.name, without))
    stage.site.publish_sql('feed', 'at last')
    for client in stage.clients:
        for name in client.watched:
            t.soon(lambda: client.got(name)[-1][3] == 'at last',
                   '%s, without %s, %s: a message comes' % (client.name, without, name))
        t.equal(client.proxy.open('/push/'), leaders,
                '%s, without %s: %d connections' % (client.name, without, leaders))
        client.browser.close_tab()


def test(t, stage):
    tabs(t, stage, 'BroadcastChannel,localStorage', 2)
    tabs(t, stage, 'BroadcastChannel', 1)
    tabs(t, stage, 'BroadcastChannel,locks,localStorage', 2)


stage_test(test, settings={'tidings': {'life_min': '200s', 'life_max': '300s'}})
