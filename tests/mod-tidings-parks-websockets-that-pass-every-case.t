#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-parks-websockets-that-pass-every-case.t - the cases of RFC 6455 and
# RFC 7692 on WebSockets over TLS that httpd parks, on a handful of threads.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from websocket_suite import *
from handover_cases import FEW
from handover_site import *
import websocket_cases
import websocket_deflate_cases


def main(tap):
    with HandoverSite(SETTINGS, FEW['event'], ['reqtimeout'], tls=True) as site:
        def connect(port):
            return TlsSocket(site, port)
        with Peer(site.tls_port, connect=connect):
            before = sockets(site.pid('wsd'))  # with the link
        for cases in (websocket_cases, websocket_deflate_cases):
            play_all(tap, cases.cases(), site.tls_port, connect, pieces=False)
        play_all(tap, list(websocket_cases.cases())[::8], site.tls_port, connect)
        nothing_is_left(tap, site, before)
        echoes = at_last(lambda: [line for line in site.lines('ways.log')
                                  if '/push/ws/echo' in line], lambda echoes: len(echoes) > 400)
        tap.ok(len(echoes) > 400 and all(line.startswith(PARKED + ' 101') for line in echoes),
               'all %d were parked' % len(echoes),
               *[line for line in echoes if not line.startswith(PARKED)])
        tap.ok(wait_for(lambda: site.busy() == 0, 5, 'free workers'), 'no worker is busy')


need(MOD_TIDINGS, 'openssl')
run(main)
