#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-shares-only-where-tabs-hear-each-other.t - issue 12: two tabs with Web Locks
# and without BroadcastChannel stole the lead from each other for ever, because
# nothing that one said came to the other. Without a bus each has a line of its
# own; with the storage as bus they share one, and keep to it while they are idle.

import contextlib
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import Client, FaultProxy, stage_test, until  # noqa: E402


# Longer than a tab that hears nothing waits before it takes the lead.
IDLE_S = 17
# What a browser does not have, and how many of two tabs lead then.
WITHOUT = {'BroadcastChannel,localStorage': 2, 'BroadcastChannel': 1,
           'BroadcastChannel,locks,localStorage': 2}


def two_tabs(t, browser, proxy, without):
    """Each kind has an origin of its own, so they know nothing of each other."""
    page = '/feed.html?without=' + without
    client = Client(browser, proxy)
    browser.new_tab(proxy.url + page)
    client.label = '%s, without %s: ' % (client.name, without)
    client.leading = WITHOUT[without]
    for n in range(2):
        client.tab('tab %d' % n, page)
    t.soon(lambda: all(client.live_by(name) for name in client.watched) and
           len(client.leaders()) == client.leading,
           client.label + '%d lead' % client.leading, 20,
           *[lambda n=n: client.story(n) for n in client.watched])
    return client


def told(clients):
    return [[client.told(name, 'status') for name in client.watched] for client in clients]


def test(t, stage):
    with contextlib.ExitStack() as stack:
        clients = [two_tabs(t, first.browser, stack.enter_context(FaultProxy(stage.site)), without)
                   for without in WITHOUT for first in stage.clients]
        for n in range(2):
            stage.site.publish_sql('feed', 'message %d' % n)
            seen = told(clients)
            mark = time.monotonic() + IDLE_S
            until(lambda: time.monotonic() > mark, IDLE_S + 5)
            for client, now, before in zip(clients, told(clients), seen):
                t.equal(now, before, client.label + 'nobody takes the lead')
        stage.site.publish_sql('feed', 'at last')
        for client in clients:
            for name in client.watched:
                t.soon(lambda: client.got(name)[-1][3] == 'at last',
                       client.label + name + ': a message comes')
            t.equal(client.proxy.open('/push/'), client.leading,
                    client.label + '%d connections' % client.leading)


stage_test(test, settings={'tidings': {'life_min': '200s', 'life_max': '300s'}})
