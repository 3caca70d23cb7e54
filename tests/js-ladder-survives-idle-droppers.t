#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-ladder-survives-idle-droppers.t - issue 4: something on the way drops what
# is idle for two seconds, far below the heartbeat of the server, or stops
# passing anything on without telling; little is published. Nothing is lost, and
# what can beat by itself learns to.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


SETTINGS = {'tidings': {'heartbeat': '15s', 'life_min': '60s',
                        'life_max': '90s'}}
IDLE_S = 2


def test(t, stage):
    for client in stage.clients:
        client.proxy.idle(IDLE_S)
    # silence says what a dead stream is: above the heartbeat.
    for name in ('ws', 'sse', 'longpoll', 'iframe', 'poll'):
        stage.watch(name, transports=[name], silence=20000, wait=5000)
    stage.publish(every=1.5 * IDLE_S)
    stage.flows(t, 'though the idle are dropped', 3, 25)
    for client in stage.clients:
        # Two were dropped at most: what was learnt lasts.
        t.ok(client.proxy.requests('/push/ws') <= 3,
             client.name + ': the WebSocket beats faster than that',
             client.proxy.requests('/push/ws'))
        t.ok(client.proxy.requests('/push/longpoll') > 2,
             client.name + ': long polls are shorter than that')
    stage.complete(t)


stage_test(test, SETTINGS)
