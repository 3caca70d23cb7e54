#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-each-transport-delivers-in-order.t - issue 4: tidings.js over each transport
# alone, in Chromium with all that is around it and in Firefox: every message
# arrives once, in order and as it was stored, while their connections break off
# three times.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402

TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')


def test(t, stage):
    for transport in TRANSPORTS:
        stage.watch(transport, transports=[transport])
    stage.publish()
    for transport in TRANSPORTS:
        stage.soon(t, lambda client: client.live_by(transport) == transport,
                   'open by ' + transport)
    stage.flows(t, 'at first')
    for n in range(3):
        before = {c: c.proxy.requests() for c in stage.clients}
        for client in stage.clients:
            client.proxy.cut()
        stage.flows(t, 'after cut %d' % n)
        t.ok(all(c.proxy.requests() > before[c] for c in stage.clients),
             'there were new requests')
    stage.complete(t)
    for client, name in stage.watched():
        used = {target.partition('?')[0] for _, _, target, _ in client.proxy.seen
                if target.startswith('/push/')}
        t.ok('/push/' + name in used, '%s used %s' % (client.name, name), used)
        t.equal({one['detail']['transport'] for one in client.told(name, 'open')},
                {name}, '%s, %s: and nothing else' % (client.name, name))
        last = client.js('return feeds[arguments[0]].lastEventId', name)
        t.equal(last, client.got(name)[-1][0],
                '%s, %s: lastEventId is that of the last' % (client.name, name))
        client.js('feeds[arguments[0]].close()', name)
        closed = [one['detail'] for one in client.told(name, 'close')]
        t.equal(closed, [{'reason': 'client', 'status': 0}],
                '%s, %s: closes when told' % (client.name, name))
    for client in stage.clients:
        t.ok(until(lambda: not client.proxy.open()),
             client.name + ': no request is left open')


stage_test(test, only='whole chromium,firefox')
