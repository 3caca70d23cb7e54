#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# SIGHUP goes through all connections of wsd.  One whose handshake is half way in
# has no request yet, one that was refused or is being closed none any more: no
# test had one of them there (wsconn.c could have asked what was not set).  They
# go on, and what was read anew counts for those that open afterwards.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import Ops, WebSocket

SETTINGS = {'access': {'publish_from_loopback': 'no', 'publish_key': 'old'},
            'wsd': {'handshake_timeout': '60s', 'close_timeout': '60s'}}
ANEW = 'the configuration was read anew'


def reload(site, key):
    site.settings['access']['publish_key'] = key
    site.write_conf()
    before = site.programs_log().count(ANEW)
    site.supervisor.send_signal(signal.SIGHUP)
    wait_for(lambda: site.programs_log().count(ANEW) >= before + 7, 20, 'the settings')


def half_open(site, at, headers=None):
    """A handshake up to the byte `at` of its head."""
    ws = WebSocket(site.ws_port, '/push/ws', 'tidings.json', headers, shake=False)
    ws.sock.sendall(ws.request[:at])
    return ws


def ask(ws):
    """What a publish comes to."""
    ws.send(1, json.dumps({'op': 'publish', 'channel': 'a', 'data': 'x'}))
    answer = json.loads(ws.read(20)[1])
    return answer.get('status', answer['op'])


def main(tap):
    with Site(SETTINGS) as site:
        # One of each state, and nothing but a connection.
        opened = Ops(site.ws_port, headers={'Authorization': 'Bearer old'})
        tap.equal(opened.ask(op='publish', channel='a', data='x')['op'], 'ok', 'one is open')
        halves = {at: half_open(site, at, {'Authorization': 'Bearer new'})
                  for at in (0, 1, 20, 60, -3, -1)}
        refused = WebSocket(site.ws_port, '/push/nothing')
        tap.equal(refused.status, 404, 'one is refused and does not go')
        closing = WebSocket(site.ws_port, '/push/ws/echo')
        closing.sock.sendall(b'\xff' * 20)
        tap.equal(closing.read_close(20), 1002, 'one is being closed and does not go')
        for key in ('other', 'new'):
            reload(site, key)
            tap.ok(site.lives(), 'the programs live after SIGHUP')
        tap.equal(opened.ask(op='publish', channel='a', data='x').get('status'), 403,
                  'the key of who was open counts no more')
        for at, ws in halves.items():
            with ws:
                ws.sock.sendall(ws.request[at:] if at else ws.request)
                ws.read_head()
                tap.equal((ws.status, ask(ws)), (101, 'ok'),
                          'a handshake of which %d bytes were there goes on, by the new key' % at)
        for ws in (refused, closing, opened.ws):
            ws.close()
        # And again while a head comes in byte by byte.
        with WebSocket(site.ws_port, '/push/ws', 'tidings.json',
                       {'Authorization': 'Bearer new'}, shake=False) as ws:
            for i in range(len(ws.request)):
                ws.sock.sendall(ws.request[i:i + 1])
                if i % 10 == 0:
                    os.kill(site.first_pids['wsd'], signal.SIGHUP)
            ws.read_head()
            tap.equal((ws.status, ask(ws)), (101, 'ok'), 'SIGHUP all the time: it opens')
        tap.ok(site.lives(), 'the programs live')


run(main)
