#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: what publish does not take: names, types, sizes. One mebibyte is
# taken, one byte more is not.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from urllib.parse import quote

MIB = 2**20


def main(t):
    with Site() as site:
        rows = [
            # query, type, body, headers, status
            ('', None, 'x', {}, 400), ('?channel=', None, 'x', {}, 400),
            ('?channel=%00', None, 'x', {}, 400), ('?channel=a%00', None, 'x', {}, 400),
            ('?channel=a%0Ab', None, 'x', {}, 400), ('?channel=%FF', None, 'x', {}, 400),
            ('?channel=%7F', None, 'x', {}, 400), ('?channel=%C2%9F', None, 'x', {}, 400),
            ('?channel=' + 'n' * 256, None, 'x', {}, 400),
            ('?channel=' + quote('é' * 128), None, 'x', {}, 400),
            ('?channel=%zz', None, 'x', {}, 400),
            ('?channel=a&channel=%01', None, 'x', {}, 400),
            ('?channel=a', None, 'x', {'Event-Type': 'tidings.reset'}, 400),
            ('?channel=a&event=tidings.', None, 'x', {}, 400),
            ('?channel=a&event=a%0Ab', None, 'x', {}, 400),
            ('?channel=a&event=a%00b', None, 'x', {}, 400),
            ('?channel=a', None, 'x', {'Event-Type': 'n' * 256}, 400),
            ('?channel=a', None, 'x', {'Event-Type': b'\xff'}, 400),
            ('?channel=a', 'text/' + 'x' * 255, 'x', {}, 400),
            ('?channel=a', 'text/plain', b'\xff', {}, 400),
            ('?channel=a', 'application/json', b'"\xc3"', {}, 400),
            ('?channel=a', 'text/plain; charset=latin1', b'\xe4', {}, 415),
            ('?channel=a', 'text/plain; charset=UTF-16', b'\0a', {}, 415),
            ('?channel=a', 'multipart/form-data; boundary=x', '--x--', {}, 415),
            ('?channel=a', 'Multipart/Form-Data', '--x--', {}, 415),
            ('?channel=a&batch=1', 'application/json', 'x', {}, 400),
        ]
        for query, kind, body, headers, status in rows:
            r = site.post('/push/publish' + query, body, kind, headers)
            t.ok(r.status == status and r.headers['Content-Type'] == 'application/problem+json',
                 '%d: %s %s %r' % (status, query[:30], (kind or '')[:30], headers and
                                   {k: v[:16] for k, v in headers.items()}), r)
        for method in ('PUT', 'PATCH'):
            r = site.request(method, '/push/publish?channel=a', b'x')
            t.ok(r.status == 405 and 'POST' in r.headers['Allow'], '405: ' + method, r)
        t.equal(site.sql('SELECT count(*) FROM changes'), [(0,)], 'nothing is stored')

        form = 'application/x-www-form-urlencoded'
        for name, body, kind, query in (
                ('text', b'x' * MIB, 'text/plain', '?channel=a'),
                ('bytes', b'\xff' * MIB, 'image/x', '?channel=a'),
                ('characters of two bytes', 'é'.encode() * (MIB // 2), None, '?channel=a'),
                ('a form', b'channel=a&data=' + b'x' * MIB, form, ''),
                ('an escaped form', b'channel=a&data=' + b'%41' * MIB, form, ''),
                ('JSON', b'[{"channel":"a","data":"' + b'x' * MIB + b'"}]',
                 'application/json', '?batch=1')):
            r = site.post('/push/publish' + query, body, kind)
            t.ok(r.status == 201, 'a mebibyte of ' + name, r)
            got = site.sql('SELECT length(CAST(data AS BLOB)) FROM changes'
                           ' ORDER BY id DESC LIMIT 1')
            t.equal(got, [(MIB,)], 'is stored whole')
            more = body.replace(b'x"}', b'xx"}') if body.endswith(b'"}]') else body + b'x'
            r = site.post('/push/publish' + query, more, kind)
            t.ok(r.status == 413 and r.headers['Content-Type'] == 'application/problem+json',
                 'one byte more is not', r)
        t.equal(site.sql('SELECT count(*) FROM changes'), [(6,)], 'six are stored')
        # It arrives as it was sent, over every way.
        r = site.get('/push/poll?channel=a&since=0')
        t.equal(len(r.json['messages'][0]['data']), MIB, 'poll gives it whole')
        with site.stream('/push/sse?channel=a&since=0') as s:
            s.wait(b'data: ' + b'x' * MIB + b'\n\n', 30)
            t.ok(True, 'sse gives it whole')
        r = site.post('/push/publish?channel=a', b'x' * (8 * MIB + 1), 'text/plain')
        t.equal(r.status, 413, 'a body over max_body is not read to its end for nothing')
        r = site.post('/push/publish?channel=a', b'after', 'text/plain')
        t.equal(r.status, 201, 'and the next one is taken')

        # A body of unknown length.
        conn = http.client.HTTPConnection('127.0.0.1', site.port, timeout=20 * PATIENCE)
        conn.request('POST', '/push/publish?channel=chunked', iter([b'in ', b'pieces']),
                     {'Content-Type': 'text/plain'}, encode_chunked=True)
        r = Response(conn.getresponse())
        conn.close()
        t.equal(r.status, 201, 'a chunked body is taken')
        m = site.get('/push/poll?channel=chunked&since=0').json['messages']
        t.equal([x['data'] for x in m], ['in pieces'], 'whole')

    with Site(settings={'tidings': {'max_data': '10', 'max_body': '2K'}}) as site:
        t.equal(site.post('/push/publish?channel=a', b'x' * 10).status, 201,
                'max_data is configured')
        t.equal(site.post('/push/publish?channel=a', b'x' * 11).status, 413, 'and kept')
        try:
            site.publish_sql('a', 'x' * 11)
            t.ok(False, 'by SQL as well')
        except sqlite3.Error as e:
            t.ok('max_data' in str(e), 'by SQL as well', e)
        t.equal(site.post('/push/publish?channel=a', b'x' * 2049).status, 413, 'max_body too')
        t.ok(site.lives(), 'the programs live')


run(main)
