#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-stops-on-401-403-404-410-and-204.t - issue 4: a server that says 401, 403,
# 404, 410 or 204 is left alone: over every transport, on the ladder, and in the
# midst of a stream; close says which it was, and no request follows.

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')


def refused(t, stage, status, names, when):
    closed = {'reason': 'refused', 'status': status}
    for client in stage.clients:
        for name in names:
            t.soon(lambda: client.told(name, 'close'), '%s, %s: %d %s closes' % (
                client.name, name, status, when), 15,
                lambda: client.story(name))
            t.equal([one['detail'] for one in client.told(name, 'close')],
                    [closed], 'and says why')
            t.equal(client.status(name)['state'], 'closed', 'its state too')
    ended = time.monotonic()
    until(lambda: time.monotonic() > ended + 1.2)
    for client in stage.clients:
        t.equal([entry for entry in client.proxy.seen if entry[0] > ended], [],
                '%s: %d: nothing is asked any more' % (client.name, status))


def test(t, stage):
    for status in (401, 403, 404, 410, 204):
        for client in stage.clients:
            client.open()
        # In the midst.
        stage.watch('live')
        stage.watch('sse', transports=['sse'])
        stage.soon(t, lambda client: client.live_by('live') and
                   client.live_by('sse'), 'open before')
        for client in stage.clients:
            client.proxy.refuse(status)
            client.proxy.cut()
        # From the beginning.
        names = ['live', 'sse', 'ladder'] + ['new ' + name for name in TRANSPORTS]
        stage.watch('ladder')
        for name in TRANSPORTS:
            stage.watch('new ' + name, transports=[name])
        refused(t, stage, status, names, 'as answer')
        for client in stage.clients:
            client.proxy.heal()


stage_test(test)
