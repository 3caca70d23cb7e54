#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-climbs-again.t - issue 4: who is down on the ladder tries upward again
# beside what works, and moves up when the better transport proves itself; the
# one that worked is remembered for the next page. Nothing is lost on the way.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


def test(t, stage):
    for client in stage.clients:
        client.proxy.reset('/push/ws', '/push/iframe')
        client.proxy.hang('/push/sse', '/push/longpoll')
    stage.watch('ladder', upgrade=500, timeout=1000)
    stage.publish()
    stage.soon(t, lambda client: client.live_by('ladder') == 'poll',
               'all is closed but short polls')
    stage.flows(t, 'by poll')
    for client in stage.clients:
        before = client.proxy.requests('/push/ws')
        t.soon(lambda: client.proxy.requests('/push/ws') > before,
               client.name + ': it tries upward, for nothing')
        t.equal(client.live_by('ladder'), 'poll',
                client.name + ': and stays open meanwhile')
    told_to_wait(t, stage)
    for client in stage.clients:
        client.proxy.heal()
        client.proxy.reset('/push/ws')
    stage.soon(t, lambda client: client.live_by('ladder') in (
        'sse', 'longpoll'), 'up, to what is open again', 30)
    stage.flows(t, 'up there')
    for client in stage.clients:
        client.proxy.heal()
    stage.soon(t, lambda client: client.live_by('ladder') == 'ws',
               'to the top', 30)
    stage.flows(t, 'at the top')
    stage.complete(t, end=False)
    remembered(t, stage)


def told_to_wait(t, stage):
    """A server that is busy is not asked by the next transport at once."""
    def asked(client, path, after=0):
        return [entry[0] for entry in list(client.proxy.seen)
                if entry[2].startswith(path) and entry[0] > after and
                entry[3] == 503]

    for client in stage.clients:
        client.proxy.answer(503, '/push/sse', '/push/longpoll', retry_after=2)
    for client in stage.clients:
        t.soon(lambda: asked(client, '/push/sse'),
               client.name + ': a better one is told to come back later')
        first = asked(client, '/push/sse')[0]
        t.soon(lambda: asked(client, '/push/longpoll', first),
               client.name + ': the next one is tried')
        waited = asked(client, '/push/longpoll', first)[0] - first
        t.ok(waited > 1.9, client.name + ': then, not before', waited)


def remembered(t, stage):
    for client in stage.clients:
        client.open()
        client.proxy.reset('/push/ws')
    stage.watch('first')
    stage.soon(t, lambda client: client.live_by('first') == 'sse', 'by sse')
    for client in stage.clients:
        client.proxy.heal()
        client.browser.visit(client.proxy.url + '/feed.html')
        client.watched = []
        client.proxy.seen.clear()
    stage.watch('second', upgrade=2000)
    stage.soon(t, lambda client: client.live_by('second') == 'sse',
               'the next page begins with what worked')
    for client in stage.clients:
        t.equal(client.proxy.requests('/push/ws'), 0,
                client.name + ': and tried no other')
    stage.soon(t, lambda client: client.live_by('second') == 'ws',
               'and climbs as well')
    stage.complete(t)


stage_test(test)
