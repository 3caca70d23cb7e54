#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-over-tls-is-the-same.t - wss:// through httpd's mod_ssl, in both
# forms of proxy: data and json frames, a large echo, operations, resume by
# since=, Origin and close codes.
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

CLOSES = ((1000, ''), (1001, 'leaving'), (3000, ''), (4999, 'x' * 123))


def code_of(ws):
    """Waits for the end: the code that the server sent."""
    import websockets
    try:
        while True:
            ws.recv(20)
    except websockets.ConnectionClosed as e:
        return e.rcvd.code if e.rcvd else None


def main(tap):
    import websockets
    rnd = random.Random(2)
    for wstunnel in (False, True):
        way = 'wstunnel' if wstunnel else 'upgrade'
        with Site({'wsd': {'max_message': '1100000'}}, tls=True, wstunnel=wstunnel) as site:
            def connect(path, form=None, **kw):
                return WebSocket(site, path, form, tls=True, **kw)

            with connect('/push/ws?channel=a&since=earliest') as raw, \
                    connect('/push/ws?channel=a', 'tidings.json') as js:
                site.wait_subscribers('a', 2)
                rows = ['text', 'häß 😀\n', b'\0\xff', '', 'x' * 2**20]
                for data in rows:
                    site.publish_sql('a', data)
                got = [raw.recv(20) for _ in rows]
                tap.equal([g[:50] for g in got], [r[:50] for r in rows], way + ': data frames')
                tap.ok(got == rows, way + ': whole ones')
                got = [js.recv_json(20) for _ in rows]
                tap.ok([m['data'] for m in got][3:] == rows[3:] and got[1]['data'] == rows[1],
                       way + ': json frames', got[:3])
                ids = [m['id'] for m in got]
                r, before = js.ask('publish', channel='a', data='mine', ref=7)
                m = (before + [None])[0] or js.recv_json()
                tap.ok(r['op'] == 'ok' and r['ref'] == 7 and m['id'] == r['id']
                       and m['data'] == 'mine', way + ': the publish op', r, m)
                tap.equal(raw.recv(), 'mine', way + ': and others have it')
            with connect('/push/ws?channel=a&since=' + ids[0], 'tidings.json') as js:
                got = [js.recv_json(20)['id'] for _ in range(5)]
                tap.equal(got, ids[1:] + [r['id']], way + ': resumes by since=')
                r, before = js.ask('subscribe', channel='a', since=ids[2])
                got = [m['data'] for m in before]
                while len(got) < 3:
                    got.append(js.recv_json(20)['data'])
                tap.equal([g[:9] for g in got], ['', 'x' * 9, 'mine'],
                          way + ': and by the op')

            with connect('/push/ws/echo') as ws:
                for data in (rnd.randbytes(1000000), 'ä' * 500000, rnd.randbytes(16384),
                             rnd.randbytes(16385)):
                    ws.send(data)
                    got = ws.recv(20)
                    tap.ok(got == data, '%s: echo of %d %s' % (way, len(data), type(data).__name__),
                           got[:50])
                ws.send([data[:5], data[5:9000], data[9000:]])
                tap.ok(ws.recv(20) == data, way + ': of a message in fragments')
                many = [rnd.randbytes(rnd.randrange(40000)) for _ in range(100)]
                for data in many:
                    ws.send(data)
                tap.ok([ws.recv(20) for _ in many] == many, way + ': of many in flight, in order')
                pong = ws.wait(ws.conn.ping(b'payload'))
                ws.wait(pong)
                tap.ok(True, way + ': ping, pong')

            for origin, want in (('https://127.0.0.1:%d' % site.tls_port, 101),
                                 ('https://evil.example', 403)):
                try:
                    connect('/push/ws?channel=a', origin=origin).close()
                    got = 101
                except websockets.InvalidHandshake as e:
                    got = refused_status(e)
                tap.equal(got, want, '%s: Origin %s' % (way, origin))

            for path, form in (('/push/ws/echo', None), ('/push/ws?channel=a', None),
                               ('/push/ws?channel=a', 'tidings.json')):
                for code, reason in CLOSES:
                    ws = connect(path, form)
                    ws.wait(ws.conn.close(code, reason), 20)
                    tap.equal(ws.conn.close_code, code, '%s %s: close %d is answered'
                              % (way, path, code))
                    ws.loop.close()
            for path, form, data, code in (
                    ('/push/ws?channel=a', None, 'x', 1003),
                    ('/push/ws?channel=a', 'tidings.json', b'{"op":"ping"}', 1003),
                    ('/push/ws/echo', None, b'x' * 1100001, 1009)):
                ws = connect(path, form)
                ws.send(data)
                tap.equal(code_of(ws), code, '%s: %r... is ended by %d' % (way, data[:12], code))
                ws.loop.close()
            with connect('/push/ws?channel=a') as ws:
                os.kill(site.pid('wsd'), signal.SIGTERM)
                tap.equal(code_of(ws), 1012, way + ': a stop is 1012')
            tap.ok(site.httpd.poll() is None and site.supervisor.poll() is None,
                   way + ': httpd and the supervisor live')


need('openssl')
need_websockets()
run(main)
