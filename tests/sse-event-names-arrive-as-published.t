#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: event names of every script and with every sign reach EventSource;
# none can add a field to the stream.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

NAMES = ['slide', 'message', 'open', 'error', 'a b', ' lead', 'trail ', ':', 'a: b', 'data: x',
         'event', 'Größe', '\U0001f514', '\u2028', 'x' * 255, '0', 'null', 'TIDINGS.reset',
         'tidings', '"', '<b>', '\\n']


def main(t):
    need_websockets()
    with Site() as site:
        for name in NAMES:
            site.publish_sql('a', 'data of ' + name, name)
        site.publish_sql('a', 'plain')
        client = SseClient(site, 'channel=a&since=0')
        wait_for(lambda: client.pump() or len(client.events) > len(NAMES), 15, 'all events')
        client.close()
        for name, event in zip(NAMES, client.events):
            t.equal(event[1:], (name, 'data of ' + name), 'SSE: %a' % name[:30])
        t.equal(client.events[-1][1], 'message', 'SSE: a plain one is a message')
        r = site.get('/push/poll?channel=a&since=0')
        t.equal([m['event'] for m in r.json['messages']], NAMES + [None], 'JSON: the same')
        with WebSocket(site, '/push/ws?channel=a&since=0', 'tidings.json') as ws:
            t.equal([ws.recv_json()['event'] for _ in range(len(NAMES) + 1)], NAMES + [None],
                    'WebSocket: the same')
        t.ok(site.lives(), 'the programs live')


run(main)
