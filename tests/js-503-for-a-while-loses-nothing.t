#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-503-for-a-while-loses-nothing.t - issue 4: the server answers 503, and then
# 502, to everything for a while, as EventSource gives up on: each transport and
# the ladder come back, with back-off, and not before the time of Retry-After;
# nothing is lost.

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


NAMES = ('ws', 'sse', 'longpoll', 'iframe', 'poll', 'ladder')


def waits(client, name):
    return len([one for one in client.told(name, 'status')
                if one['detail']['state'] == 'waiting'])


def test(t, stage):
    for name in NAMES[:-1]:
        stage.watch(name, transports=[name])
    stage.watch('ladder')
    stage.publish()
    stage.flows(t, 'at first')
    for status in (503, 502):
        refused, before = {}, {}
        for client in stage.clients:
            before.update({(client, n): waits(client, n) for n in NAMES})
            client.proxy.answer(status)
            client.proxy.cut()
            refused[client] = time.monotonic()
        stage.soon(t, lambda client: all(
            waits(client, n) > before[client, n] for n in NAMES),
            '%d: all wait' % status, 60)
        until(lambda: time.monotonic() > max(refused.values()) + 3)
        for client in stage.clients:
            n = client.proxy.requests('/push/', refused[client])
            # The back-off is soon half a second on average; the ladder asks
            # for more than one thing at a time.
            t.ok(6 <= n <= 300, '%s: %d: tried, and did not storm' % (
                client.name, status), n)
            client.proxy.heal()
        stage.flows(t, 'after %d' % status)
    later(t, stage)
    stage.complete(t)


def later(t, stage):
    """Who is told when to come back does not come before."""
    for client in stage.clients:
        client.forget()
        client.watch('told', transports=['sse'])
    obey(t, stage, 'told', 'sse', 3, 1)
    for client in stage.clients:
        client.forget()
        # Long enough for a slow machine to hear of the refusal.
        client.watch('told ladder', timeout=5000)
    obey(t, stage, 'told ladder', 'ws', 1, 3)


def obey(t, stage, name, rung, seconds, times):
    stage.flows(t, 'of one feed')
    # Who was further down would climb meanwhile, beside what is refused.
    stage.soon(t, lambda client: client.live_by(name) == rung,
               '%s: by %s' % (name, rung))
    began = {}
    for client in stage.clients:
        began[client] = time.monotonic()
        client.proxy.answer(503, retry_after=seconds)
        client.proxy.cut()

    # Of a WebSocket and a frame a script can't see the status.
    def refusals(client):
        return [entry for entry in list(client.proxy.seen)
                if entry[0] > began[client] and entry[3] == 503 and
                not entry[2].startswith(('/push/ws', '/push/iframe'))]
    stage.soon(t, lambda client: len(refusals(client)) >= times,
               '%s: refused %d times' % (name, times))
    stage.soon(t, lambda client: client.status(name)['state'] == 'waiting' and
               client.status(name)['delay'] >= seconds * 1000,
               name + ': it says that it waits')
    for client in stage.clients:
        client.proxy.heal()
    stage.flows(t, 'after the time of Retry-After')
    for client in stage.clients:
        early = ['%s, %d ms after %s' % (entry[2], 1000 * (entry[0] - one[0]),
                                         one[2])
                 for one in refusals(client) for entry in client.proxy.seen
                 if one[0] < entry[0] < one[0] + seconds - 0.1]
        t.equal(early, [], '%s, %s: no request before its time' % (
            client.name, name))


stage_test(test)
