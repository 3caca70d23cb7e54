#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-hand-overs-by-the-thousand-leave-nothing.t - 100,000 clients are
# handed over and leave, at every stage: httpd and the programs have as many
# descriptors and as much memory as after the first tenth.  TIDINGS_HANDOVERS
# is how many of them there are.
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket as Ws
from tidings_clients import Witness, descriptors, private_kb
from handover_site import *

COUNT = int(os.environ.get('TIDINGS_HANDOVERS', 100000 / PATIENCE))
TOGETHER = 50
NOW = struct.pack('ii', 1, 0)
HTTPD = '''
ServerLimit 1
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 16
MinSpareThreads 1
MaxSpareThreads 16
'''
GET = {p: Talk.request('/push/%s?channel=a%%d&wait=0' % p) for p in ('sse', 'iframe', 'longpoll')}
WS = Ws.make_request(80, '/push/ws?channel=a%d', None, None)
ECHO = Ws.make_request(80, '/push/ws/echo', None, None)
CLOSE = Ws.frame(8, b'\x03\xe8')
# What each one says, whether it waits for an answer, what it says then, how
# it leaves.
STAGES = [
    (GET['sse'], True, b'', 'RST'), (GET['sse'], False, b'', 'RST'),
    (GET['sse'][:30], False, b'', 'RST'), (GET['iframe'], True, b'', 'RST'),
    (GET['longpoll'], True, b'', 'RST'), (GET['longpoll'], False, b'', 'RST'),
    (GET['longpoll'].replace(b'wait=0', b'wait=9'), False, b'', 'RST'),
    (WS, True, b'', 'RST'), (WS, False, b'', 'RST'), (WS, True, CLOSE, 'RST'),
    (ECHO, True, Ws.frame(1, 'hello'), 'RST'), (ECHO, True, Ws.frame(2, 'x' * 3000)[:2000], 'RST'),
    (GET['sse'].replace(b'channel', b'nothing'), True, b'', 'RST'),
    (GET['sse'], True, b'', 'FIN'), (WS, True, CLOSE, 'FIN'),
]


def come_and_go(site, first):
    """Many at once, so that nobody waits for one."""
    crowd = []
    for n in range(first, first + TOGETHER):
        stage = STAGES[n % len(STAGES)]
        s = socket.socket()
        s.settimeout(20 * PATIENCE)
        s.connect(('127.0.0.1', site.port))
        s.sendall(stage[0].replace(b'%d', b'%d' % (n % 50)))
        crowd.append((s, stage))
    for s, (said, wait, more, how) in crowd:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if wait and s.recv(65536)[9:12] not in (b'200', b'101', b'400' if b'nothing' in said else b''):
                raise Failure('no answer')
            if more:
                s.sendall(more)
                if how == 'FIN':
                    s.recv(100)
        # Few by FIN: each of them keeps a port for a minute.
        if how == 'RST' or first % 1000:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
        s.close()


def hand_over(site, log, count):
    """Until so many were handed over; some leave before."""
    n = handed = 0
    while handed < count:
        for _ in range(20):
            come_and_go(site, n)
            n += TOGETHER
        handed += sum(line.startswith(HANDED) for line in log)
    return n


def main(tap):
    with HandoverSite(httpd_extra=HTTPD + 'LogLevel tidings:warn\n') as site:
        pids = {p: site.pid(p) for p in ('sse', 'iframe', 'longpoll', 'wsd')}
        pids['httpd'] = site.httpd_children()[0]
        witness = Witness(site, site.port)
        log = open(os.path.join(site.dir, 'ways.log'))
        hand_over(site, log, COUNT // 10)
        seen = []

        def still():
            seen.append({p: descriptors(pid) for p, pid in pids.items()})
            return seen[-1] in seen[-2:-1]
        wait_for(still, 20, 'quiet', 0.3)
        # One of the programs may become the one that prunes.
        fds = {p: n + 3 for p, n in seen[-1].items()}
        kb = {p: private_kb(pid) for p, pid in pids.items()}
        began = time.monotonic()
        n = hand_over(site, log, COUNT)
        took = time.monotonic() - began
        for p, pid in pids.items():
            with contextlib.suppress(Failure):
                wait_for(lambda: descriptors(pid) <= fds[p], 20, 'the end of them', 0.05)
            tap.ok(descriptors(pid) <= fds[p], p + ': no descriptor is left',
                   descriptors(pid), fds[p])
            # Free memory is given back by a timer.
            with contextlib.suppress(Failure):
                wait_for(lambda: private_kb(pid) < kb[p] + 1500, 10, 'room', 0.1)
            after = private_kb(pid)
            tap.ok(after < kb[p] + 1500, p + ': no memory either', kb[p], after)
            tap.note('%s: %d descriptors, %d KB before, %d and %d after' % (
                p, fds[p] - 3, kb[p], descriptors(pid), after))
        tap.note('%d of %d who came were handed over in %.1f s' % (COUNT, n, took))
        witness.check(tap, 'held all the while')
        tap.ok(wait_for(lambda: site.busy() == 0, 10, 'free workers'), 'no worker is busy')
        tap.equal(site.httpd_children(), [pids['httpd']], 'it is one child all the while')
        tap.ok(site.lives(), 'and the programs are the same')
        log.close()


need(MOD_TIDINGS)
run(main)
