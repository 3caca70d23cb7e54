#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-peers-that-never-read-cost-little.t - clients that ask for echoes,
# answers and pongs, or subscribe, and read nothing: each is not read from
# either after a bounded queue, others are served, and all its memory comes
# back when it goes.  One that reads late has lost nothing.
import os
import select
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import Ops, WebSocket, Witness, alive, descriptors, private_kb

# Longer than the test: they are to be held, not cut.
SETTINGS = {'tidings': {'heartbeat': '5m', 'stall': '5m', 'queue_bytes': '256K'},
            'wsd': {'max_message': '300000'}, 'retention': {'count': '100000', 'every': '1d'}}
PEERS = 20
# What a peer may cost: a megabyte of answers, the message and its answer in
# hand, what the kernel does not count.
EACH_KB = 2600
# And what may be left of all: some that malloc keeps, the database's pages.
LEFT_KB = 20000
F = WebSocket.frame


def op(**members):
    return F(1, json.dumps(members))


def many(frame, size=400000):
    return frame * (size // len(frame) + 1)


def bomb(text):
    """Some hundred bytes that are a lot more when they are inflated."""
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = z.compress(text) + z.flush(zlib.Z_SYNC_FLUSH)
    return F(0x40 | 1, data[:-4])


DEFLATE = {'Sec-WebSocket-Extensions': 'permessage-deflate'}
ECHO, JSON = ('/push/ws/echo', None), ('/push/ws', 'tidings.json')
PACKED, PACKED_JSON = ECHO + (DEFLATE,), JSON + (DEFLATE,)
FLOODS = [
    ('echoes', ECHO, F(2, 'e' * 250000)),
    ('small echoes', ECHO, many(F(1, 'x'))),
    ('echoes in fragments', ECHO, many(F(1, 'x', fin=False) + F(0, 'y' * 200))),
    ('pongs', ECHO, many(F(9, 'p' * 125))),
    ('pongs to empty pings', JSON, many(F(9))),
    ('answers to pings', JSON, many(op(op='ping', ref='r' * 1000))),
    ('errors', JSON, many(op(op='x'))),
    ('the same backlog again and again', JSON,
     many(op(op='subscribe', channel='old', since='earliest'), 100000)),
    ('subscribing and unsubscribing', JSON,
     many(op(op='subscribe', channel='c') + op(op='unsubscribe', channel='c'))),
    ('bombs', PACKED, many(bomb(b'x' * 300000))),
    ('small bombs', PACKED, many(bomb(b'x' * 100000))),
    ('bombs that are operations', PACKED_JSON,
     many(bomb(json.dumps({'op': 'ping', 'ref': 'r' * 290000}).encode()))),
    ('results of publishing', JSON, many(op(op='publish', channel='p', data='x', dedup='x'))),
]


def flood(peers, data):
    """Sends to all until none takes any more; how many bytes they took."""
    left = {ws.sock: b'' for ws in peers}
    total, end = 0, deadline(20)
    quiet = 0
    while quiet < 3 and total < 100e6:
        _, ready, _ = select.select([], list(left), [], 0.1)
        quiet = 0 if ready else quiet + 1
        for sock in ready:
            with contextlib.suppress(BlockingIOError):
                left[sock] = left[sock] or data
                sent = sock.send(left[sock])
                left[sock] = left[sock][sent:]
                total += sent
        if time.monotonic() > end:
            break
    return total, quiet >= 3


def main(tap):
    with Site(SETTINGS) as site:
        # The kernel holds less of a local socket: it is the daemon's turn sooner.
        path = os.path.join(site.dir, 'ws.sock')
        wsd = site.spawn([os.path.join(reachable_build(), 'daemon', 'wsd'), '-c', site.conf,
                          '-l', 'unix:' + path])
        pid = wsd.pid

        def connect(path, form, headers=None):
            return WebSocket(os.path.join(site.dir, 'ws.sock'), path, form, headers)

        def up():
            with contextlib.suppress(OSError):
                connect(*JSON).close()
                return True
        wait_for(up, 20, 'the daemon')
        for n in range(40):
            site.publish_sql('old', 'o' * 50000)
        witness = Witness(site, path)
        # Once around, so that what is kept for good is there.
        # Two more may come for good: the ring of io_uring and the doorbell.
        fds, base, first = descriptors(pid) + 2, None, None
        for what, how, data in [FLOODS[0]] + FLOODS:
            peers = [connect(*how) for _ in range(PEERS)]
            for ws in peers:
                ws.sock.setblocking(False)
            total, stuck = flood(peers, data)
            high = private_kb(pid)
            for ws in peers:
                ws.close()
            with contextlib.suppress(Failure):
                wait_for(lambda: descriptors(pid) <= fds, 20, 'their end', 0.05)
            with contextlib.suppress(Failure):
                wait_for(lambda: base is None or private_kb(pid) < base + LEFT_KB, 20, 'room', 0.1)
            low = private_kb(pid)
            if first is None:
                first = base = low
                continue
            tap.ok(stuck, '%s: who does not read is not read from either' % what, total)
            tap.ok(high < base + PEERS * EACH_KB, '%s: %d of them cost little' % (what, PEERS),
                   'from %d to %d KB' % (base, high))
            tap.ok(low < base + LEFT_KB and descriptors(pid) <= fds,
                   what + ': and nothing when they are gone',
                   'from %d to %d KB' % (base, low), descriptors(pid) - fds)
            tap.note('%s: %d KB taken, %d KB -> %d -> %d; others waited for up to %.0f ms'
                     % (what, total >> 10, base, high, low, witness.late * 1e3))
            witness.late = 0
            base = low
        with contextlib.suppress(Failure):
            wait_for(lambda: private_kb(pid) < first + LEFT_KB, 20, 'room', 0.1)
        base = private_kb(pid)
        tap.ok(base < first + LEFT_KB, 'nor when all of them are', 'from %d to %d KB' % (first, base))
        witness.check(tap, 'those that never read')

        # One that sends all first and reads then.
        with connect(*JSON) as ws:
            ws.sock.setblocking(False)
            sent, want, data = 0, 20000, b''
            got, end = [], deadline(20)
            queue = b''.join(op(op='ping', ref='%d ' % n + 'r' * 100) for n in range(want))
            while sent < len(queue):
                if not select.select([], [ws.sock], [], 0.3)[1]:
                    break
                with contextlib.suppress(BlockingIOError):
                    sent += ws.sock.send(queue[sent:sent + 65536])
            tap.ok(sent < len(queue), 'one is stopped with its operations', sent, len(queue))
            while len(got) < want and time.monotonic() < end:
                r, w, _ = select.select([ws.sock], [ws.sock] if sent < len(queue) else [], [], 1)
                if w:
                    with contextlib.suppress(BlockingIOError):
                        sent += ws.sock.send(queue[sent:sent + 65536])
                if r:
                    ws.fill(1)
                    while True:
                        frame = ws.take()
                        if frame is None:
                            break
                        got.append(int(json.loads(frame[1])['ref'].split()[0]))
            tap.ok(got == list(range(want)), 'it reads late: each is answered, in order',
                   len(got), got[-3:])
        # The same of messages: behind, it is fed from the table.
        with connect('/push/ws?channel=late', 'tidings.json') as ws:
            for n in range(100):
                site.publish_sql('late', '%d ' % n + 'm' * 30000)
            got = []
            while len(got) < 100:
                frame = ws.read(20)
                if frame is None:
                    break
                got.append(int(json.loads(frame[1])['data'].split()[0]))
            tap.equal(got, list(range(100)), 'nor is a message lost to who reads late')
        # The answers go out with what it was behind with, and that goes on.
        ops = Ops(site.ws_port, '?channel=behind')
        for n in range(150):
            site.publish_sql('behind', '%d ' % n + 'm' * 100000)
        for n in range(20):
            ops.queue(op='ping', ref=n)
        ops.ws.sock.sendall(ops.out)
        got = [int(d.split()[0]) for _, d in ops.take(150)]
        tap.equal(got, list(range(150)), 'who is behind and asks meanwhile has every message')
        tap.equal([a['ref'] for a in ops.answers], list(range(20)), 'and every answer')
        ops.close()
        tap.ok(alive(pid), 'the daemon lives')


run(main)
