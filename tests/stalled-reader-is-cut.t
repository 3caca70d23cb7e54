#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# stalled-reader-is-cut.t - clients that never read while megabytes are
# published, through httpd and directly on the program's socket: they are cut,
# nobody else is late, and the program's memory stays small.  One that reads
# slowly but does read loses nothing.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import (FcgiPeer, IframeFollower, RawStream, SseFollower, WebSocket,
                             WsFollower, percentile, rss_kb)

SETTINGS = {'tidings': {'stall': '1s', 'queue_bytes': '64K', 'heartbeat': '500ms'},
            'retention': {'count': '100000', 'every': '1d'}}
ROUNDS, SIZE = 400, 50000


def main(tap):
    with Site(SETTINGS) as site:
        others = [F(site, cursor='latest') for F in (SseFollower, IframeFollower, WsFollower)]
        stuck = {}
        for name in ('sse', 'iframe'):
            stuck[name + ' through httpd'] = RawStream(
                site.port, '/push/%s?channel=a' % name, rcvbuf=4096)
            peer = FcgiPeer(os.path.join(site.run_dir, name + '.sock'), rcvbuf=4096)
            peer.send(peer.request('channel=a'))
            stuck[name + ' by FastCGI'] = peer
        stuck['ws through httpd'] = WebSocket(site.port, shake=False, rcvbuf=4096)
        stuck['ws directly'] = WebSocket(site.ws_port, shake=False, rcvbuf=4096)
        for name in ('ws through httpd', 'ws directly'):
            stuck[name].sock.sendall(stuck[name].request)
        site.wait_subscribers('a', 3 + len(stuck))
        slow = FcgiPeer(os.path.join(site.run_dir, 'sse.sock'), rcvbuf=65536)
        slow.send(slow.request('channel=a'))
        slow.wait('retry:')
        small = {p: rss_kb(site.pid(p)) for p in ('sse', 'iframe', 'wsd')}
        large = dict(small)
        db = site.connect()
        late, read, fill = [], time.monotonic(), 'x' * SIZE
        for i in range(ROUNDS):
            t0 = time.monotonic()
            db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)",
                       ('%d ' % i + fill,))
            wait_for(lambda: all(len(f.got) > i for f in others), 10,
                     'message %d at those who read' % i, 0.0005)
            late.append(time.monotonic() - t0)
            for p in large:
                large[p] = max(large[p], rss_kb(site.pid(p)))
            if time.monotonic() - read > 0.05:
                read = time.monotonic()
                slow.read_some(0)
        db.close()
        tap.note('%d messages of %d bytes; to all who read: median %.1f ms, p99 %.1f, '
                 'most %.1f' % (ROUNDS, SIZE, percentile(late, 50) * 1e3,
                                percentile(late, 99) * 1e3, max(late) * 1e3))
        tap.ok(percentile(late, 99) < 0.5 * PATIENCE and max(late) < 2 * PATIENCE,
               'those who read are not late')
        for p in large:
            tap.ok(large[p] - small[p] < 24000 * PATIENCE, p + ': its memory stays small',
                   'from %d to %d KB' % (small[p], large[p]))
        for f in others:
            tap.ok([d.split()[0] for d in f.data] == [str(i) for i in range(ROUNDS)]
                   and f.connects == 1, '%s: everything, on one connection'
                   % type(f).__name__, len(f.got), f.connects)
        def cut():
            slow.read_some(0)  # or it would be stuck itself
            return site.subscribers('a') <= 4
        with contextlib.suppress(Failure):
            wait_for(cut, 15, 'the cut')
        # The three that read, and the slow one.
        tap.ok(site.subscribers('a') <= 4, 'those who do not read are cut',
               site.subscribers('a'))
        tap.ok('is cut' in at_last(site.programs_log, lambda log: 'is cut' in log),
               'and the log says so')
        for name in ('sse by FastCGI', 'iframe by FastCGI'):
            peer = stuck[name]
            with contextlib.suppress(Failure):
                peer.wait_end(5)
            tap.ok(peer.ended, name + ': its connection is closed')
        with contextlib.suppress(Failure):
            slow.wait('data: %d x' % (ROUNDS - 1), 20)
        ids = [int(line.split()[1]) for line in slow.out.decode().split('\n')
               if line.startswith('data: ')]
        tap.ok(ids == list(range(ROUNDS)), 'the slow reader gets everything, in order',
               len(ids), ids[-3:])
        for f in others:
            f.stop()
        for s in stuck.values():
            s.close()
        slow.close()
        with contextlib.suppress(Failure):
            site.wait_subscribers('a', 0)
        tap.equal(site.subscribers('a'), 0, 'nobody is left in the books')
        tap.ok(site.get('/push/status?format=json').status == 200, 'the programs live')


run(main)
