#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: comments keep a silent stream alive, on SSE and in the iframe, and
# are no event; a WebSocket is pinged.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, WebSocket

PING, PONG = 9, 10


def often(t):
    """Issue 12: over HTTP/2 a stream that was closed kept its worker, and stalled
    the connection, until the next heartbeat."""
    with Site(settings={'tidings': {'heartbeat': '1m'}}) as site:
        for program, beat in (('sse', b'\n:\n'), ('iframe', b'<!-- -->')):
            def peer(**extra):
                p = FcgiPeer(os.path.join(site.run_dir, program + '.sock'))
                p.send(p.request('channel=a', extra=extra))
                return p
            plain = peer()
            for extra in ({'SERVER_PROTOCOL': 'HTTP/2.0'}, {'HTTP2': 'on'}):
                p, began, times = peer(**extra), time.monotonic(), []
                while len(times) < 6 and time.monotonic() < began + 30 * PATIENCE:
                    p.read_some(1)
                    times += [time.monotonic()] * (p.out.count(beat) - len(times))
                gaps = [b - a for a, b in zip([began] + times, times)]
                t.ok(len(gaps) == 6 and times[-1] - began > 6, '%s with %r beats often' % (
                    program, extra), gaps)
                t.ok(all(gap > 0.9 * least for gap, least in zip(gaps[1:], (0.4, 0.9, 1.9, 1.9))),
                     'less often with time', gaps)
                t.ok(gaps[5] < 1.6 * gaps[4], 'down to a bound', gaps)
                p.close()
            plain.read_some(0.1)
            t.ok(beat not in plain.out, 'over HTTP/1.1 as it is set', plain.out[-50:])
            plain.close()


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

    often(t)

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
