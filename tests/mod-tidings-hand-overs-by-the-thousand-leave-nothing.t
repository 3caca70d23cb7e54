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
from handover_cases import *
from tidings_clients import Witness

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
        footprint = Footprint(site)
        witness = Witness(site, site.port)
        log = open(os.path.join(site.dir, 'ways.log'))
        hand_over(site, log, COUNT // 10)
        footprint.take()
        began = time.monotonic()
        n = hand_over(site, log, COUNT)
        took = time.monotonic() - began
        footprint.check(tap, 1500)
        tap.note('%d of %d who came were handed over in %.1f s' % (COUNT, n, took))
        witness.check(tap, 'held all the while')
        tap.ok(wait_for(lambda: site.busy() == 0, 10, 'free workers'), 'no worker is busy')
        tap.equal(site.httpd_children(), [footprint.pids['httpd']], 'it is one child all the while')
        tap.ok(site.lives(), 'and the programs are the same')
        log.close()


need(MOD_TIDINGS)
run(main)
