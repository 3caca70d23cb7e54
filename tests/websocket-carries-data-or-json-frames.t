#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: without subprotocol a message is one frame with its data, text or
# binary; with tidings.json an object; through httpd in both forms of proxy
# and directly; resume by since.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def frames(t, site, port, name):
    channel = name.replace(' ', '-')
    path = '/push/ws?channel=%s&since=' % channel
    start = site.get('/push/poll?channel=' + channel).json['cursor']
    raw = WebSocket(site, path + start, port=port)
    js = WebSocket(site, path + start, 'tidings.json', port=port)
    t.equal((raw.conn.subprotocol, js.conn.subprotocol), (None, 'tidings.json'),
            name + ': the subprotocol that was asked for')
    t.equal(raw.headers['Tidings-Cursor'], start, name + ': the handshake tells the cursor')
    rows = [('text', None, None, 'text'), ('häß 😀\n\0', 'ev', 'text/plain', 'häß 😀\n\0'), ('', None, None, ''),
            ('{"a":1}', None, 'application/json', '{"a":1}'), (42, None, None, '42'),
            (b'\0\xff', 'ev', 'image/png', 'data:image/png;base64,AP8='),
            (b'', None, None, 'data:application/octet-stream;base64,'),
            ('x' * 125, None, None, 'x' * 125), ('x' * 126, None, None, 'x' * 126),
            ('x' * 65535, None, None, 'x' * 65535), ('x' * 65536, None, None, 'x' * 65536),
            ('x' * 2**20, None, None, 'x' * 2**20)]
    for data, event, kind, _ in rows:
        site.sql('INSERT INTO changes(channel, data, event, content_type) VALUES (?, ?, ?, ?)',
                 channel, data, event, kind)
    ids = []
    for data, event, kind, text in rows:
        want = data if isinstance(data, (bytes, str)) else str(data)
        got = raw.recv()
        t.ok(got == want and type(got) is type(want), '%s raw: %a' % (name, want[:10]), ascii(got[:99]))
        m = js.recv_json()
        ids.append(m['id'])
        t.ok((m['channel'], m['event'], m['data'], m.get('content_type')) ==
             (channel, event, text, kind), '%s json: %a' % (name, want[:10]), str(m)[:200])
    t.equal(ids, [m['id'] for m in site.get('/push/poll?since=0&channel=' + channel)
                  .json['messages']], name + ': ids are cursors')
    raw.close()
    js.close()
    with WebSocket(site, path + ids[2], 'tidings.json', port=port) as js:
        t.equal(js.recv_json()['id'], ids[3], name + ': resumes behind an id')
    with WebSocket(site, path + '-1', port=port) as raw:
        t.equal(len(raw.recv()), 2**20, name + ': or with the last one')
    with WebSocket(site, '/push/ws?prefix=%s&channel=other' % channel[:4], 'tidings.json',
                   port=port) as js:
        site.publish_sql('other', 'x')
        site.publish_sql(channel, 'y')
        t.equal([js.recv_json()['data'] for _ in range(2)], ['x', 'y'],
                name + ': channels and prefixes')


def main(t):
    need_websockets()
    with Site() as site:
        frames(t, site, site.port, 'upgrade')
        frames(t, site, site.ws_port, 'direct')
        with WebSocket(site, '/push/ws?channel=a', ['chat', 'tidings.json']) as ws:
            t.equal(ws.headers['Sec-WebSocket-Protocol'], 'tidings.json', 'one of several')
        with WebSocket(site, '/push/ws?channel=a', ['chat', 'tidings.jsonx']) as ws:
            t.equal(ws.headers.get('Sec-WebSocket-Protocol'), None, 'an unknown one is left out')
        t.ok(site.lives(), 'the programs live')
    with Site(wstunnel=True) as site:
        frames(t, site, site.port, 'tunnel')
        t.ok(site.lives(), 'the programs live')


run(main)
