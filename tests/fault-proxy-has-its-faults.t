#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# fault-proxy-has-its-faults.t - issue 4: the proxy that the tests of the browser
# library put in front of httpd hands everything on when it is well, and each
# fault is what its name says.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import RawStream
from fault_proxy import FaultProxy

SETTINGS = {'tidings': {'life_min': '3s', 'life_max': '3s'}}
SSE = '/push/sse?channel=a'


def stream(proxy, path=SSE):
    return RawStream(proxy.port, path).read_head(5)


def wait_body(s, text, seconds=5):
    end = deadline(seconds)
    while text not in s.body and s.end is None and time.monotonic() < end:
        s.fill(end - time.monotonic())
        s.decode()
    return text in s.body


def silent(proxy, path=SSE, seconds=0.7):
    """Whether not even a head comes within that time."""
    s = RawStream(proxy.port, path)
    try:
        s.read_head(seconds)
    except ConnectionError:
        return s.end is None
    finally:
        s.close()
    return False


def ended(s, seconds=5):
    """Whether it ends, in whichever way."""
    end = deadline(seconds)
    while s.end is None and time.monotonic() < end:
        if not s.fill(end - time.monotonic()) and s.end is None:
            break
    return s.end is not None


def well(tap, site, proxy):
    with stream(proxy) as s:
        site.publish_sql('a', 'through')
        tap.ok(wait_body(s, b'through'), 'a stream comes through as it comes')
        tap.equal((proxy.requests('/push/sse'), proxy.open('/push/sse')), (1, 1),
                  'and is counted')
    tap.ok(wait_for(lambda: not proxy.open(), 5), 'and so is its end')
    conn = http.client.HTTPConnection('127.0.0.1', proxy.port, timeout=10)
    got = []
    for path in ('/index.html', '/style.css', '/index.html', '/push/poll?channel=a'):
        conn.request('GET', path)
        got.append(conn.getresponse().read() == site.get(path).body)
    conn.request('POST', '/push/publish?channel=a', b'x' * 200000)
    tap.equal(conn.getresponse().status, 201, 'a long body comes through')
    tap.ok(all(got), 'files and answers are what httpd says, on one connection', got)
    conn.close()
    site.port, port = proxy.port, site.port
    with WebSocket(site, '/push/ws?channel=a', 'tidings.json') as ws:
        tap.ok(ws.ask({'op': 'ping'}), 'a WebSocket talks through it')
        proxy.idle(0.5)
        with contextlib.suppress(Exception):
            ws.recv(5)
        tap.ok(wait_for(lambda: proxy.open('/push/ws') == 0, 10, 'the cut'),
               'and is dropped when idle')
    proxy.heal()
    proxy.strip()
    try:
        WebSocket(site, '/push/ws?channel=a').close()
        tap.ok(False, 'no WebSocket without Upgrade')
    except Exception as refused:
        tap.ok('HTTP 4' in str(refused), 'no WebSocket without Upgrade', refused)
    site.port = port
    proxy.heal()


def held_back(tap, site, proxy):
    proxy.buffer('/push/sse')
    tap.ok(silent(proxy), 'buffer: not even a head while it lasts')
    started = time.monotonic()
    with stream(proxy) as s:
        tap.ok(time.monotonic() - started > 2 and wait_body(s, b'retry:'),
               'buffer: all of it at its end')
    proxy.heal()
    proxy.buffer('/push/sse', block=4096)
    with RawStream(proxy.port, SSE) as s:
        wait_for(lambda: site.subscribers('a') == 1, 5, 'the subscriber')
        site.publish_sql('a', 'x' * 2000)
        tap.ok(not s.fill(0.5), 'blocks: nothing before 4096 bytes')
        site.publish_sql('a', 'y' * 3000)
        tap.ok(s.fill(5), 'blocks: then the first of them')
        s.fill(0.3)
        tap.equal(len(s.raw), 4096, 'blocks: and no more')
    proxy.heal()


def refused(tap, site, proxy):
    for status in (204, 401, 403, 404, 410, 502, 503):
        proxy.answer(status, '/push/sse', retry_after=7)
        with stream(proxy) as s:
            tap.equal((s.status, s.headers.get('retry-after'), ended(s)),
                      (status, '7', True), 'answer: %d' % status)
        tap.equal(site.get('/push/poll?channel=a', port=proxy.port).status, 200,
                  'and the other paths are well')
        proxy.heal()
    proxy.hang('/push/sse')
    tap.ok(silent(proxy), 'hang: no answer')
    proxy.heal()
    proxy.mute('/push/publish')
    with contextlib.suppress(OSError, http.client.HTTPException):
        r = site.post('/push/publish?channel=mute', 'x', port=proxy.port)
        tap.ok(False, 'mute: no answer', r)
    tap.equal(site.sql("SELECT data FROM changes WHERE channel = 'mute'"),
              [('x',)], 'mute: but it was done')
    proxy.heal()
    proxy.reset('/push/sse')
    with RawStream(proxy.port, SSE) as s:
        tap.ok(ended(s), 'reset: it breaks off')
    proxy.heal()


def gone(tap, site, proxy):
    proxy.idle(0.5, told=False)
    with stream(proxy) as s:
        wait_for(proxy.lost, 5, 'the idle one')
        site.publish_sql('a', 'never')
        tap.ok(not wait_body(s, b'never', 0.5) and s.end is None,
               'idle, untold: open, and nothing comes')
        proxy.heal()
        tap.ok(not wait_body(s, b'never', 0.3), 'and stays so')
        proxy.cut()
        tap.ok(ended(s), 'cut: it breaks off')
    with stream(proxy) as s:
        proxy.lose()
        site.publish_sql('a', 'lost')
        tap.ok(not wait_body(s, b'lost', 0.3) and s.end is None,
               'lose: open, and nothing comes')
    with stream(proxy) as s:
        proxy.down()
        tap.ok(ended(s), 'down: what was open breaks off')
        try:
            socket.create_connection(('127.0.0.1', proxy.port), 2).close()
            tap.ok(False, 'down: nobody listens')
        except ConnectionRefusedError:
            tap.ok(True, 'down: nobody listens')
        proxy.up()
    with stream(proxy) as s:
        tap.equal(s.status, 200, 'up: there again')
    proxy.upstream = free_port()
    with stream(proxy) as s:
        tap.equal(s.status, 502, 'httpd away: 502')
    proxy.upstream = site.port


def main(tap):
    with Site(SETTINGS) as site, FaultProxy(site) as proxy:
        for part in (well, held_back, refused, gone):
            part(tap, site, proxy)
        wait_for(lambda: not proxy.open(), 5, 'the end of all')


run(main)
