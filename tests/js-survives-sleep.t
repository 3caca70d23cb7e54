#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-survives-sleep.t - issue 4: the machine sleeps: all processes of the browser
# stand still for a while, and meanwhile the connections die without a word. On
# waking each transport sees that time has passed, before its watchdog would
# bark, comes back and loses nothing.

import os
import sys
import contextlib
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


SLEEP_S = 13            # longer than what the library takes for sleep
SILENCE_MS = 24000      # the watchdog would need this long


def test(t, stage):
    for name in ('ws', 'sse', 'longpoll', 'iframe', 'poll'):
        stage.watch(name, transports=[name], silence=SILENCE_MS)
    stage.publish(every=0.05)
    stage.flows(t, 'at first')
    with contextlib.ExitStack() as asleep:
        for client in stage.clients:
            asleep.enter_context(client.browser.stopped())
        # What comes before the connections die is read on waking.
        n = stage.publisher.n
        until(lambda: stage.publisher.n > n + 5)
        for client in stage.clients:
            client.proxy.lose()
        woken = time.monotonic() + SLEEP_S
        until(lambda: time.monotonic() > woken, SLEEP_S + 5)
        t.ok(stage.publisher.n > n + SLEEP_S, 'messages are published meanwhile')
    stage.flows(t, 'soon after waking', 5, 7)
    stage.complete(t)


stage_test(test)
