#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# broken-fastcgi-peers-harm-nobody.t - garbage, lies and half requests on the
# FastCGI sockets close that one connection and no other; what stays silent is
# closed by a deadline, on a fresh connection and on one that was used before;
# ABORT_REQUEST gives a held client up.
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, SseFollower, descriptors, pairs, record

BEGIN = record(1, struct.pack('>HB5x', 1, 1))
DEADLINE = 30  # READ_S of shared/intake/conn.c


def bad_inputs(seed):
    rnd = random.Random(seed)
    good = FcgiPeer.request('channel=a')
    yield 'HTTP', b'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
    yield 'zeros', bytes(4000)
    yield 'version 2', b'\2' + good[1:]
    yield 'params before begin', record(4, pairs({'A': 'b'}))
    yield 'stdin before begin', record(5, b'x')
    yield 'a length that lies', BEGIN + record(4, b'\xff\xff\xff\xff\xff') + record(4) + record(5)
    yield 'a value longer than all', BEGIN + record(4, b'\x01\x7fA') + record(4) + record(5)
    yield 'another role', record(1, struct.pack('>HB5x', 7, 0)) + good[16:]
    yield 'begin twice', BEGIN + BEGIN + good[16:]
    yield 'an id of its own', BEGIN + record(4, pairs({'A': 'b'}), 99) + good[16:]
    yield '1 MB of params', BEGIN + b''.join(
        record(4, b'\x01\x7fA' + b'x' * 127 * 500) for _ in range(17)) + record(4) + record(5)
    yield 'no method', BEGIN + record(4, pairs({'QUERY_STRING': 'channel=a'})) \
        + record(4) + record(5)
    yield 'no params at all', BEGIN + record(4) + record(5)
    yield 'two requests in one', good + good
    yield 'a CONTENT_LENGTH that lies', FcgiPeer.request(
        'channel=a', 'POST', b'x', extra={'CONTENT_LENGTH': '99999999999999999999'})
    for i in range(60):
        n = rnd.randrange(1, 300)
        yield 'noise %d' % i, bytes(rnd.randrange(256) for _ in range(n))
    for i in range(60):
        b = bytearray(good)
        for _ in range(rnd.randrange(1, 4)):
            b[rnd.randrange(len(b))] = rnd.randrange(256)
        yield 'a flipped byte %d' % i, bytes(b)


def main(tap):
    seed = int(os.environ.get('TIDINGS_SEED', '0')) or random.randrange(1 << 30)
    tap.note('TIDINGS_SEED=%d' % seed)
    names = ('sse', 'longpoll', 'poll', 'iframe', 'publish', 'status')
    with Site({'tidings': {'heartbeat': '300ms'}, 'longpoll': {'wait': '1s'}}) as site:
        path = {n: os.path.join(site.run_dir, n + '.sock') for n in names}
        pids = {n: site.pid(n) for n in names}
        follower = SseFollower(site, cursor='latest')
        site.wait_subscribers('a', 1)

        # These wait for the deadline while the others have their turn.
        silent = {}
        half = FcgiPeer.request('channel=a')
        for n in ('sse', 'publish'):
            for what, sent in (('nothing', b''), ('half a header', half[:5]),
                               ('half the params', half[:40]),
                               ('no end of stdin', half[:-8])):
                peer = FcgiPeer(path[n])
                peer.send(sent)
                silent[n + ', ' + what] = peer
        for n in ('poll', 'publish'):
            peer = FcgiPeer(path[n])
            peer.send(FcgiPeer.request('channel=a', keep=True))
            wait_for(lambda: peer.read_some(0.1) and (3, 1) in peer.records, 5, 'the answer')
            peer.send(half[:40])
            silent[n + ', half a second request'] = peer
        since = time.monotonic()

        for n in names:
            crashed = None
            for what, sent in bad_inputs(seed):
                with FcgiPeer(path[n]) as peer:
                    with contextlib.suppress(OSError):
                        peer.send(sent)
                        peer.sock.shutdown(1)
                        peer.read_some(0.002)
                if site.pid(n) != pids[n]:
                    crashed = what
                    break
            tap.equal(crashed, None, n + ': nothing that a peer sends ends it')
        site.publish_sql('a', 'alive')
        follower.wait_data('alive')
        tap.equal(follower.connects, 1, 'others are not disturbed')

        # One byte at a time is slow, not wrong.
        with FcgiPeer(path['poll']) as peer:
            for b in FcgiPeer.request('channel=a&since=earliest'):
                peer.send(bytes([b]))
            peer.wait('alive')
            tap.ok(True, 'a request byte by byte is answered')
        with FcgiPeer(path['sse']) as peer:
            peer.send(FcgiPeer.request('channel=a', id=0x1234))
            peer.wait('retry:')
            site.publish_sql('a', 'id 4660')
            peer.wait('id 4660')
            tap.ok(all(i == 0x1234 for _, i in peer.records),
                   'a request id of its own is answered with it', peer.records)
        with FcgiPeer(path['publish']) as peer:
            peer.send(record(9, pairs({'FCGI_MPXS_CONNS': '', 'FCGI_MAX_CONNS': ''}), 0))
            with contextlib.suppress(Failure):
                wait_for(lambda: peer.read_some(0.1) and (10, 0) in peer.records, 5, 'a reply')
            tap.ok((10, 0) in peer.records, 'GET_VALUES is answered', peer.records)
        for n in ('sse', 'iframe', 'longpoll'):
            with FcgiPeer(path[n]) as peer:
                peer.send(FcgiPeer.request('channel=abort'))
                site.wait_subscribers('abort', 1)
                peer.send(record(2))
                with contextlib.suppress(Failure):
                    wait_for(lambda: site.subscribers('abort') == 0, 5, 'the end')
                tap.equal(site.subscribers('abort'), 0, n + ': ABORT_REQUEST gives it up')

        with contextlib.suppress(Failure):
            end = since + DEADLINE + 4 * PATIENCE
            wait_for(lambda: (all(p.read_some(0) is not None and p.ended
                                  for p in silent.values())
                              or time.monotonic() > end), DEADLINE + 10, 'the deadline', 0.1)
        for what, peer in silent.items():
            tap.ok(peer.ended, what + ': the silent peer is closed')
            peer.close()
        tap.equal({n: site.pid(n) for n in names}, pids, 'all programs live')
        follower.stop()
        with contextlib.suppress(Failure):
            wait_for(lambda: site.subscribers('a') == 0, 10, 'nobody')
        tap.equal(site.subscribers('a'), 0, 'nobody is left in the books')


run(main)
