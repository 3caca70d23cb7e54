#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-ladder-takes-the-best-rung-that-is-left.t - issue 4: a feed on the whole
# ladder loses one rung after the other while it runs: Upgrade is stripped, a
# proxy begins to buffer SSE, long polls hang, the frame is refused by a reset.
# It goes down one by one and loses nothing.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


# What goes wrong, and what is left then.
STEPS = (
    ('strip', '/push/ws', 'sse'),
    ('buffer', '/push/sse', 'longpoll'),
    ('hang', '/push/longpoll', 'iframe'),
    ('reset', '/push/iframe', 'poll'),
)


def test(t, stage):
    # It is not to climb meanwhile.
    stage.watch('ladder', upgrade=600000)
    stage.publish()
    stage.soon(t, lambda client: client.live_by('ladder') == 'ws',
               'begins with ws')
    for fault, path, left in STEPS:
        stage.flows(t, 'before %s %s' % (fault, path))
        for client in stage.clients:
            getattr(client.proxy, fault)(path)
            client.proxy.cut()
        stage.soon(t, lambda client: client.live_by('ladder') == left,
                   '%s %s: down to %s' % (fault, path, left))
    stage.flows(t, 'by poll')
    stage.complete(t)
    for client in stage.clients:
        rungs = [one['detail']['transport']
                 for one in client.told('ladder', 'open')]
        t.equal(list(dict.fromkeys(rungs)),
                ['ws', 'sse', 'longpoll', 'iframe', 'poll'],
                client.name + ': one rung after the other')


stage_test(test)
