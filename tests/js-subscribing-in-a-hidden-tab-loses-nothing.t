#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-subscribing-in-a-hidden-tab-loses-nothing.t - the timers of a hidden tab are
# late, by a second or more.  A channel that it subscribes to is asked for late,
# then, and not taken for covered by what the leading tab answers to a call before.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import Publisher, stage_test  # noqa: E402

# What should come soon comes late.
HIDE = '''
    const real = window.setTimeout;
    window.setTimeout = (f, ms, ...more) => real.call(window, f, ms || 700, ...more);'''


def ids(client, name, channel):
    return [int(m[0].rpartition('-')[2]) for m in client.got(name) if m[1] == channel]


def test(t, stage):
    publisher = Publisher(stage.site, 'd', 0.01)
    publisher.start()
    for client in stage.clients:
        for name in ('leads', 'follows'):
            client.tab(name, channels=['feed', 'b'])
    stage.publish()
    stage.flows(t, 'at first')
    for client in stage.clients:
        t.equal(client.leaders(), ['leads'], client.name + ': the first tab leads')
        client.at('follows', HIDE + 'feeds[arguments[0]].unsubscribe("b")'
                  '.subscribe("d", "-3")')
        t.soon(lambda: len(ids(client, 'follows', 'd')) > 200,
               client.name + ': the new channel comes', 20,
               lambda: client.story('follows'))
    publisher.end()
    rows = [row[0] for row in stage.site.sql(
        "SELECT id FROM changes WHERE channel = 'd' ORDER BY id")]
    for client in stage.clients:
        t.soon(lambda: ids(client, 'follows', 'd')[-1:] == rows[-1:],
               client.name + ': up to the last')
        got = ids(client, 'follows', 'd')
        want = [id for id in rows if id >= got[0]]
        t.ok(got == want, client.name + ': once and in order',
             'missing %r' % sorted(set(want) - set(got))[:9], client.story('follows'))
        t.equal(client.told('follows', 'reset'), [], client.name + ': no reset')
        t.equal(client.thrown(), [], client.name + ': the page threw nothing')


stage_test(test, only='whole chromium,firefox')
