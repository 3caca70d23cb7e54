#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-holds-thousands-of-channels.t - one connection subscribes to 10,000
# channels: by one operation, by thousands in flight, one after the other, some
# of them from an old cursor; each message comes once and in order.  One more
# than max_channels of [wsd] is an error, in words, and nothing else changes.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import Ops, WebSocket

MANY = 10000
LIMIT = 50


def publish(site, rows):
    db = site.connect()
    db.execute('BEGIN')
    db.executemany('INSERT INTO changes(channel, data) VALUES (?, ?)', rows)
    db.execute('COMMIT')
    db.close()


def check_same(tap, got, want, name):
    tap.ok(got == want, name, 'got %d, want %d' % (len(got), len(want)),
           [(g, w) for g, w in zip(got, want) if g != w][:3])


def main(tap):
    names = ['c/%d' % n for n in range(MANY)]
    with Site() as site:
        def round(mark):
            return [(c, '%s %d' % (mark, n)) for n, c in enumerate(names)]

        one = Ops(site.ws_port)
        r = one.ask(op='subscribe', channels=names, ref=1)
        tap.ok(r['op'] == 'ok' and r['ref'] == 1, '10,000 by one operation', r)
        publish(site, round('x'))
        check_same(tap, one.take(MANY), round('x'), 'each of their messages comes once, in order')

        piped = Ops(site.ws_port)
        for n in range(5000):
            piped.queue(op='subscribe', channel=names[n], ref=n)
        answers = piped.flush(5000)
        tap.ok([a['op'] for a in answers] == ['ok'] * 5000 and
               [a['ref'] for a in answers] == list(range(5000)),
               '5,000 operations in flight: all are answered, in order', answers[:2])
        each = Ops(site.ws_port)
        odd = [r for r in (each.ask(op='subscribe', channel=c, ref=c) for c in names[:2000])
               if r['op'] != 'ok' or r['ref'] not in names]
        tap.ok(not odd, '2,000 operations one after the other', odd[:2])
        old = Ops(site.ws_port)
        for n in range(0, 2000, 2):
            old.queue(op='subscribe', channel=names[n], since='earliest', ref=n)
            old.queue(op='subscribe', channel=names[n + 1], ref=n + 1)
        answers = old.flush(2000)
        tap.ok([a['ref'] for a in answers] == list(range(2000)) and not
               [a for a in answers if a['op'] != 'ok'], 'with and without since= in turn')
        got = old.take(1000)
        check_same(tap, sorted(got), sorted((c, 'x %d' % n) for n, c in enumerate(names[:2000])
                                            if n % 2 == 0), 'the backlog of those with since=')

        end = [(names[0], 'mark')]
        publish(site, round('y') + end)
        for ops, n, name in ((one, MANY, 'one operation'), (piped, 5000, 'in flight'),
                             (each, 2000, 'one after the other'), (old, 2000, 'with since=')):
            check_same(tap, ops.take(n + 1), round('y')[:n] + end,
                       name + ': all get what comes then, and nothing twice')

        r = one.ask(op='subscribe', channel='one more', ref=2)
        tap.ok(r['op'] == 'error' and r['ref'] == 2 and r['status'] == 400 and
               'channels' in r['detail'], 'one more than max_channels is an error', r)
        r = one.ask(op='subscribe', channels=names[:500] + ['one more'], ref=3)
        tap.equal(r['op'], 'error', 'with known ones likewise')
        r = one.ask(op='subscribe', channels=names, ref=4)
        tap.equal(r['op'], 'ok', 'the same ones again are no more')
        r = one.ask(op='unsubscribe', channel=names[-1])
        r = one.ask(op='subscribe', prefix='one more', ref=5)
        tap.equal(r['op'], 'ok', 'for one that goes another one comes, by prefix too')
        publish(site, [('one more', '1'), (names[-1], '2'), (names[0], '3')])
        check_same(tap, one.take(2), [('one more', '1'), (names[0], '3')], 'and counts')

        for ops, n in ((one, MANY), (piped, 5000), (each, 2000), (old, 2000)):
            ops.messages = []
            r = ops.ask(op='unsubscribe', channels=names[:n], ref=6)
            tap.equal((r['op'], r['ref']), ('ok', 6), 'unsubscribing %d' % n)
            ops.messages = []
            ops.ask(op='subscribe', channel='end')
        for n in range(0, 2000, 5):
            piped.queue(op='unsubscribe', channel=names[n])
        piped.flush(400)
        publish(site, round('z') + [('end', 'end')])
        for ops in (one, piped, each, old):
            tap.equal(ops.take(1), [('end', 'end')], 'nothing of them comes any more')
        tap.ok(site.lives(), 'the programs live')
        for ops in (one, piped, each, old):
            ops.close()

    with Site({'wsd': {'max_channels': str(LIMIT)}, 'tidings': {'max_channels': '10'}}) as site:
        ops = Ops(site.ws_port)
        tap.equal(ops.ask(op='subscribe', channels=names[:LIMIT])['op'], 'ok',
                  'max_channels of [wsd] counts for a connection')
        r = ops.ask(op='subscribe', channel='more')
        tap.ok(r['op'] == 'error' and r['status'] == 400, 'and one more is an error', r)
        with WebSocket(site.ws_port, '/push/ws?channels=' + ','.join(names[:11])) as ws:
            tap.equal(ws.status, 400, 'that of [tidings] for a query')
        ops.close()
        ops = Ops(site.ws_port, '?channels=' + ','.join('q%d' % n for n in range(10)))
        tap.equal([ops.ask(op='subscribe', channels=names[:n])['op'] for n in (41, 40)],
                  ['error', 'ok'], 'those of the query are counted')
        tap.equal(ops.ask(op='ping', ref='still')['ref'], 'still', 'the connection stays')
        ops.close()
        tap.ok(site.lives(), 'the programs live')


run(main)
