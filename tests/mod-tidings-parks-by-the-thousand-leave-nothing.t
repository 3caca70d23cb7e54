#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-parks-by-the-thousand-leave-nothing.t - 20,000 clients over TLS are
# parked and leave: in order, without close_notify, by half a close, by RST, in
# the middle of a frame.  httpd and the programs have as many descriptors and as
# much memory as after the first.  TIDINGS_PARKS is how many of them there are.
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from handover_cases import *
from tidings_clients import Witness

COUNT = int(os.environ.get('TIDINGS_PARKS', 20000 / PATIENCE))
TOGETHER = 50
NOW = struct.pack('ii', 1, 0)
HTTPD = '''
ServerLimit 1
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 64
AsyncRequestWorkerFactor 100
'''
GET = {p: Talk.request('/push/%s?channel=a%%d&wait=0' % p) for p in ('sse', 'iframe', 'longpoll')}
WS = Ws.make_request(443, '/push/ws?channel=a%d', None, None)
ECHO = Ws.make_request(443, '/push/ws/echo', None, None)
CLOSE = Ws.frame(8, b'\x03\xe8')
# What each one says, whether it waits for an answer, what it says then, how
# it leaves: close_notify and FIN, FIN alone, half a close and its end, RST.
STAGES = [
    (GET['sse'], True, b'', 'TLS'), (GET['sse'], True, b'', 'FIN'), (GET['sse'], True, b'', 'RST'),
    (GET['iframe'], True, b'', 'RST'), (GET['sse'], False, b'', 'RST'),
    (GET['longpoll'], True, b'', 'half'), (GET['longpoll'], True, b'', 'RST'),
    (GET['longpoll'].replace(b'wait=0', b'wait=9'), False, b'', 'RST'),
    (GET['sse'], True, b'', 'half'), (WS, True, CLOSE, 'half'), (WS, True, b'', 'RST'),
    (WS, True, CLOSE, 'RST'), (ECHO, True, Ws.frame(1, 'hello'), 'RST'),
    (ECHO, True, Ws.frame(2, 'x' * 3000)[:2000], 'RST'), (ECHO, True, Ws.frame(2, 'x' * 9000), 'FIN'),
    (GET['sse'].replace(b'channel', b'nothing'), True, b'', 'half'),
]


class Sessions:
    """Handshakes cost most of it: all after the first take up its session."""

    def __init__(self, site):
        self.site, self.session = site, None
        self.context = site.tls_context()
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2

    def open(self):
        s = socket.socket()
        s.settimeout(20 * PATIENCE)
        s.connect(('127.0.0.1', self.site.tls_port))
        tls = self.context.wrap_socket(s, server_hostname='127.0.0.1', session=self.session)
        self.session = self.session or tls.session
        return tls


def leave(s, how):
    with contextlib.suppress(OSError):
        if how == 'TLS':
            s.unwrap()
        elif how == 'half':
            s.shutdown(socket.SHUT_WR)
            s.settimeout(20 * PATIENCE)
            while socket.socket.recv(s, 65536):
                pass
    with contextlib.suppress(OSError):
        if how == 'RST':
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
    s.close()


def come_and_go(sessions, first):
    crowd = []
    for n in range(first, first + TOGETHER):
        s, stage = sessions.open(), STAGES[n % len(STAGES)]
        s.sendall(stage[0].replace(b'%d', b'%d' % (n % 50)))
        crowd.append((s, stage))
    for s, (said, wait, more, how) in crowd:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if wait and s.recv(65536)[9:12] not in (b'200', b'101', b'400' if b'nothing' in said
                                                    else b''):
                raise Failure('no answer')
            if more:
                s.sendall(more)
        # Few wait for the end of the other side.
        leave(s, 'FIN' if first % 1000 and how in ('half', 'TLS') else how)


def main(tap):
    with HandoverSite(httpd_extra=HTTPD + 'LogLevel tidings:warn\n', tls=True) as site:
        footprint = Footprint(site)
        witness = Witness(site, site.port)
        sessions = Sessions(site)
        for n in range(0, COUNT // 10, TOGETHER):
            come_and_go(sessions, n)
        footprint.take(lambda: site.board()['ConnsTotal'] in '01')
        began = time.monotonic()
        for n in range(0, COUNT, TOGETHER):
            come_and_go(sessions, n)
        took = time.monotonic() - began
        with contextlib.suppress(Failure):
            wait_for(lambda: site.board()['ConnsTotal'] in '01', 20, 'the end of them', 0.05)
        tap.ok(site.board()['ConnsTotal'] in '01', 'no connection is counted', site.board())
        footprint.check(tap, 2000)
        tap.note('%d in %.1f s' % (COUNT, took))
        witness.check(tap, 'held all the while')
        tap.ok(wait_for(lambda: site.busy() == 0, 20, 'free workers'), 'no worker is busy')
        tap.equal(site.httpd_children(), [footprint.pids['httpd']], 'it is one child all the while')
        tap.ok(site.lives(), 'and the programs are the same')
        parked = at_last(lambda: sum(line.startswith(PARKED) for line in site.lines('ways.log')
                                     if '/push/' in line), lambda n: n > COUNT)
        tap.ok(parked > COUNT, '%d were parked' % parked)


need(MOD_TIDINGS, 'openssl')
run(main)
