#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-websockets-pass-every-case.t - the cases of RFC 6455 and RFC 7692
# on WebSockets that httpd hands over.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from websocket_suite import *
from handover_site import *
import websocket_cases
import websocket_deflate_cases


def main(tap):
    with HandoverSite(SETTINGS) as site:
        with Peer(site.port):
            before = sockets(site.pid('wsd')) - 1  # with the link
        for cases in (websocket_cases, websocket_deflate_cases):
            play_all(tap, cases.cases(), site.port, pieces=False)
        nothing_is_left(tap, site, before)
        echoes = at_last(lambda: [line for line in site.lines('ways.log')
                                  if '/push/ws/echo' in line], lambda echoes: len(echoes) > 400)
        tap.ok(len(echoes) > 400 and all(line.startswith(HANDED + ' 101') for line in echoes),
               'all %d were handed over' % len(echoes),
               *[line for line in echoes if not line.startswith(HANDED)])


need(MOD_TIDINGS)
run(main)
