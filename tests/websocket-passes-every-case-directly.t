#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-passes-every-case-directly.t - frames, fragments, control
# frames, UTF-8, closes and limits of RFC 6455, as the rows of websocket_cases and
# websocket_text_cases have them, sent whole and byte by byte to wsd itself.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from websocket_suite import *
import websocket_cases
import websocket_text_cases


def main(tap):
    with Site(SETTINGS) as site:
        before = sockets(site.pid('wsd'))
        play_all(tap, [*websocket_cases.cases(), *websocket_text_cases.cases()], site.ws_port)
        nothing_is_left(tap, site, before)


run(main)
