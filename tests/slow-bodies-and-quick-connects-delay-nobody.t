#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# slow-bodies-and-quick-connects-delay-nobody.t - bodies that come a byte at a
# time, and thousands of connections that come and go: others are answered as
# quickly as ever, nothing leaks.
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, SseFollower, sockets, percentile, rss_kb


def main(tap):
    with Site() as site:
        follower = SseFollower(site, cursor='latest')
        site.wait_subscribers('a', 1)
        slow = []
        for i in range(10):
            s = socket.create_connection(('127.0.0.1', site.port), 10)
            s.sendall(b'POST /push/publish?channel=a HTTP/1.1\r\nHost: x\r\n'
                      b'Content-Type: text/plain\r\nContent-Length: 20\r\n\r\n')
            slow.append(s)
        took, n = [], 0
        for byte in range(20):
            next_byte = time.monotonic() + 0.1
            for s in slow:
                s.sendall(b'abcdefghijklmnopqrst'[byte:byte + 1])
            while time.monotonic() < next_byte:
                t0 = time.monotonic()
                r = site.post('/push/publish?channel=a', 'quick %d' % n)
                took.append(time.monotonic() - t0)
                if r.status != 201:
                    raise Failure(r)
                n += 1
        answers = [s.recv(4000) for s in slow]
        tap.ok(all(a.startswith(b'HTTP/1.1 201') for a in answers),
               'slow bodies are taken', answers[:2])
        tap.ok(percentile(took, 99) < 0.3 * PATIENCE, 'nobody waits for them',
               percentile(took, 99))
        tap.note('%d quick ones meanwhile, p99 %.1f ms' % (n, percentile(took, 99) * 1e3))
        wait_for(lambda: len(follower.got) == n + 10, 10, 'all messages')
        data = follower.data
        tap.ok([d for d in data if d[0] == 'q'] == ['quick %d' % i for i in range(n)] and
               data.count('abcdefghijklmnopqrst') == 10, 'each comes once')
        for s in slow:
            s.close()

        fds = {p: sockets(site.pid(p)) for p in ('sse', 'poll', 'wsd')}
        pids = {p: site.pid(p) for p in fds}
        rss = None
        for turn in range(2):
            for i in range(1500):
                for p in ('sse', 'poll'):
                    with FcgiPeer(os.path.join(site.run_dir, p + '.sock')) as peer:
                        if i % 3:
                            peer.send(peer.request('channel=a%d' % i))
                with socket.create_connection(('127.0.0.1', site.ws_port), 10) as s:
                    if i % 3:
                        s.sendall(b'GET /push/ws?channel=a HTTP/1.1\r\nHost: x\r\n')
            site.publish_sql('a', 'turn %d' % turn)
            follower.wait_data('turn %d' % turn, 5)
            now = {p: rss_kb(pids[p]) for p in fds}
            rss = rss or now
        tap.equal({p: site.pid(p) for p in fds}, pids, 'they live through 9,000 connects')
        tap.equal(follower.connects, 1, 'the others are held')
        with contextlib.suppress(Failure):
            wait_for(lambda: all(sockets(pids[p]) <= fds[p] + 1 for p in fds), 10, 'x')
        grown = {p: sockets(pids[p]) - fds[p] for p in fds}
        tap.ok(max(grown.values()) <= 1, 'no descriptor is left', grown)
        tap.ok(all(now[p] - rss[p] < 3000 for p in fds), 'no memory either', rss, now)
        follower.stop()


run(main)
