#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-any-mix-of-faults-loses-nothing.t - issue 4: for a quarter of a minute
# faults come and go at random: each transport alone, the ladder, and tabs that
# share get every message once and in order. TIDINGS_SEED=N makes the same
# choices again, TIDINGS_SECONDS=N makes it last.

import os
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402

SECONDS = float(os.environ.get('TIDINGS_SECONDS', '15'))
PATHS = ('/push/', '/push/ws', '/push/sse', '/push/longpoll', '/push/iframe',
         '/push/poll')
FAULTS = {
    'buffer': lambda proxy, path: proxy.buffer(path),
    'blocks': lambda proxy, path: proxy.buffer(path, block=4096),
    'hang': lambda proxy, path: proxy.hang(path),
    '503': lambda proxy, path: proxy.answer(503, path),
    '502': lambda proxy, path: proxy.answer(502, path, retry_after=1),
    'reset': lambda proxy, path: proxy.reset(path),
    'strip': lambda proxy, path: proxy.strip(),
    'idle': lambda proxy, path: proxy.idle(1),
    'lost': lambda proxy, path: proxy.lose(),
    'down': lambda proxy, path: proxy.down(),
    'none': lambda proxy, path: None,
}


def mix(dice, proxy):
    """One to three faults at once; what is open breaks off, or does not."""
    told = []
    for _ in range(dice.randint(1, 3)):
        fault, path = dice.choice(sorted(FAULTS)), dice.choice(PATHS)
        FAULTS[fault](proxy, path)
        told.append('%s %s' % (fault, path))
    if dice.random() < 0.7:
        proxy.cut()
        told.append('cut')
    return ', '.join(told)


def test(t, stage):
    seed = int(os.environ.get('TIDINGS_SEED', random.randrange(1000000)))
    t.note('TIDINGS_SEED=%d' % seed)
    dice = random.Random(seed)
    for client in stage.clients:
        client.tab('shared 0')
        client.tab('shared 1')
        for name in ('ws', 'sse', 'longpoll', 'iframe', 'poll'):
            client.watch(name, transports=[name])
            client.places[name] = client.browser.tab()
        client.tab('ladder', share=False)
    stage.publish()
    stage.flows(t, 'at first')
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for client in stage.clients:
            t.note('%s: %s' % (client.name, mix(dice, client.proxy)))
        over = time.monotonic() + dice.uniform(0.3, 2.5)
        until(lambda: time.monotonic() > over)
        for client in stage.clients:
            client.proxy.up()
            client.proxy.heal()
        if dice.random() < 0.5:
            over = time.monotonic() + dice.uniform(0, 1)
            until(lambda: time.monotonic() > over)
    stage.flows(t, 'when all is well again', 5, 40)
    stage.complete(t)


stage_test(test)
