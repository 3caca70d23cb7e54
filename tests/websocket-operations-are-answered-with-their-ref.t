#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: subscribe, unsubscribe, publish and ping over tidings.json: one
# answer each, with its ref; what is wrong is an error in words, and the
# connection stays.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    need_websockets()
    with Site() as site:
        ws = WebSocket(site, '/push/ws', 'tidings.json')
        t.ok(True, 'no channel is needed to begin with')
        epoch = site.get('/push/poll?channel=a').json['cursor'].split('-')[0]

        for ref in (1, 0, -1, 1.5, 'text', '', None, True, [1, 'x'], {'a': {'b': 1}}, 'ä\u2028'):
            r, _ = ws.ask('ping', ref=ref)
            t.equal((r['op'], r.get('ref')), ('ok', ref), 'ping with ref %a' % (ref,))
        r, _ = ws.ask('ping')
        t.ok(r['op'] == 'ok' and 'ref' not in r, 'ping without ref', r)
        t.ok(r['cursor'].startswith(epoch + '-'), 'tells the cursor', r)

        site.publish_sql('a', 'before')
        r, _ = ws.ask('subscribe', ref=2, channel='a')
        t.equal((r['op'], r['ref'], r['cursor']), ('ok', 2, epoch + '-1'),
                'subscribe tells from where on')
        site.publish_sql('a', 'one', 'ev')
        m = ws.recv_json()
        t.equal((m['id'], m['channel'], m['event'], m['data']), (epoch + '-2', 'a', 'ev', 'one'),
                'and what comes then')
        r, got = ws.ask('subscribe', ref=3, channel='b', since='earliest')
        r, got = ws.ask('subscribe', ref=4, channels=['c', 'd'], since=0)
        r, got = ws.ask('subscribe', ref=5, prefix='p.', topic='t')
        r, got = ws.ask('subscribe', ref=6, prefix=['q.', 'r.'], channel=['e', 'f'])
        t.equal((r['op'], got), ('ok', []), 'many at once, from any cursor, nothing twice')
        for c in ('b', 'c', 'd', 'p.x', 't', 'q.1', 'r.1', 'e', 'f', 'a', 'g'):
            site.publish_sql(c, 'to ' + c)
        site.publish_sql('a', 'last')
        got = [ws.recv_json()['data'] for _ in range(11)]
        t.equal(got, ['to ' + c for c in ('b', 'c', 'd', 'p.x', 't', 'q.1', 'r.1', 'e', 'f', 'a')]
                + ['last'], 'all of them, in order')
        r, _ = ws.ask('unsubscribe', ref=7, channel='a', prefix='p.')
        t.equal((r['op'], r['ref']), ('ok', 7), 'unsubscribe')
        r, _ = ws.ask('unsubscribe', ref=8, channel='never')
        t.equal(r['op'], 'ok', 'of an unknown one is fine')
        site.publish_sql('a', 'no')
        site.publish_sql('p.x', 'no')
        site.publish_sql('b', 'yes')
        t.equal(ws.recv_json()['data'], 'yes', 'nothing of those any more')

        # A new channel from an old cursor beside ones that are live.
        for n in range(5):
            site.publish_sql('old', str(n))
            site.publish_sql('b', 'b%d' % n)
        got = [ws.recv_json()['data'] for _ in range(5)]
        t.equal(got, ['b%d' % n for n in range(5)], 'live')
        r, before = ws.ask('subscribe', ref=9, channel='old', since='earliest')
        got = [m['data'] for m in before]
        while len(got) < 5:
            got.append(ws.recv_json()['data'])
        t.equal(got, list('01234'), 'the backlog of one, none of the others twice')
        site.publish_sql('b', 'end')
        t.equal(ws.recv_json()['data'], 'end', 'and all goes on')

        # Resets in-band.
        site.sql("DELETE FROM changes WHERE channel = 'old' AND data < '3'")
        ws.ask('unsubscribe', channel='old')
        for since in (epoch + '-3', 3, 'abcdef-7'):
            ws.send(json.dumps({'op': 'subscribe', 'channel': 'old', 'since': since, 'ref': 10}))
            got = [ws.recv_json() for _ in range(4)]
            t.ok(got[0].get('op') == 'ok' and got[1].get('reset') is True and
                 [m.get('data') for m in got[2:]] == ['3', '4'],
                 'a loss is told behind the answer: since %s' % since, got)
            ws.ask('unsubscribe', channel='old')

        # Publishing.
        ws.ask('subscribe', channel='a')
        r, before = ws.ask('publish', ref=11, channel='a', data='häm', event='e')
        t.ok(r['op'] == 'ok' and r['ref'] == 11 and r['id'].startswith(epoch), 'publish', r)
        m = (before + [None])[0] or ws.recv_json()
        t.equal((m['id'], m['data'], m['event']), (r['id'], 'häm', 'e'), 'and it comes back')
        r, before = ws.ask('publish', ref=12, topic='z', data={'x': [1]}, type='t')
        m = site.get('/push/poll?channel=z&since=-1').json['messages'][0]
        t.equal((m['data'], m['event'], m['content_type']),
                ('{"x":[1]}', 't', 'application/json'), 'an object becomes JSON')
        r, _ = ws.ask('publish', ref=13, messages=[{'channel': 'z', 'data': '1'},
                                                   {'channel': 'y', 'data': '2'}])
        t.equal([m['channel'] for m in r['messages']], ['z', 'y'], 'several at once')
        one, _ = ws.ask('publish', channel='k', data='x', dedup='k')
        two, _ = ws.ask('publish', channel='k', data='x', dedup='k')
        t.equal((two['op'], two['id']), ('ok', one['id']), 'with dedup twice is once')
        r, _ = ws.ask('publish', channel='k', data='y', dedup='k')
        t.equal((r['op'], r['status']), ('error', 409), 'another is a conflict')
        count = site.sql('SELECT count(*) FROM changes')

        rows = [
            'x', '', '[]', '1', 'null', '"x"', '{', '{}', '{"op":1,"ref":1}', '{"op":"x","ref":1}',
            '{"op":"subscribe","ref":1}', '{"op":"subscribe","channel":"","ref":1}',
            '{"op":"subscribe","channel":5,"ref":1}', '{"op":"subscribe","channel":"a\\n","ref":1}',
            '{"op":"subscribe","channel":"a\\u0000","ref":1}',
            '{"op":"subscribe","channel":"a","since":"x y","ref":1}',
            '{"op":"subscribe","channel":"a","since":-1.5,"ref":1}',
            '{"op":"subscribe","channel":"a","since":{},"ref":1}',
            '{"op":"subscribe","channels":[],"ref":1}', '{"op":"subscribe","channels":["ok",1],"ref":1}',
            '{"op":"subscribe","channels":%s,"ref":1}' % json.dumps([str(n) for n in range(10001)]),
            '{"op":"unsubscribe","ref":1}', '{"op":"publish","ref":1}',
            '{"op":"publish","channel":"z","ref":1}', '{"op":"publish","data":"x","ref":1}',
            '{"op":"publish","channel":"","data":"x","ref":1}',
            '{"op":"publish","channel":"z","data":"x","event":"tidings.reset","ref":1}',
            '{"op":"publish","channel":"z","data":"x","evnt":"typo","ref":1}',
            '{"op":"publish","messages":[{"channel":"z","data":"x","headers":{}}],"ref":1}',
            '{"op":"publish","messages":[],"ref":1}', '{"op":"publish","messages":[1],"ref":1}',
            '{"op":"publish","messages":[{"channel":"z","data":"x"},{"channel":"z"}],"ref":1}',
            '{"op":"publish","channel":"z","data":"%s","ref":1}' % ('x' * (2**20 + 1)),
            '{"op":"ping","op":"ping","ref":1}', '[' * 5000,
        ]
        for text in rows:
            ws.send(text)
            r = ws.recv_json()
            ref = 1 if text.startswith('{"op"') and '"op":"ping"' not in text else None
            t.ok(r['op'] == 'error' and r.get('ref') == ref and len(r.get('detail', '')) > 8 and
                 r.get('status') in (400, 413), 'an error: ' + text[:60], r)
        t.equal(site.sql('SELECT count(*) FROM changes'), count, 'nothing of it is stored')
        r, _ = ws.ask('ping', ref='still')
        t.equal(r['ref'], 'still', 'the connection is as good as before')
        for n in range(200):
            ws.send(json.dumps({'op': 'ping', 'ref': n}))
        t.equal([ws.recv_json()['ref'] for _ in range(200)], list(range(200)),
                'many without waiting: answered in order')
        for name in ('headers', 'HEADERS'):
            r, _ = ws.ask('publish', channel='form', data=name, **{name: {'HX-Request': 'true'}})
            t.equal(r['op'], 'ok', name + ' of a form of htmx are passed over')
        ws.close()
        t.ok(site.lives(), 'the programs live')

    keys = {'access': {'publish_from_loopback': 'no', 'publish_key': 'app:secret'}}
    with Site(settings=keys) as site:
        with WebSocket(site, '/push/ws?channel=a', 'tidings.json') as ws:
            # As publish answers over HTTP: 401 without a key, 403 with a wrong one.
            for more, want in (({}, 401), ({'key': None}, 401), ({'key': 'wrong'}, 403),
                               ({'key': ''}, 403), ({'key': 'app:secret'}, 403),
                               ({'key': 5}, 403), ({'key': ['secret']}, 403),
                               ({'key': 'secret'}, None), ({}, 401)):
                r, _ = ws.ask('publish', channel='b', data='x', **more)
                t.equal(r.get('status'), want, 'publishing with %r' % (more,))
        for bearer, more, want in (('wrong', {}, 403), ('wrong', {'key': 'secret'}, None),
                                   ('secret', {'key': 'wrong'}, 403),
                                   ('secret', {'key': None}, None)):
            with WebSocket(site, '/push/ws?channel=a', 'tidings.json',
                           headers={'Authorization': 'Bearer ' + bearer}) as ws:
                r, _ = ws.ask('publish', channel='c', data='x', **more)
                t.equal(r.get('status'), want, 'Bearer %s, %r' % (bearer, more))
        with WebSocket(site, '/push/ws?channel=a', 'tidings.json',
                       headers={'Authorization': 'Bearer secret'}) as ws:
            t.equal(ws.ask('publish', channel='b', data='y')[0]['op'], 'ok',
                    'or with the key in the handshake')
        m = site.get('/push/poll?channel=b&since=0').json['messages']
        t.ok([x['data'] for x in m] == ['x', 'y'] and 'secret' not in str(m),
             'the key is not part of the message', m)
        t.ok(site.lives(), 'the programs live')


run(main)
