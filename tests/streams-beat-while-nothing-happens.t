#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: comments keep a silent stream alive, on SSE and in the iframe, and
# are no event; a WebSocket is pinged.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket

PING, PONG = 9, 10


def main(t):
    with Site(settings={'tidings': {'heartbeat': '200ms'}}) as site:
        start = time.monotonic()
        sse = site.stream('/push/sse?channel=a')
        frame = site.stream('/push/iframe?channel=a')
        sse.wait('\n\n')
        frame.wait('-->\n')
        sse.wait('\n\n:\n\n:\n\n:\n\n')
        took = time.monotonic() - start
        t.ok(took > 0.55, 'SSE: comments at the pace that was set', took)
        t.equal(sse.buf.count(b'data'), 0, 'which are no event')
        beat = frame.wait('-->\n<!-- -->\n<!-- -->\n')
        t.equal(beat.count(b'<script>parent'), 0, 'iframe: comments too, which call nothing')
        site.publish_sql('a', 'x')
        buf = sse.wait('data: x\n\n')
        t.ok(b'data: x\n\n' in buf, 'a message goes between')
        sse.wait('data: x\n\n:\n\n')
        t.ok(True, 'and the beat goes on')
        frame.wait('"data":"x"')
        sse.close()
        frame.close()

    with Site(settings={'tidings': {'heartbeat': '1s'}}) as site:
        s = site.stream('/push/sse?channel=a')
        s.wait('\n\n')
        for n in range(15):
            site.publish_sql('a', str(n))
            s.wait('data: %d\n\n' % n)
            s.read_some(0.1)
        t.ok(s.buf.count(b'\n:\n') <= 2, 'while there are messages there is no need', s.buf)
        s.close()

    with Site(settings={'tidings': {'heartbeat': '200ms'}}) as site:
        with WebSocket(site.port) as ws:
            pings = 0
            while pings < 3:
                frame = ws.read()
                if frame is None or frame[0] != PING:
                    break
                ws.send(PONG, frame[1])
                pings += 1
            t.equal(pings, 3, 'a silent WebSocket is pinged, and nothing else')
            site.publish_sql('a', 'still here')
            frame = ws.read()
            while frame is not None and frame[0] == PING:
                ws.send(PONG, frame[1])
                frame = ws.read()
            t.equal(frame, (1, b'still here'), 'and who answers stays')
        t.ok(site.lives(), 'the programs live')


run(main)
