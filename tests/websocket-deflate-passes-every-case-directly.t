#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-deflate-passes-every-case-directly.t - permessage-deflate of
# RFC 7692: all sizes, offers and kinds of blocks, fragments, damage, windows, bombs,
# sent whole and byte by byte to wsd itself.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from websocket_suite import *
import websocket_deflate_cases


def main(tap):
    with Site(SETTINGS) as site:
        before = sockets(site.pid('wsd'))
        play_all(tap, websocket_deflate_cases.cases(), site.ws_port)
        nothing_is_left(tap, site, before)


run(main)
