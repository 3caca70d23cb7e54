#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# connects-by-the-thousand-leave-nothing.t - WebSocket clients that come and go
# at every stage, with FIN and with RST, over TCP and over a local socket: no
# descriptor and no memory stays, others are served.  TIDINGS_CONNECTS is how
# many of them there are.
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket, Witness, alive, descriptors, private_kb

CONNECTS = int(os.environ.get('TIDINGS_CONNECTS', 100000 / PATIENCE))
F = WebSocket.frame
HEAD = WebSocket.make_request(0, '/push/ws?channel=a%d', None, None)
ECHO = WebSocket.make_request(0, '/push/ws/echo', None, None)
JSON = WebSocket.make_request(0, '/push/ws', 'tidings.json', None)
OP = F(1, '{"op":"subscribe","channel":"x","since":"earliest","ref":1}')
# What each one says before it goes, and whether it waits for the answer.
STAGES = [
    (b'', False), (HEAD[:50], False), (HEAD, False), (HEAD, True),
    (HEAD + F(8, b'\x03\xe8'), True), (ECHO + F(1, 'x'), True),
    (ECHO + F(2, 'x' * 3000)[:2000], True), (ECHO + F(2, 'x' * 3000, fin=False), True),
    (JSON + OP, True), (JSON + F(1, '{"op":"publish","channel":"b","data":"x"}'), False),
    (HEAD.replace(b'13', b'12'), True), (b'x' * 200, False),
]
NOW = struct.pack('ii', 1, 0)


def come_and_go(port, n, how):
    data, wait = STAGES[n % len(STAGES)]
    local = isinstance(port, str)
    s = socket.socket(socket.AF_UNIX if local else socket.AF_INET)
    # Without a timeout: of a local socket a full queue would be an error then.
    s.connect(port if local else ('127.0.0.1', port))
    s.settimeout(20 * PATIENCE)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if data:
            s.sendall(data.replace(b'%d', b'%d' % (n % 50)))
        if wait:
            s.recv(1)
    if how == 'RST' and not local:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
    s.close()


def main(tap):
    # Pruning keeps the table of one length.
    with Site({'retention': {'count': '50', 'every': '200ms'}}) as site:
        local = os.path.join(site.dir, 'ws.sock')
        tcp = free_port()
        for name, listen, port, how, count in (
                ('TCP, RST', '127.0.0.1:%d' % tcp, tcp, 'RST', CONNECTS // 2),
                ('TCP, FIN', '127.0.0.1:%d' % tcp, tcp, 'FIN', min(CONNECTS // 10, 5000)),
                ('local socket', 'unix:' + local, local, 'FIN', CONNECTS // 2)):
            wsd = site.spawn([os.path.join(reachable_build(), 'daemon', 'wsd'), '-c', site.conf,
                              '-l', listen])

            def up():
                with contextlib.suppress(OSError):
                    come_and_go(port, 0, how)
                    return True
            wait_for(up, 20, 'the daemon')
            witness = Witness(site, port)
            for n in range(count // 10):
                come_and_go(port, n, how)
            seen = []

            def still():
                seen.append(descriptors(wsd.pid))
                return seen[-1] in seen[-2:-1]
            wait_for(still, 20, 'quiet', 0.3)
            # It may become the one that prunes, which takes some.
            fds, kb = seen[-1] + 3, private_kb(wsd.pid)
            began = time.monotonic()
            for n in range(count):
                come_and_go(port, n, how)
            took = time.monotonic() - began
            with contextlib.suppress(Failure):
                wait_for(lambda: descriptors(wsd.pid) <= fds, 20, 'the end of them', 0.05)
            tap.ok(descriptors(wsd.pid) <= fds, name + ': no descriptor is left',
                   descriptors(wsd.pid), fds)
            # Free memory is given back by a timer.
            with contextlib.suppress(Failure):
                wait_for(lambda: private_kb(wsd.pid) < kb + 2000, 20, 'room', 0.1)
            after = private_kb(wsd.pid)
            tap.ok(after < kb + 2000, name + ': no memory either', kb, after)
            tap.ok(alive(wsd.pid), name + ': the daemon lives')
            tap.note('%s: %d connects in %.1f s, %d KB before, %d after'
                     % (name, count, took, kb, after))
            witness.check(tap, name)
            wsd.terminate()
            tap.equal(wsd.wait(20 * PATIENCE), 0, name + ': and ends as it should')


run(main)
