#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: a JSON array with batch=1 is one transaction: seen together, or
# with one bad message not at all.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    with Site() as site:
        def batch(messages, query='', **kw):
            body = messages if isinstance(messages, (str, bytes)) else json.dumps(messages)
            return site.post('/push/publish?batch=1' + query, body, 'application/json', **kw)

        s = site.stream('/push/sse?prefix=b')
        s.wait('\n\n')
        r = batch([{'channel': 'b1', 'data': 'one'},
                   {'topic': 'b2', 'data': 'two', 'event': 'ev'},
                   {'channel': 'b1', 'data': {'x': [1, 'ä', None]}, 'type': 't'},
                   {'channel': 'b1', 'data': 7},
                   {'channel': 'b1', 'data': None},
                   {'channel': 'b1', 'data': '{"text": 1}', 'content_type': 'application/json'},
                   {'channel': 'b1', 'data': '', 'event': None}])
        t.ok(r.status == 201 and [m['channel'] for m in r.json] ==
             ['b1', 'b2', 'b1', 'b1', 'b1', 'b1', 'b1'], 'a list of ids', r)
        t.equal([m['id'].split('-')[1] for m in r.json], list('1234567'), 'in order')
        messages = site.get('/push/poll?prefix=b&since=0').json['messages']
        t.equal([(m['data'], m['event'], m.get('content_type')) for m in messages],
                [('one', None, None), ('two', 'ev', None),
                 ('{"x":[1,"ä",null]}', 't', 'application/json'),
                 ('7', None, 'application/json'), ('null', None, 'application/json'),
                 ('{"text": 1}', None, 'application/json'), ('', None, None)],
                'text as it is, other data as JSON')
        s.wait('id: %s\n' % r.json[-1]['id'])
        s.close()
        r = batch([{'data': 'x'}, {'channel': 'own', 'data': 'y'}], '&channel=default')
        t.equal([m['channel'] for m in r.json], ['default', 'own'],
                'channel= is for those that name none')
        r = batch([{'channel': 'one', 'data': 'x'}])
        t.ok(r.status == 201 and type(r.json) is list and len(r.json) == 1,
             'a batch of one is a list', r)
        r = batch('[{"channel":"nul","data":"a\\u0000b"}]')
        t.equal(r.status, 201, 'a NUL in data')
        t.equal(site.get('/push/poll?channel=nul&since=0').json['messages'][0]['data'], 'a\0b',
                'arrives')
        r = site.post('/push/publish?channel=plain', '[{"channel":"x","data":"y"}]',
                      'application/json')
        t.equal((r.status, r.json['channel']), (201, 'plain'),
                'without batch=1 an array is a message')

        good = {'channel': 'g', 'data': 'x'}
        rows = [
            ([], 400), ('', 400), ('{', 400), ('{}', 400), ('"x"', 400), ('null', 400),
            ('[1]', 400), ('[[]]', 400), ('[{"channel":"g","data":"x"}', 400),
            ('[{"channel":"g","data":"x"}] x', 400),
            ('[{"channel":"g","channel":"h","data":"x"}]', 400),
            (b'[{"channel":"g","data":"\xff"}]', 400), ('[{"channel":"g","data":"\\ud800"}]', 400),
            ([good, {'channel': 'g'}], 400), ([good, {'data': 'x'}], 400),
            ([good, {'channel': '', 'data': 'x'}], 400), ([good, {'channel': 5, 'data': 'x'}], 400),
            ([good, {'channel': 'a\nb', 'data': 'x'}], 400),
            ([good, {'channel': 'a\0b', 'data': 'x'}], 400),
            ([good, {'channel': 'n' * 256, 'data': 'x'}], 400),
            ([good, dict(good, event='')], 400), ([good, dict(good, event='tidings.reset')], 400),
            ([good, dict(good, event='a\rb')], 400), ([good, dict(good, event=1)], 400),
            ([good, dict(good, content_type='a\nb')], 400), ([good, dict(good, dedup='')], 400),
            ([good, dict(good, dedup=1)], 400),
            ([good, dict(good, ttl='x')], 400), ([good, dict(good, ttl=-1)], 400),
            ([good, dict(good, ttl=1e300)], 400), ([good, dict(good, expires_ms='1')], 400),
            ([good, dict(good, chanel='typo')], 400), ([good, dict(good, id=1)], 400),
            ([good, dict(good, data='x' * (2**20 + 1))], 413),
            ([dict(good, dedup='k'), dict(good, dedup='k', data='another')], 409),
            ([good] * 3 + [dict(good, dedup='k2'), dict(good, dedup='k2', event='e')], 409),
            ('[' * 100000, 400),
        ]
        count = lambda: site.sql('SELECT count(*), max(id) FROM changes')[0]
        before = count()
        for messages, status in rows:
            r = batch(messages)
            text = messages if isinstance(messages, (str, bytes)) else json.dumps(messages)
            t.ok(r.status == status and r.headers['Content-Type'] == 'application/problem+json',
                 '%d: %s' % (status, text[-70:]), r)
        t.equal(count(), before, 'and of none of them anything is stored')
        r = batch([good, {'channel': 'g', 'data': 'x', 'event': 'tidings.x'}])
        t.ok('2' in r.json['detail'], 'the sentence says which message', r)

        # Readers see all of a batch or nothing.
        n, size = 30, 20
        got, cursor = [], site.get('/push/poll?channel=together').json['cursor']
        halves = []
        for i in range(n):
            batch([{'channel': 'together', 'data': '%d' % i}] * size)
            r = site.get('/push/longpoll?channel=together&wait=5&since=' + cursor)
            cursor = r.json['cursor']
            got += [m['data'] for m in r.json['messages']]
            halves.append(len(got) % size)
        t.equal(got, [str(i) for i in range(n) for _ in range(size)], 'in order')
        t.equal(set(halves), {0}, 'never half a batch')
        t.ok(site.lives(), 'the programs live')


run(main)
