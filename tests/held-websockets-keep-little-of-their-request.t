#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# held-websockets-keep-little-of-their-request.t - a browser's head with its
# cookies has some kilobytes; of a WebSocket that is open wsd keeps what it asks
# again who may publish by, and that alone.
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket, private_kb

CLIENTS, WARM = 500, 20
HEADERS = {'Cookie': 'c=' + 'x' * 3000, 'User-Agent': 'y' * 500}
KEY = {'access': {'publish_key': 'one:secret-of-one', 'publish_from_loopback': 'no'}}


def publishes(ws, text):
    ws.send(1, '{"op":"publish","channel":"b","data":"%s","ref":1}' % text)
    opcode, payload = ws.read()
    return opcode == 1 and b'"op":"ok"' in payload


def main(tap):
    with Site(KEY) as site:
        pid = site.pid('wsd')
        held = [WebSocket(site.ws_port, headers=HEADERS) for _ in range(WARM)]
        before = private_kb(pid)
        held += [WebSocket(site.ws_port, headers=HEADERS) for _ in range(CLIENTS)]
        site.wait_subscribers('a', CLIENTS + WARM)
        each = (private_kb(pid) - before) / CLIENTS
        tap.note('%.2f KB for each of %d clients' % (each, CLIENTS))
        tap.ok(each < 2, 'a held WebSocket takes less than 2 KB, cookies or not', each)
        with WebSocket(site.ws_port, protocol='tidings.json', headers=dict(
                HEADERS, Authorization='Bearer secret-of-one')) as ws:
            tap.ok(publishes(ws, 'one'), 'the key of the handshake counts')
            os.kill(pid, signal.SIGHUP)
            wait_for(lambda: 'was read anew' in site.programs_log(), 10, 'the reload')
            tap.ok(publishes(ws, 'two'), 'and still does when the settings are read anew')
        for ws in held:
            ws.close()


run(main)
