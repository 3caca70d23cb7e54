#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-a-frozen-tab-hands-over.t - issue 4: the tab that has the connection stands
# still, as browsers do with tabs in the background, and keeps its lock: another
# takes over. When it moves again one alone leads, and no tab has missed anything.

import contextlib
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


def test(t, stage):
    for client in stage.clients:
        for n in range(3):
            client.tab('tab %d' % n)
    stage.publish()
    stage.flows(t, 'at first')
    with contextlib.ExitStack() as frozen:
        for client in stage.clients:
            leader = until(lambda: len(client.leaders()) == 1 and
                           client.leaders())[0]
            if client.name == 'firefox':
                # It may not have a process for each of them.
                pids = {}
                for name in client.watched:
                    client.browser.switch(client.places[name])
                    pids[name] = client.browser.page_pid()
                t.note('processes of Firefox: %r' % pids)
                alone = list(pids.values()).count(pids[leader]) == 1
                if not alone:
                    t.skip_rest('Firefox has one process for several tabs')
                    continue
            client.browser.switch(client.places[leader])
            frozen.enter_context(client.browser.frozen())
            client.watched.remove(leader)
            client.leader = leader
            client.browser.look(client.places[client.watched[0]])
        stage.flows(t, 'though the leader stands still', 5, 40)
        stage.soon(t, lambda client: len(client.leaders()) == 1,
                   'another leads')
    for client in stage.clients:
        client.watched.append(client.leader)
    stage.flows(t, 'when it moves again')
    stage.soon(t, lambda client: len(client.leaders()) == 1, 'one leads')
    for client in stage.clients:
        t.soon(lambda: client.proxy.open('/push/') == 1,
               client.name + ': one connection')
    stage.complete(t)


stage_test(test, only='whole chromium,firefox')
