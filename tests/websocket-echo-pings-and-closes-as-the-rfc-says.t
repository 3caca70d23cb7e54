#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: the echo returns every message as it came; pings are answered; a
# close is answered with its code, and then the server closes; what a client
# may not send ends with the code for it.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def closed(ws):
    """Waits for the end: the code that the server sent."""
    import websockets
    try:
        while True:
            ws.recv(10)
    except websockets.ConnectionClosed:
        pass
    return ws.conn.close_code


def without_a_path(t):
    """Issue 12: the tutorial's ws://host:9999 said nothing."""
    for echo in (True, False):
        with Site(echo=echo) as site:
            site.publish_sql('a', 'a message')
            for path, form, kind in (('', None, 'echo' if echo else 400), ('/', None, 'echo' if echo else 400),
                                     ('/?', None, 'echo' if echo else 400),
                                     ('/?channel=a&since=-1', None, 'data'),
                                     ('/', 'tidings.json', 'json')):
                what = 'echo = %s, %r, %s' % (echo, path, form)
                try:
                    ws = WebSocket(site, path, form, port=site.ws_port)
                except Exception as e:
                    refused = hasattr(e, 'status_code') or hasattr(e, 'response')
                    t.equal(refused_status(e) if refused else repr(e), kind, what)
                    continue
                if kind == 'echo':
                    ws.send('hello')
                    t.equal(ws.recv(), 'hello', what + ': the echo')
                elif kind == 'data':
                    t.equal(ws.recv(), 'a message', what + ': subscribes')
                elif kind == 'json':
                    t.equal(ws.ask('ping')[0]['op'], 'ok', what + ': operations')
                else:
                    t.ok(False, what + ' is refused')
                ws.close()


def main(t):
    need_websockets()
    without_a_path(t)
    for wstunnel in (False, True):
        with Site(wstunnel=wstunnel) as site:
            for name, port in (('tunnel' if wstunnel else 'upgrade', site.port),
                               ('direct', site.ws_port)):
                if wstunnel and name == 'direct':
                    continue
                with WebSocket(site, '/push/ws/echo', port=port) as ws:
                    for data in ('', 'x', 'häß 😀 \0\n', b'', b'\0\xff' * 50, 'x' * 125, 'x' * 126,
                                 b'x' * 65535, b'x' * 65536, 'ä' * 500000):
                        ws.send(data)
                        got = ws.recv()
                        t.ok(got == data and type(got) is type(data),
                             '%s: echo of %d %s' % (name, len(data), type(data).__name__),
                             ascii(got[:80]))
                    ws.send(['in ', 'three ', 'pieces'])
                    t.equal(ws.recv(), 'in three pieces', name + ': a message in fragments')
                    for n in range(100):
                        ws.send(str(n))
                    t.equal([ws.recv() for _ in range(100)], [str(n) for n in range(100)],
                            name + ': many, in order')
                    pong = ws.wait(ws.conn.ping(b'payload'))
                    ws.wait(pong)
                    t.ok(True, name + ': ping, pong')
                    ws.wait(ws.conn.pong(b'unasked'))
                    ws.send('after')
                    t.equal(ws.recv(), 'after', name + ': an unasked pong is no matter')

                for path, form in (('/push/ws/echo', None), ('/push/ws?channel=a', None),
                                   ('/push/ws?channel=a', 'tidings.json')):
                    for code, reason in ((1000, ''), (1001, 'leaving'), (3000, ''), (4999, 'x' * 123)):
                        ws = WebSocket(site, path, form, port=port)
                        start = time.monotonic()
                        ws.wait(ws.conn.close(code, reason))
                        took = time.monotonic() - start
                        # close_code is what the server's own frame said.
                        t.ok(ws.conn.close_code == code and took < 4 * PATIENCE,
                             '%s %s: close %d is answered' % (name, path, code),
                             ws.conn.close_code, took)
                        ws.loop.close()

                for path, form, data, code in (
                        ('/push/ws?channel=a', None, 'x', 1003),
                        ('/push/ws?channel=a', None, b'x', 1003),
                        ('/push/ws?channel=a', 'tidings.json', b'{"op":"ping"}', 1003)):
                    ws = WebSocket(site, path, form, port=port)
                    ws.send(data)
                    t.equal(closed(ws), code, '%s: %r is ended by %d' % (name, data, code))
                    ws.loop.close()

                # Bytes that the library would not send.
                def raw(*frames):
                    s = socket.create_connection(('127.0.0.1', port), 10 * PATIENCE)
                    s.sendall(('GET /push/ws/echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n'
                               'Upgrade: websocket\r\nConnection: Upgrade\r\n'
                               'Sec-WebSocket-Version: 13\r\n'
                               'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
                               % port).encode())
                    head = b''
                    while not head.endswith(b'\r\n\r\n'):
                        head += s.recv(1)
                    for f in frames:
                        s.sendall(f)
                    got = b''
                    while True:
                        more = s.recv(4096)
                        if not more:
                            break
                        got += more
                    s.close()
                    return got

                mask = b'\0\0\0\0'
                rows = [
                    ('an unmasked frame', b'\x81\x01x', 1002),
                    ('a reserved bit', b'\xc1\x81' + mask + b'x', 1002),
                    ('an unknown opcode', b'\x83\x80' + mask, 1002),
                    ('a continuation of nothing', b'\x80\x80' + mask, 1002),
                    ('a ping of 126 bytes', b'\x89\xfe\0\x7e' + mask + b'x' * 126, 1002),
                    ('a ping in fragments', b'\x09\x80' + mask, 1002),
                    ('text that is no UTF-8', b'\x81\x81' + mask + b'\xff', 1007),
                    ('a close of one byte', b'\x88\x81' + mask + b'\x03', 1002),
                    ('a close with code 1005', b'\x88\x82' + mask + b'\x03\xed', 1002),
                    ('a close with a bad reason', b'\x88\x83' + mask + b'\x03\xe8\xff', 1007),
                    ('a close without a code', b'\x88\x80' + mask, None),
                ]
                for what, frame, code in rows:
                    got = raw(frame)
                    sent = int.from_bytes(got[2:4], 'big') if len(got) >= 4 else None
                    t.ok(got[:1] == b'\x88' and sent == code,
                         '%s: %s is ended by %s, and the server closes' % (name, what, code), got)
            t.ok(site.lives(), 'the programs live')


run(main)
