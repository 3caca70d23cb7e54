#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: GET of publish tells count, first and last cursor and the
# subscribers of every transport; DELETE removes the messages, of which those
# who had not seen them are told.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    need_websockets()
    with Site() as site:
        info = lambda c='a': site.get('/push/publish?channel=' + c)
        r = info()
        t.equal((r.status, r.json), (200, {'channel': 'a', 'count': 0, 'first': None,
                                           'last': None, 'subscribers': 0}), 'an unknown one')
        t.equal(r.headers['Content-Type'], 'application/json', 'as JSON')
        for n in range(3):
            site.publish_sql('a', str(n))
            site.publish_sql('b', str(n))
        ids = [m['id'] for m in site.get('/push/poll?channel=a&since=0').json['messages']]
        t.equal(info().json, {'channel': 'a', 'count': 3, 'first': ids[0], 'last': ids[2],
                              'subscribers': 0}, 'count, first and last')
        t.equal(info('%3Cb%3E%22').json['channel'], '<b>"', 'any name')

        held = [site.stream('/push/sse?channel=a'), site.stream('/push/sse?prefix=a'),
                site.stream('/push/sse?channel=a&channel=b'),
                site.stream('/push/iframe?channel=a')]
        lp = http.client.HTTPConnection('127.0.0.1', site.port, timeout=30 * PATIENCE)
        lp.request('GET', '/push/longpoll?channel=a')
        ws = WebSocket(site, '/push/ws?channel=a')
        js = WebSocket(site, '/push/ws?channel=c', 'tidings.json')
        site.wait_subscribers('a', 6)
        t.ok(True, 'six subscribers, over four transports')
        t.equal((info('b').json['subscribers'], info('ab').json['subscribers'],
                 info('c').json['subscribers']), (1, 1, 1), 'by name and by prefix')
        js.ask('subscribe', channel='a')
        site.wait_subscribers('a', 7)
        js.ask('unsubscribe', channel='a')
        site.wait_subscribers('a', 6)
        t.ok(True, 'those that change their mind are counted')
        for s in held + [ws, js]:
            s.close()
        site.publish_sql('a', 'x')  # a vanished client is noticed when written to
        lp.getresponse().read()
        site.publish_sql('a', 'y')
        wait_for(lambda: site.publish_sql('a', 'z') or site.subscribers('a') == 0, 20,
                 'nobody', 0.05)
        t.ok(True, 'and those that left are not')

        before = site.get('/push/poll?channel=a').json['cursor']
        stream = site.stream('/push/sse?channel=a')
        stream.wait('\n\n')
        r = site.request('DELETE', '/push/publish?channel=a')
        t.equal((r.status, r.body), (204, b''), 'DELETE')
        t.equal(info().json['count'], 0, 'empties the channel')
        t.equal(info('b').json['count'], 3, 'and no other')
        r = site.get('/push/poll?channel=a&since=' + before)
        t.equal((r.json['reset'], r.json['cursor']), (False, before),
                'who had it all lost nothing, and his cursor is still good')
        for program in ('poll', 'longpoll'):
            r = site.get('/push/%s?channel=a&since=%s' % (program, ids[0]))
            t.equal((r.json['reset'], r.json['messages']), (True, []),
                    program + ': who had not is told')
        with site.stream('/push/sse?channel=a&since=' + ids[0]) as s:
            s.wait('event: tidings.reset\n')
            t.ok(True, 'sse too')
        site.publish_sql('a', 'anew')
        buf = stream.wait('data: anew')
        t.ok(b'reset' not in buf, 'who is connected just goes on', buf)
        stream.close()
        m = site.get('/push/poll?channel=a&since=' + before).json['messages']
        t.ok(m and int(m[0]['id'].split('-')[1]) > int(before.split('-')[1]),
             'an id is never used again', m)
        # Issue 12: the first of several was emptied, and that was called all.
        before = (info('a').json['count'], info('b').json['count'])
        for path in ('?channel=a&channel=b', '?channel=a&topic=b', '?channels=a,b',
                     '?channel=a&channels=b', '?channels=a'):
            for method in ('GET', 'DELETE'):
                r = site.request(method, '/push/publish' + path)
                t.ok(r.status == 400 and r.json['status'] == 400,
                     '%s of several is refused: %s' % (method, path), r)
        t.equal((info('a').json['count'], info('b').json['count']), before,
                'and removes nothing')
        r = site.request('DELETE', '/push/publish?channel=twice&topic=twice')
        t.equal(r.status, 204, 'one that is named twice is one')
        r = site.request('DELETE', '/push/publish?channel=unknown')
        t.equal(r.status, 204, 'an unknown one is empty')
        for path in ('', '?channel=', '?channel=%00', '?channel=%FF', '?channel=' + 'n' * 256):
            for method in ('GET', 'DELETE'):
                r = site.request(method, '/push/publish' + path)
                t.ok(r.status == 400, '%s %s' % (method, path[:20]), r)

        # More than one step of the removal.
        db = site.connect()
        db.execute('BEGIN')
        for n in range(1700):
            db.execute("INSERT INTO changes(channel, data) VALUES ('many', 'x')")
        db.execute('COMMIT')
        db.close()
        t.equal(site.request('DELETE', '/push/publish?channel=many').status, 204, 'a large one')
        t.equal(info('many').json['count'], 0, 'is emptied whole')
        t.ok(site.lives(), 'the programs live')


run(main)
