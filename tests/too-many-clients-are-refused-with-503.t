#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# too-many-clients-are-refused-with-503.t - max_clients: one more is refused with
# 503, Retry-After and a sentence, in every transport that holds; when one leaves
# the next is taken.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import RawStream, WebSocket, is_503

LIMIT = 5


def main(tap):
    with Site({'tidings': {'max_clients': str(LIMIT), 'heartbeat': '200ms'}}) as site:
        for name in ('sse', 'iframe', 'longpoll'):
            path = '/push/%s?channel=%s' % (name, name)
            held = [RawStream(site.port, path) for _ in range(LIMIT)]
            site.wait_subscribers(name, LIMIT)
            for _ in range(3):
                r = site.get(path)
                tap.ok(is_503(r), name + ': one more is refused', r, r.headers)
            site.publish_sql(name, 'hello')
            got = 0
            for s in held:
                got += b'hello' in s.read_head().wait('hello')
            tap.equal(got, LIMIT, name + ': those who are held are served')
            for s in held:
                s.close()
            with contextlib.suppress(Failure):
                site.wait_subscribers(name, 0)
            with RawStream(site.port, path) as s:
                site.wait_subscribers(name, 1)
                tap.ok(True, name + ': there is room when they have gone')
    # A heartbeat long enough for clients that answer no ping.
    with Site({'tidings': {'max_clients': str(LIMIT)},
               'wsd': {'close_timeout': '30s'}}) as site:
        held = [WebSocket(site.port, '/push/ws?channel=ws') for _ in range(LIMIT)]
        for port in (site.port, site.ws_port):
            with WebSocket(port, '/push/ws?channel=ws') as ws:
                tap.equal(ws.status, 503, 'ws: one more is refused')
                tap.ok('retry-after:' in ws.head.lower(), 'ws: with Retry-After', ws.head)
        # Who was refused and does not close takes nobody's place.
        refused = [WebSocket(site.ws_port, '/push/ws?channel=ws') for _ in range(3)]
        held.pop().close()
        def taken():
            ws = WebSocket(site.port, '/push/ws?channel=ws')
            held.append(ws)
            return ws.status == 101
        with contextlib.suppress(Failure):
            wait_for(taken, 5, '101', 0.05)
        tap.equal(held[-1].status, 101, 'ws: there is room when one has gone')
        for ws in held + refused:
            ws.close()


run(main)
