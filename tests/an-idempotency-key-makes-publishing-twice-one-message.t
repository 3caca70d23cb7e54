#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: Idempotency-Key (and dedup): the same again is answered as the
# first time and stored once; another message under the key is a 409.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
import threading


def main(t):
    with Site() as site:
        def publish(data='x', key='k1', channel='a', **headers):
            if key is not None:
                headers['Idempotency-Key'] = key
            return site.post('/push/publish?channel=' + channel, data, 'text/plain', headers)

        s = site.stream('/push/sse?channel=a')
        s.wait('\n\n')
        first = publish()
        t.equal(first.status, 201, 'the first time')
        again = publish()
        t.equal((again.status, again.json), (201, first.json), 'the same again: the same answer')
        t.ok(again.headers.get('Idempotent-Replayed') == 'true' and
             'Idempotent-Replayed' not in first.headers, 'which says so', again.headers)
        other = publish('y')
        t.ok(other.status == 409 and other.headers['Content-Type'] == 'application/problem+json',
             'another text under the key: 409', other)
        r = publish(**{'Event-Type': 'e'})
        t.equal(r.status, 409, 'another event: 409')
        r = site.post('/push/publish?channel=a', 'x', 'text/html', {'Idempotency-Key': 'k1'})
        t.equal(r.status, 409, 'another type: 409')
        r = publish(channel='b')
        t.ok(r.status == 201 and r.json['id'] != first.json['id'],
             'a key counts for its channel', r)
        t.ok(publish('z', None).json['id'] != publish('z', None).json['id'],
             'without a key every request is one')
        t.ok(publish('y', 'k2').status == 201, 'another key is another message')
        buf = s.wait('data: y\n\n')
        t.equal(buf.count(b'data: x'), 1, 'delivered once')
        s.close()
        t.equal(site.sql("SELECT count(*) FROM changes WHERE channel = 'a' AND dedup = 'k1'"),
                [(1,)], 'stored once')

        form = 'application/x-www-form-urlencoded'
        one = site.post('/push/publish', 'channel=f&data=1', form, {'Idempotency-Key': 'f'})
        two = site.post('/push/publish', 'channel=f&data=1', form, {'Idempotency-Key': 'f'})
        t.equal(one.json, two.json, 'a form as well')
        body = json.dumps([{'channel': 'j', 'data': 'x', 'dedup': 'd'},
                           {'channel': 'j', 'data': 'y', 'idempotency_key': 'e'}])
        one = site.post('/push/publish?batch=1', body, 'application/json')
        two = site.post('/push/publish?batch=1', body, 'application/json')
        t.ok(one.status == two.status == 201 and one.json == two.json,
             'and a batch, each with its own', one, two)
        r = site.post('/push/publish?batch=1', json.dumps(
            [{'channel': 'j', 'data': 'new', 'dedup': 'n'},
             {'channel': 'j', 'data': 'other', 'dedup': 'd'}]), 'application/json')
        t.equal(r.status, 409, 'one conflict refuses the batch')
        r = site.get('/push/poll?channel=j&since=0')
        t.equal([m['data'] for m in r.json['messages']], ['x', 'y'], 'all of it')
        r = site.post('/push/publish?channel=m1&channel=m2', 'x', 'text/plain',
                      {'Idempotency-Key': 'm'})
        r2 = site.post('/push/publish?channel=m1&channel=m2', 'x', 'text/plain',
                       {'Idempotency-Key': 'm'})
        t.equal(r.json, r2.json, 'several channels')
        blob = [site.post('/push/publish?channel=bin', b'\0\xff', 'image/png',
                          {'Idempotency-Key': 'b'}) for _ in range(2)]
        t.ok(blob[0].json == blob[1].json and blob[1].status == 201, 'bytes', blob)

        for key, status in (('x' * 255, 201), ('x' * 256, 400), ('"quoted"', 201), ('ä'.encode(), 201),
                            (b'\xff', 400)):
            r = publish('key', key, 'keys')
            t.ok(r.status == status, 'a key of %d: %d' % (len(key), status), r)

        # SQL: the constraint is the schema's.
        sql = "INTO changes(channel, data, dedup, content_type) VALUES ('s', ?, 'k', 'text/plain')"
        for verb, text in (('INSERT', 'x'), ('INSERT', 'x'), ('INSERT OR REPLACE', 'y')):
            site.sql(verb + ' ' + sql, text)
        r = site.get('/push/poll?channel=s&since=0')
        t.equal([m['data'] for m in r.json['messages']], ['x'], 'by SQL: one message')
        r = publish('x', 'k', 's')
        t.equal((r.status, r.headers.get('Idempotent-Replayed')), (201, 'true'),
                'HTTP sees what SQL stored')

        results = []
        threads = [threading.Thread(target=lambda: results.append(publish('same', 'race', 'r').json))
                   for _ in range(16)]
        for th in threads:
            th.start()
        for th in threads:
            th.join()
        t.ok(len(results) == 16 and len({r['id'] for r in results}) == 1,
             'sixteen at once are one message', results)
        t.ok(site.lives(), 'the programs live')


run(main)
