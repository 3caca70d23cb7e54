#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# unfinished-websocket-messages-are-bounded.t - messages that begin and do not
# end: all of them together beyond max_incoming are ended by 1013, one that comes
# in too slowly by 1008, deflated ones as well; small messages are always taken,
# and what was let go is room again.  A large message on a thin line was cut after
# message_timeout in all, although it came all the time.
import os
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import Ops, WebSocket, Witness, descriptors, private_kb

F = WebSocket.frame
DEFLATE = {'Sec-WebSocket-Extensions': 'permessage-deflate'}
MB = 1 << 20


def packed(n):
    """The first part of a message that inflates to n bytes so far."""
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return F(0x40 | 2, z.compress(bytes(n)) + z.flush(zlib.Z_SYNC_FLUSH), fin=False)


# How a message begins and does not end; half a frame, and half a message.
WAYS = [
    ('half a frame', F(2, bytes(2 * MB))[:MB * 3 // 2], None),
    ('half a message', F(2, bytes(MB * 3 // 2), fin=False), None),
    ('half a deflated message', packed(MB * 3 // 2), DEFLATE),
]


def echoes(ws, data):
    ws.send(2, data)
    while True:
        frame = ws.read(20)
        if frame is None or frame[0] != 9:
            return frame == (2, data)


def together(tap, site, pid):
    fds = descriptors(pid)
    for way, begun, headers in WAYS:
        witness = Witness(site)
        small = WebSocket(site.ws_port, '/push/ws/echo')
        ops = Ops(site.ws_port, '?channel=a')
        base = private_kb(pid)
        some = [WebSocket(site.ws_port, '/push/ws/echo', headers=headers) for _ in range(12)]
        codes, high = [], 0
        for ws in some:
            with contextlib.suppress(OSError):
                ws.sock.sendall(begun)
            # Its bytes are taken, or it is ended: a ping tells which.
            with contextlib.suppress(OSError):
                if way != 'half a frame':
                    ws.send(9, 'here')
                    frame = ws.read(20)
                    if frame and frame[0] == 8:
                        codes.append(int.from_bytes(frame[1][:2], 'big'))
            high = max(high, private_kb(pid))
        if way == 'half a frame':
            def told():
                for ws in some:
                    frame = ws.read(0.01)
                    if frame and frame[0] == 8:
                        codes.append(int.from_bytes(frame[1][:2], 'big'))
                return len(codes) >= 8
            with contextlib.suppress(Failure):
                wait_for(told, 20, 'the closes')
            high = max(high, private_kb(pid))
        tap.ok(len(codes) >= 8 and set(codes) == {1013},
               way + ': beyond max_incoming 1013 is the answer', codes)
        tap.ok(high < base + 14000, way + ': and memory is bounded', 'from %d to %d KB' % (base, high))
        tap.ok(echoes(small, b's' * 10000), way + ': a small message is taken all the same')
        tap.equal(ops.ask(op='ping', ref=1)['op'], 'ok', way + ': and an operation')
        for n, ws in enumerate(some):
            ws.reset() if n % 2 else ws.close()
        with contextlib.suppress(Failure):
            wait_for(lambda: descriptors(pid) <= fds + 3, 20, 'their end', 0.05)
        tap.ok(echoes(small, b'l' * (2 * MB)), way + ': when they are gone there is room again')
        small.close()
        ops.close()
        witness.check(tap, way)


def come_and_go(tap, site, pid):
    """What counts is given back each time: as a whole, by RST and by a close."""
    with WebSocket(site.ws_port, '/push/ws/echo') as ws:
        fds = descriptors(pid) + 2  # the ring of io_uring and the doorbell
        for n in range(30):
            for _, begun, headers in WAYS:
                with WebSocket(site.ws_port, '/push/ws/echo', headers=headers) as other:
                    other.sock.sendall(begun)
                    if n % 3 == 0:
                        other.reset()
        wait_for(lambda: descriptors(pid) <= fds, 20, 'their end', 0.05)
        tap.ok(all(echoes(ws, bytes(2 * MB)) for _ in range(10)),
               '90 that came and went: large messages are taken as before')


def in_time(tap, site):
    held = []
    for path, form in (('/push/ws/echo', None), ('/push/ws?channel=a', None),
                       ('/push/ws', 'tidings.json')):
        for what, sent in (('half a frame', F(1, 'x' * 500)[:300]),
                           ('a head alone', F(1, 'x' * 500)[:6]),
                           ('half a message', F(1, 'x' * 500, fin=False)),
                           ('an empty beginning', F(1, '', fin=False))):
            ws = WebSocket(site.ws_port, path, form)
            ws.sock.sendall(sent)
            held.append(('%s %s: %s' % (path, form, what), ws))
    # One more than 100 bytes a second, for longer than message_timeout.
    thin = WebSocket(site.ws_port, '/push/ws/echo')
    thin.sock.sendall(F(2, bytes(200), fin=False))
    # These go on all the time, or have nothing under way.
    busy = WebSocket(site.ws_port, '/push/ws/echo')
    busy.sock.sendall(F(1, 'x', fin=False))
    idle = WebSocket(site.ws_port, '/push/ws/echo')
    ok = echoes(idle, b'whole')
    code = None
    end = deadline(20)
    while code is None and time.monotonic() < end:
        with contextlib.suppress(OSError):
            busy.sock.sendall(F(9, 'p') + F(0, '', fin=False))
        frame = busy.read(0.1)
        while frame is not None:
            if frame[0] == 8:
                code = int.from_bytes(frame[1][:2], 'big')
            frame = busy.take()
    tap.equal(code, 1008, 'empty fragments and pings without end: 1008')
    for _ in range(10 if code else 0):
        thin.sock.sendall(F(0, bytes(200), fin=False))
        thin.read(0.5 / PATIENCE)     # as long under a checker
    thin.sock.sendall(F(0, b'end'))
    tap.equal(thin.read(20), (2, bytes(2200) + b'end'),
              'a message that comes slowly, but comes: it is taken')
    thin.close()
    end = deadline(20)
    for what, ws in held:
        code = None
        with contextlib.suppress(Failure):
            code = ws.read_close(max(0.2, (end - time.monotonic()) / PATIENCE))
        tap.equal(code, 1008, what + ': 1008')
        if code is not None:
            ws.send(8, b'\x03\xf0')
            ws.wait_end(20)
        ws.close()
    tap.ok(ok and echoes(idle, b'again'), 'who has nothing under way stays')
    # In pieces, but in time; one message after the other for longer than that.
    began = time.monotonic()
    while time.monotonic() < began + 2.5:
        idle.sock.sendall(F(2, 'a' * 100, fin=False))
        idle.read(0.05)
        if not echoes_rest(idle):
            break
    else:
        tap.ok(True, 'messages that become whole in time: for as long as they come')
        idle.close()
        busy.close()
        return
    tap.ok(False, 'messages that become whole in time: for as long as they come')


def echoes_rest(ws):
    ws.send(0, b'b' * 100)
    return ws.read(20) == (2, b'a' * 100 + b'b' * 100)


def main(tap):
    limits = {'max_message': '2M', 'max_incoming': '4M', 'message_timeout': '5m'}
    with Site({'wsd': limits, 'tidings': {'heartbeat': '5m'}}) as site:
        pid = site.pid('wsd')
        with WebSocket(site.ws_port, '/push/ws/echo', headers=DEFLATE) as ws:
            echoes(ws, bytes(2 * MB))
        together(tap, site, pid)
        come_and_go(tap, site, pid)
        tap.equal(site.pid('wsd'), pid, 'the daemon lives')
    with Site({'wsd': {'message_timeout': '1500ms'}, 'tidings': {'heartbeat': '5m'}}) as site:
        in_time(tap, site)
        tap.ok(site.lives(), 'the programs live')


run(main)
