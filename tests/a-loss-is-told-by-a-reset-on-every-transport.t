#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: who returns after messages of his channels were pruned is told so
# in-band, on every transport, once; then he gets what is kept. Who lost
# nothing, because only other channels were pruned, is told nothing.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    need_websockets()
    with Site() as site:
        epoch = site.get('/push/poll?channel=a').json['cursor'].split('-')[0]
        for n in range(1, 11):
            site.publish_sql('a' if n % 2 else 'b', str(n))
        # a: 1 3 5 7 9, b: 2 4 6 8 10; of a, 1 to 5 go.
        site.sql("DELETE FROM changes WHERE channel = 'a' AND id <= 5")
        at = lambda n: '%s-%d' % (epoch, n)

        rows = [
            # query, cursor, reset, what comes
            ('channel=a', 0, True, '7 9'), ('channel=a', 1, True, '7 9'),
            ('channel=a', 4, True, '7 9'), ('channel=a', 5, False, '7 9'),
            ('channel=a', 8, False, '9'), ('channel=a', 10, False, ''),
            ('channel=b', 0, False, '2 4 6 8 10'), ('channel=b', 3, False, '4 6 8 10'),
            ('channel=a&channel=b', 3, True, '4 6 7 8 9 10'),
            ('channel=a&channel=b', 5, False, '6 7 8 9 10'),
            ('prefix=a', 3, True, '7 9'), ('prefix=b', 3, False, '4 6 8 10'),
            ('prefix=c&channel=b', 3, False, '4 6 8 10'),
            ('channel=unknown', 1, False, ''), ('prefix=ab', 1, False, ''),
        ]
        for query, cursor, reset, want in rows:
            name = '%s from %d: %s' % (query, cursor, 'a reset' if reset else 'none')
            want = want.split()
            for program in ('poll', 'longpoll'):
                r = site.get('/push/%s?%s&wait=0&since=%s' % (program, query, at(cursor)))
                t.ok(r.status == 200 and r.json['reset'] is reset and
                     [m['data'] for m in r.json['messages']] == want,
                     '%s: %s' % (program, name), r)
            site.publish_sql('end', 'the end')
            with site.stream('/push/sse?%s&channel=end&since=%s' % (query, at(cursor))) as s:
                buf = s.wait('data: the end\n\n').decode()
                blocks = buf.split('\n\n')[1:]
                told = [i for i, b in enumerate(blocks) if 'event: tidings.reset' in b]
                t.ok(told == ([0] if reset else []), 'sse: ' + name, buf)
                datas = [l[6:] for b in blocks[len(told):] for l in b.split('\n')
                         if l.startswith('data: ')]
                t.equal([d for d in datas if d != 'the end'], want, 'sse: and what is kept')
                if told:
                    lines = dict(l.split(': ', 1) for l in blocks[0].split('\n'))
                    payload = json.loads(lines['data'])
                    t.ok(payload.get('reset') is True and lines['id'] == payload['cursor'],
                         'sse: with data that a page can read', blocks[0])
            with site.stream('/push/iframe?%s&channel=end&since=%s' % (query, at(cursor))) as s:
                buf = s.wait('the end')
                calls = re.findall(r'receive\((\{.*\})\)</script>', buf.decode())
                told = [i for i, c in enumerate(calls) if json.loads(c).get('reset')]
                t.equal(told, [0] if reset else [], 'iframe: ' + name)
            with WebSocket(site, '/push/ws?%s&channel=end&since=%s' % (query, at(cursor)),
                           'tidings.json') as ws:
                got = []
                while not got or got[-1].get('data') != 'the end':
                    got.append(ws.recv_json())
                told = [i for i, m in enumerate(got) if m.get('reset')]
                t.equal(told, [0] if reset else [], 'ws json: ' + name)
            with WebSocket(site, '/push/ws?%s&since=%s' % (query, at(cursor))) as ws:
                t.equal(ws.headers.get('Tidings-Reset'), 'true' if reset else None,
                        'ws raw, in the handshake: ' + name)
            site.sql("DELETE FROM changes WHERE channel = 'end'")
            site.sql("DELETE FROM watermarks WHERE channel = 'end'")

        # Words that ask for what is kept are no reset.
        for since in ('earliest', 'latest', '-1', '-100'):
            r = site.get('/push/poll?channel=a&since=' + since)
            t.equal(r.json['reset'], False, 'since=%s is none' % since)
        r = site.get('/push/poll?channel=a', {'If-None-Match': '"%s"' % at(3)})
        t.equal((r.status, r.json['reset']), (200, True), 'a reset is no 304')

        # All of a channel is gone: told once, not at every reconnect.
        for n in range(3):
            site.publish_sql('gone', str(n))
        first = site.sql("SELECT min(id) FROM changes WHERE channel = 'gone'")[0][0]
        site.sql("DELETE FROM changes WHERE channel = 'gone'")
        r = site.get('/push/poll?channel=gone&since=' + at(first))
        t.equal((r.json['reset'], r.json['messages']), (True, []), 'poll: all is gone')
        r = site.get('/push/poll?channel=gone&since=' + r.json['cursor'])
        t.equal(r.json['reset'], False, 'poll: told once')
        for lost, name in ((at(first), 'pruned'), ('0123456789ab-7', 'other epoch')):
            client = SseClient(site, 'channel=gone', lost)
            client.connect()
            wait_for(lambda: client.pump() or client.events, 10, 'the reset')
            t.equal([e[1] for e in client.events], ['tidings.reset'], 'sse: told, ' + name)
            # Its cursor is to go past what is gone; at the latest now.
            end = deadline(3)
            while int(client.last_id.split('-')[1]) < first + 2 and time.monotonic() < end:
                client.pump(0.1)
            client.close()
            client.connect()
            wait_for(lambda: client.pump() or b'id: ' in client.stream.buf, 10, 'the head')
            client.pump(0.3)
            t.equal([e[1] for e in client.events], ['tidings.reset'],
                    'sse: once, not again at the next reconnect, ' + name)
            client.close()

        # Who is connected and has everything is not told when it is pruned.
        live = site.stream('/push/sse?channel=a')
        live.wait('\n\n')
        site.publish_sql('a', 'last')
        live.wait('data: last')
        site.sql("DELETE FROM changes WHERE channel = 'a'")
        site.publish_sql('a', 'after')
        buf = live.wait('data: after')
        t.ok(b'reset' not in buf, 'who had it all is not told', buf)
        cursor = re.findall(rb'id: (\S+)', buf)[-1].decode()
        live.close()
        r = site.get('/push/poll?channel=a&since=' + cursor)
        t.equal(r.json['reset'], False, 'nor when he returns')
        t.ok(site.lives(), 'the programs live')

    # The pruning of the server itself.
    keep = {'retention': {'every': '100ms', 'count': '5'}, 'retention many*': {'count': '1000'}}
    with Site(settings=keep) as site:
        start = site.get('/push/poll?channel=few').json['cursor']
        for n in range(20):
            site.publish_sql('few', str(n))
            site.publish_sql('many', str(n))
        wait_for(lambda: len(site.get('/push/poll?channel=few&since=earliest').json['messages'])
                 == 5, 15, 'the pruning')
        r = site.get('/push/poll?channel=few&since=' + start)
        t.ok(r.json['reset'] and [m['data'] for m in r.json['messages']] ==
             ['15', '16', '17', '18', '19'], 'count = 5: the newest five are kept', r)
        r = site.get('/push/poll?channel=many&since=' + start)
        t.equal((r.json['reset'], len(r.json['messages'])), (False, 20),
                'another pattern, another count')
        t.ok(site.lives(), 'the programs live')


run(main)
