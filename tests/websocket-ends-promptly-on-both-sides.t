#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-ends-promptly-on-both-sides.t - RFC 6455, section 7.1.1: whoever
# closes, its code comes and the end of TCP behind it, without waiting for a
# timeout; a client that just vanishes is out of the daemon's books at once.
# Directly and through httpd in both forms of proxy, in plain and over TLS.
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket, descriptors

# What would end it, too, is far beyond what is waited for here.
SETTINGS = {'tidings': {'heartbeat': '5m', 'stall': '5m'},
            'wsd': {'close_timeout': '5m', 'drain': '300ms'}}
F = WebSocket.frame
PROMPT = 20
PATHS = (('echo', '/push/ws/echo', None), ('raw', '/push/ws?channel=a', None),
         ('json', '/push/ws?channel=a', 'tidings.json'))


def clients(site):
    return site.get('/push/status?format=json').json['programs']['wsd']['clients']


def ending(ws, began):
    """The code, and the seconds until it came and until the end came."""
    code = end = None
    with contextlib.suppress(Failure):
        code = ws.read_close(20)
        coded = time.monotonic() - began
        ws.wait_end(20)
        end = time.monotonic() - began
        return code, coded, end
    return code, None, end


def check(tap, site, way, connect):
    def prompt(name, want, ws, began):
        code, coded, ended = ending(ws, began)
        tap.ok(code == want and ended is not None and ended < PROMPT * PATIENCE,
               '%s: %s' % (way, name), 'code', code, 'after', coded, 'end after', ended)
        ws.close()

    # One for io_uring may come, and one for a link of httpd.
    fds = descriptors(site.pid('wsd')) + 2
    for name, path, form in PATHS:
        for code, what in ((1000, 'client closes'), (4000, 'client closes with its own code')):
            ws = connect(path, form)
            began = time.monotonic()
            ws.send(8, struct.pack('>H', code) + b'bye')
            prompt('%s: %s: %d and the end' % (name, what, code), code, ws, began)
        ws = connect(path, form)
        began = time.monotonic()
        ws.sock.sendall(F(1, 'x', mask=b''))
        code = ws.read_close(20)
        # The client does what it should: close, and wait for the end.
        ws.send(8, struct.pack('>H', 1002))
        with contextlib.suppress(Failure):
            ws.wait_end(20)
        took = time.monotonic() - began
        tap.ok(code == 1002 and ws.ended and took < PROMPT * PATIENCE,
               '%s: %s: server closes, client answers: the end' % (way, name), code, took)
        ws.close()
    wait_for(lambda: descriptors(site.pid('wsd')) <= fds, 20, 'the end of them all', 0.05)
    tap.ok(True, way + ': no descriptor is left')

    # Who goes without a word.
    for how in ('close', 'reset'):
        for what in ('idle', 'in the middle of a frame', 'with messages on their way'):
            held = [connect(path, form) for _ in range(5) for _, path, form in PATHS]
            wait_for(lambda: clients(site) == 10 and site.subscribers('a') == 10, 20, 'ten')
            if what == 'in the middle of a frame':
                for ws in held:
                    ws.sock.sendall(F(1, 'x' * 5000)[:3000])
            elif what == 'with messages on their way':
                for n in range(5):
                    site.publish_sql('a', 'x' * 100000)
            began = time.monotonic()
            for ws in held:
                getattr(ws, how)()
            with contextlib.suppress(Failure):
                wait_for(lambda: clients(site) == 0 and site.subscribers('a') == 0 and
                         descriptors(site.pid('wsd')) <= fds, 20, 'their end')
            took = time.monotonic() - began
            tap.ok(took < PROMPT * PATIENCE, '%s: %s, %s: out of the books at once' % (
                way, 'FIN' if how == 'close' else 'RST', what),
                took, clients(site), descriptors(site.pid('wsd')) - fds)


def stop(tap, site, ways):
    held = [(way, name, connect(path, form)) for way, connect in ways
            for name, path, form in PATHS]
    site.wait_subscribers('a', 2 * len(ways))
    began = time.monotonic()
    os.kill(site.pid('wsd'), signal.SIGTERM)
    for way, name, ws in held:
        code = ws.read_close(20)
        ws.send(8, struct.pack('>H', 1012))
        tap.equal(code, 1012, '%s: %s: a stop is told' % (way, name))
    for way, name, ws in held:
        with contextlib.suppress(Failure):
            ws.wait_end(20)
        took = time.monotonic() - began
        tap.ok(ws.ended and took < 2 * PROMPT * PATIENCE, '%s: %s: and then the end' % (way, name), took)
        ws.close()


def main(tap):
    for wstunnel in (False, True):
        with Site(SETTINGS, tls=True, wstunnel=wstunnel) as site:
            name = 'wstunnel' if wstunnel else 'upgrade'
            tls = site.tls_context()
            ways = [(name, lambda path, form: WebSocket(site.port, path, form)),
                    (name + ' over TLS',
                     lambda path, form: WebSocket(site.tls_port, path, form, tls=tls))]
            if not wstunnel:
                ways.insert(0, ('direct', lambda path, form: WebSocket(site.ws_port, path, form)))
            for way, connect in ways:
                check(tap, site, way, connect)
            stop(tap, site, ways)


need('openssl')
run(main)
