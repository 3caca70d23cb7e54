#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: what has run out by expires_ms is on no transport, and is not missed
# either: no reset, whether a round of pruning has removed it by then or not.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    with Site({'retention': {'every': '200ms'}}) as site:
        now = int(time.time() * 1000)
        start = site.get('/push/poll?channel=a').json['cursor']
        sql = 'INSERT INTO changes(channel, data, expires_ms) VALUES (?, ?, ?)'
        live = site.stream('/push/sse?channel=a')
        live.wait('\n\n')
        site.sql(sql, 'a', 'gone', now - 1000)
        site.sql(sql, 'a', 'kept', now + 3600000)
        site.sql(sql, 'a', 'gone', 1)
        site.sql(sql, 'a', 'forever', None)
        for path in ('/push/poll', '/push/longpoll'):
            r = site.get(path + '?channel=a&since=' + start)
            t.equal([m['data'] for m in r.json['messages']], ['kept', 'forever'], path)
            t.equal(r.json['reset'], False, 'and nobody is told of a loss')
        for path in ('/push/sse', '/push/iframe'):
            with site.stream(path + '?channel=a&since=' + start) as s:
                buf = s.wait('forever')
                t.ok(b'kept' in buf and b'gone' not in buf, path, buf)
        buf = live.wait('forever')
        t.ok(b'kept' in buf and b'gone' not in buf, 'nor is it to those who wait', buf)
        live.close()

        site.sql(sql, 'b', 'soon', int(time.time() * 1000) + 300)
        r = site.get('/push/poll?channel=b&since=0')
        first = [m['data'] for m in r.json['messages']]
        t.ok(first in (['soon'], []), 'what runs out later is delivered until then', r)
        wait_for(lambda: site.get('/push/poll?channel=b&since=0').json['messages'] == [],
                 10, 'its end')
        t.ok(True, 'and not after')
        r = site.get('/push/longpoll?channel=b&since=0&wait=0.05')
        t.equal(r.json['messages'], [], 'a long poll waits past it')

        r = site.post('/push/publish?batch=1', json.dumps(
            [{'channel': 'c', 'data': 'brief', 'ttl': 0.2},
             {'channel': 'c', 'data': 'long', 'ttl': 3600},
             {'channel': 'c', 'data': 'past', 'expires_ms': 1}]), 'application/json')
        t.equal(r.status, 201, 'published with a time to live')
        wait_for(lambda: [m['data'] for m in site.get('/push/poll?channel=c&since=0')
                          .json['messages']] == ['long'], 10, 'the end of the brief one')
        t.ok(True, 'ttl counts in seconds, expires_ms since 1970')

        # Removed: missed if it had not run out, and not otherwise.
        start = site.get('/push/poll?channel=d').json['cursor']
        site.sql(sql, 'd', 'out', 1)
        site.sql(sql, 'e', 'out', 1)
        site.sql(sql, 'e', 'not yet', now + 3600000)
        wait_for(lambda: site.sql("SELECT count(*) FROM changes WHERE data = 'out'") == [(0,)],
                 20, 'a round of pruning')
        site.sql("DELETE FROM changes WHERE data = 'not yet'")
        for channel, reset in (('d', False), ('e', True)):
            r = site.get('/push/poll?channel=%s&since=%s' % (channel, start))
            t.equal(r.json['reset'], reset, 'reset on %s: %s' % (channel, reset))
        t.ok(site.lives(), 'the programs live')


run(main)
