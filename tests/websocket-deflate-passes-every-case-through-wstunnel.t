#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-deflate-passes-every-case-through-wstunnel.t - the cases of
# RFC 7692 through mod_proxy_wstunnel.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from websocket_suite import *
import websocket_deflate_cases


def main(tap):
    with Site(SETTINGS, wstunnel=True) as site:
        before = sockets(site.pid('wsd'))
        play_all(tap, websocket_deflate_cases.cases(), site.port)
        nothing_is_left(tap, site, before)
        went_through_httpd(tap, site)


run(main)
