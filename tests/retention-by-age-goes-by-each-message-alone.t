#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# retention-by-age-goes-by-each-message-alone.t - a message whose created_ms lies
# in the past takes no other along, wherever it stands; who had seen it is not told
# of a loss, and who had not is; one from the far future does not stay for ever.
# Issue 5, C11: all up to the newest old one went, so one row with a time in
# seconds emptied a channel.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS

AGE = 3600000
SETTINGS = {'retention': {'every': '100ms', 'count': '0', 'age': '1h'},
            'retention short.*': {'age': '1s'}}


def insert(site, channel, data, created_ms=None):
    if created_ms is None:
        site.sql('INSERT INTO changes(channel, data) VALUES (?, ?)', channel, data)
    else:
        site.sql('INSERT INTO changes(channel, data, created_ms) VALUES (?, ?, ?)',
                 channel, data, created_ms)
    return site.sql('SELECT max(id) FROM changes')[0][0]


def left(site, channel):
    return [d for d, in site.sql('SELECT data FROM changes WHERE channel = ? ORDER BY id',
                                 channel)]


def fill(site, now):
    """Channels of young and old messages; what is to be left of each."""
    times = {'y': None, 's': now // 1000, 'o': now - AGE - 60000, 'z': 0, 'n': -1,
             'm': -2 ** 63, 'f': now + 10 ** 13, 'F': 2 ** 63 - 1}
    want = {}
    for row in ('ys', 'sy', 'yyyyyyyyyyo', 'yoyoyoyoyo', 'syz', 'nymy', 'fyo', 'Fyos', 'yfoy',
                'oooooooooooy', 'yooooooooooo'):
        for i, c in enumerate(row):
            insert(site, row, '%s%d' % (c, i), times[c])
        want[row] = ['%s%d' % (c, i) for i, c in enumerate(row) if c in 'yfF']
    return want


def who_is_told(tap, site, now):
    """One stray between young messages: cursors on both sides of it."""
    ids = [insert(site, 'told', 'y%d' % i) for i in range(5)]
    stray = insert(site, 'told', 'stray', now // 1000)
    ids += [insert(site, 'told', 'y%d' % i) for i in range(5, 10)]
    wait_for(lambda: 'stray' not in left(site, 'told'), 15, 'the pruning')
    tap.equal(left(site, 'told'), ['y%d' % i for i in range(10)], 'a stray goes alone')
    epoch = site.tidings('epoch').split('-')[0]
    for cursor, reset, first in ((ids[1], True, 2), (ids[4], True, 5), (stray, False, 5),
                                 (ids[5], False, 6)):
        wrong = []
        followers = [F(site, 'channel=told', '%s-%d' % (epoch, cursor)) for F in FOLLOWERS]
        for f in followers:
            with contextlib.suppress(Failure):
                wait_for(lambda: f.data == ['y%d' % i for i in range(first, 10)] and
                         len(f.resets) == int(reset), 10, 'all', 0.005)
        for f in followers:
            f.stopping = True
        for f in followers:
            f.stop()
            if f.data != ['y%d' % i for i in range(first, 10)] or len(f.resets) != int(reset):
                wrong.append((type(f).__name__, f.data, f.resets, f.odd))
        tap.ok(not wrong, 'a cursor %s it: %s' % ('before' if reset else 'behind',
                                                  'told once' if reset else 'not told'), *wrong)


def main(tap):
    now = int(time.time() * 1000)
    with Site(SETTINGS) as site:
        want = fill(site, now)
        for row, data in want.items():
            with contextlib.suppress(Failure):
                wait_for(lambda: left(site, row) == data, 10, row)
            tap.equal(left(site, row), data, 'by the programs: ' + row)
        who_is_told(tap, site, now)
        for name, created in (('second', now + 10 ** 6), ('micro', now * 1000),
                              ('last', 2 ** 63 - 1)):
            insert(site, 'short.' + name, 'x', created)
        insert(site, 'long', 'x', 2 ** 63 - 1)
        tap.ok(site.lives(), 'the programs live with times from the future')
    # The age of such messages counts from when a round first knew of them.
    with Site({'retention': {'every': '100ms', 'age': '1s', 'count': '0'}}) as site:
        for created in (now + 10 ** 6, now * 1000, 2 ** 63 - 1):
            insert(site, 'a', 'x', created)
        for n in range(5):
            insert(site, 'a', 'y%d' % n)
        wait_for(lambda: left(site, 'a') == [], 30, 'the end of all')
        tap.ok(True, 'messages from the future go in the end')
    with Site({'retention': {'every': '1h', 'age': '1h', 'count': '0'}}) as site:
        want = fill(site, now)
        site.tidings('prune')
        wrong = [(row, left(site, row)) for row, data in want.items() if left(site, row) != data]
        tap.ok(not wrong, 'by tidings prune as well', *wrong)


run(main)
