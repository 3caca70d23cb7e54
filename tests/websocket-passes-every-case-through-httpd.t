#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-passes-every-case-through-httpd.t - the cases of RFC 6455
# through mod_proxy_http with upgrade=websocket: nothing is lost, held back or added
# on the way, and closes arrive on both sides.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from websocket_suite import *
import websocket_cases
import websocket_text_cases


def main(tap):
    with Site(SETTINGS) as site:
        before = sockets(site.pid('wsd'))
        play_all(tap, [*websocket_cases.cases(), *websocket_text_cases.cases()], site.port)
        nothing_is_left(tap, site, before)
        went_through_httpd(tap, site)


run(main)
