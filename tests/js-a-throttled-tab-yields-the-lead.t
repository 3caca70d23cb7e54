#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-a-throttled-tab-yields-the-lead.t - issue 4: without Web Locks, as on pages
# over plain http, the leading tab is hidden, and its timers run once a minute:
# another takes the lead, and two do not lead for long. Nothing is lost.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


PAGE = '/feed.html?without=locks'
# What browsers do to tabs that were hidden for long.
THROTTLE = """
const begin = setInterval;
window.setInterval = (f, ms, ...more) => begin(f, Math.max(ms, 60000), ...more);
"""


def test(t, stage):
    client = stage.clients[0]
    client.open(PAGE)
    client.js(THROTTLE)
    client.tab('hidden', PAGE)
    t.soon(lambda: client.leaders() == ['hidden'], 'one leads')
    for n in range(2):
        client.tab('tab %d' % n, PAGE)
    stage.publish()
    stage.flows(t, 'at first')
    until(lambda: client.leaders() != ['hidden'])
    t.soon(lambda: len(client.leaders()) == 1 and
           'hidden' not in client.leaders(), 'another leads, alone', 5,
           client.leaders)
    stage.flows(t, 'from another tab')
    t.soon(lambda: client.proxy.open('/push/') == 1, 'one connection', 5)
    stage.complete(t)


stage_test(test, only='whole chromium')
