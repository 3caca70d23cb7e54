#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# broken-websocket-peers-harm-nobody.t - garbage, half and oversized handshakes,
# frames that are against RFC 6455, and peers that fall silent: each is refused
# with its code or cut, nobody else is disturbed.  A megabyte that comes in
# pieces of any size is echoed as it came.
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket, WsFollower, sockets

SETTINGS = {'tidings': {'heartbeat': '400ms'}, 'wsd': {'max_message': '1100000'}}
F = WebSocket.frame

FRAMES = [
    ('an unmasked frame', F(1, 'x', mask=b''), 1002),
    ('a reserved opcode', F(3, 'x'), 1002),
    ('a reserved control opcode', F(11, 'x'), 1002),
    ('a reserved bit', bytes([0xc1]) + F(1, 'x')[1:], 1002),
    ('a continuation of nothing', F(0, 'x'), 1002),
    ('a message inside a message', F(1, 'x', fin=False) + F(1, 'y'), 1002),
    ('a fragmented ping', F(9, 'x', fin=False), 1002),
    ('a ping of 126 bytes', F(9, 'x' * 126), 1002),
    ('a length of 2^63', bytes([0x82, 0xff]) + b'\xff' * 8 + b'mask', (1002, 1009)),
    ('a close frame of one byte', F(8, b'\x03'), 1002),
    ('a close code that none may send', F(8, struct.pack('>H', 1005)), 1002),
    ('a close reason that is not UTF-8', F(8, struct.pack('>H', 1000) + b'\xff'), 1007),
    ('text that is not UTF-8', F(1, b'a\xc3\x28'), 1007),
    ('text with a surrogate', F(1, b'\xed\xa0\x80'), 1007),
    ('text cut inside a character', F(1, b'\xe2\x82'), 1007),
    ('the same in a second fragment', F(1, b'ok', fin=False) + F(0, b'\xff'), 1007),
    ('a message that is too big', F(2, bytes(1100001)), 1009),
    ('one that is announced too big', bytes([0x82, 0xff]) + struct.pack('>Q', 1 << 32)
     + b'mask' + bytes(2000), 1009),
    ('too big in fragments', F(2, bytes(600000), fin=False) + F(0, bytes(600000)), 1009),
    ('a close', F(8, struct.pack('>H', 1000) + b'bye'), 1000),
]
SHAKES = [
    ('garbage', bytes(range(256)) * 20, (400, 431, None)),
    ('not HTTP', b'\x16\x03\x01\x02\x00' + b'x' * 200 + b'\r\n\r\n', (400, None)),
    ('HTTP without upgrade', b'GET /push/ws?channel=a HTTP/1.1\r\nHost: x\r\n\r\n', (400, 426)),
    ('a head that never ends', b'GET /push/ws HTTP/1.1\r\n' + b'X: ' + b'y' * 300000,
     (400, 431)),
    ('20,000 headers', b'GET /push/ws HTTP/1.1\r\n' + b'X: y\r\n' * 20000, (400, 431)),
]


def status(sock, seconds):
    sock.settimeout(seconds * PATIENCE)
    data = b''
    try:
        while b'\r\n' not in data:
            part = sock.recv(65536)
            if not part:
                return None
            data += part
    except OSError:
        return None
    return int(data.split()[1])


def main(tap):
    rnd = random.Random(1)
    with Site(SETTINGS) as site:
        pid, fds = site.pid('wsd'), sockets(site.pid('wsd'))
        follower = WsFollower(site, cursor='latest')
        site.wait_subscribers('a', 1)
        half = [socket.create_connection(('127.0.0.1', site.ws_port)) for _ in range(20)]
        for i, s in enumerate(half):
            s.sendall(b'GET /push/ws?channel=a HTTP/1.1\r\nHost: x\r\nUpgr'[:i * 3])
        since = time.monotonic()

        for what, sent, want in SHAKES:
            with socket.create_connection(('127.0.0.1', site.ws_port)) as s:
                with contextlib.suppress(OSError):
                    s.sendall(sent)
                got = status(s, 5)
                tap.ok(got in want, '%s: refused' % what, got)
        for port, way in ((site.ws_port, 'directly'), (site.port, 'through httpd')):
            wrong = []
            for what, sent, want in FRAMES:
                with WebSocket(port, '/push/ws/echo') as ws:
                    with contextlib.suppress(OSError):
                        ws.sock.sendall(sent)
                    try:
                        got = ws.read_close(5)
                    except Failure as e:
                        got = e
                    if got not in (want if isinstance(want, tuple) else (want,)):
                        wrong.append((what, got, want))
            tap.ok(not wrong, way + ': bad frames are answered by their code', *wrong)
            with WebSocket(port, '/push/ws/echo') as ws:
                data = bytes(rnd.randrange(256) for _ in range(4096)) * 256
                sent = F(2, data[:300000], fin=False) + F(9, 'between') + F(0, data[300000:])
                ws.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                at = 0
                while at < 1500:
                    ws.sock.sendall(sent[at:at + 1])
                    at += 1
                while at < len(sent):
                    n = rnd.choice((1, 7, 1000, 65536, 200000))
                    ws.sock.sendall(sent[at:at + n])
                    at += n
                frames = []
                while not frames or frames[-1][0] not in (2, 8):
                    frame = ws.read(10)
                    if frame is None:
                        break
                    if frame[0] != 9:
                        frames.append(frame)
                tap.ok((10, b'between') in frames, way + ': a ping in between is answered')
                tap.ok(frames and frames[-1] == (2, data), way + ': 1 MiB comes back as it was')
            with WebSocket(port, '/push/ws/echo') as ws:
                began = time.monotonic()
                pings = 0
                while not ws.ended and time.monotonic() < began + 10 * PATIENCE:
                    frame = ws.read(1)
                    pings += frame is not None and frame[0] == 9
                took = time.monotonic() - began
                tap.ok(ws.ended and pings >= 1 and took < 5 * PATIENCE,
                       way + ': the silent are pinged, then cut', ws.ended, pings, took)
            with WebSocket(port, '/push/ws/echo') as ws:
                end = time.monotonic() + 2.5
                while time.monotonic() < end and not ws.ended:
                    frame = ws.read(0.2)
                    if frame and frame[0] == 9:
                        ws.send(10, frame[1])
                tap.ok(not ws.ended, way + ': who answers pings stays')

        # Who sends and never reads must not make the daemon's memory grow.
        with WebSocket(site.ws_port, '/push/ws/echo', rcvbuf=4096) as ws:
            ws.sock.settimeout(0.5)
            total = 0
            with contextlib.suppress(OSError):
                for _ in range(300):
                    ws.send(2, bytes(500000))
                    total += 500000
            tap.ok(total < 60000000, 'who does not read is not read from either', total)
        site.publish_sql('a', 'alive')
        follower.wait_data('alive')
        tap.equal(follower.connects, 1, 'others are not disturbed')
        with contextlib.suppress(Failure):
            wait_for(lambda: sockets(pid) <= fds + 2, 14, 'the end of half handshakes')
        took = time.monotonic() - since
        tap.ok(sockets(pid) <= fds + 2, 'half handshakes are closed by a deadline',
               sockets(pid) - fds, took)
        for s in half:
            s.close()
        follower.stop()
        tap.equal(site.pid('wsd'), pid, 'the daemon lives')


run(main)
