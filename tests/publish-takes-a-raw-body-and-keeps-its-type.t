#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: POST with a raw body: text stays text, bytes stay bytes,
# Content-Type is kept, Event-Type names the event; the answer has the id.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    with Site() as site:
        start = site.get('/push/poll?channel=a').json['cursor']
        rows = [
            # type, body, stored as, data that arrives, content_type that is told
            ('text/plain', 'hällo', 'text', 'hällo', 'text/plain'),
            ('text/plain; charset=UTF-8', 'x', 'text', 'x', 'text/plain; charset=UTF-8'),
            ('text/html;charset="utf-8"', '<b>', 'text', '<b>', 'text/html;charset="utf-8"'),
            ('application/json', '{"a": [1, null]}', 'text', '{"a": [1, null]}',
             'application/json'),
            ('application/vnd.x+json', '{}', 'text', '{}', 'application/vnd.x+json'),
            ('application/json', 'not json at all', 'text', 'not json at all',
             'application/json'),
            ('image/png', b'\x89PNG', 'blob', 'data:image/png;base64,iVBORw==', 'image/png'),
            ('image/png', b'ascii', 'blob', 'data:image/png;base64,YXNjaWk=', 'image/png'),
            ('application/octet-stream', b'', 'blob',
             'data:application/octet-stream;base64,', 'application/octet-stream'),
            (None, 'no type', 'text', 'no type', None),
            (None, b'\xff\x00', 'blob', 'data:application/octet-stream;base64,/wA=', None),
            ('text/plain', '', 'text', '', 'text/plain'),
            (None, '', 'text', '', None),
            ('text/plain', 'a\0b\r\nc\n', 'text', 'a\0b\r\nc\n', 'text/plain'),
            ('text/plain', 'channel=b&data=x', 'text', 'channel=b&data=x', 'text/plain'),
            # what curl -d sends
            ('application/x-www-form-urlencoded', 'just text', 'text', 'just text', None),
            ('application/x-www-form-urlencoded', '5% of it', 'text', '5% of it', None),
            ('application/x-www-form-urlencoded', 'channel', 'text', 'channel', None),
        ]
        ids = []
        for kind, body, stored, data, told in rows:
            r = site.post('/push/publish?channel=a', body, kind)
            name = '%s %a' % (kind, body)
            if not t.ok(r.status == 201 and set(r.json) == {'id', 'channel'} and
                        r.json['channel'] == 'a', name + ' is taken', r):
                continue
            ids.append(r.json['id'])
            m = site.get('/push/poll?channel=a&since=-1').json['messages'][0]
            t.equal((m['id'], m['data'], m.get('content_type'), m['event']),
                    (ids[-1], data, told, None), name + ' arrives')
            t.equal(site.sql('SELECT typeof(data) FROM changes ORDER BY id DESC LIMIT 1'),
                    [(stored,)], name + ' is stored as ' + stored)
        t.equal(r.headers['Content-Type'], 'application/json', 'the answer is JSON')
        t.ok('no-store' in r.headers['Cache-Control'], 'and is not cached')
        r = site.get('/push/poll?channel=a&since=' + start)
        t.equal([m['id'] for m in r.json['messages']], ids, 'ids grow in order')

        events = [({'Event-Type': 'slide'}, '', 'slide'), ({}, '&event=x', 'x'),
                  ({}, '&type=y', 'y'), ({'Event-Type': 'h'}, '&event=q', 'h'),
                  ({'Event-Type': ''}, '', None), ({}, '&event=', None),
                  ({'Event-Type': 'Größe'.encode()}, '', 'Größe'),
                  ({}, '&event=%F0%9F%94%94', '\U0001f514')]
        for headers, query, want in events:
            r = site.post('/push/publish?channel=e' + query, 'x', 'text/plain', headers)
            m = site.get('/push/poll?channel=e&since=-1').json['messages']
            t.ok(r.status == 201 and m and m[0]['event'] == want,
                 'the event of %r %s' % (headers, query), r, m)
        r = site.post('/push/publish?topic=by-topic', 'x')
        t.equal((r.status, r.json['channel']), (201, 'by-topic'), 'topic is channel')
        r = site.post('/push/publish?channel=a&channel=b&topic=c', 'to all', 'text/plain')
        t.ok(r.status == 201 and [m['channel'] for m in r.json] == ['a', 'b', 'c'] and
             len({m['id'] for m in r.json}) == 3, 'several channels: a list of ids', r)
        for c in 'abc':
            m = site.get('/push/poll?since=-1&channel=' + c).json['messages']
            t.equal([x['data'] for x in m], ['to all'], 'in each of them: ' + c)
        t.ok(site.lives(), 'the programs live')


run(main)
