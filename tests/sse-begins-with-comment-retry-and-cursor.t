#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: the head of an event stream: its headers, a comment, retry spread
# at random, and the cursor, so that a client that has had no message yet
# resumes as well.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    with Site(settings={'tidings': {'retry': '2s'}}) as site:
        site.publish_sql('a', 'old')
        cursor = site.get('/push/poll?channel=a').json['cursor']
        retries = []
        for n in range(24):
            with site.stream('/push/sse?channel=a') as s:
                head = s.wait('\n\n', 10).decode()
            if n == 0:
                t.equal(s.headers['Content-Type'].split(';')[0], 'text/event-stream', 'the type')
                control = s.headers['Cache-Control']
                t.ok('no-cache' in control and 'no-transform' in control, 'not cached nor changed',
                     control)
                t.equal(s.headers['X-Accel-Buffering'], 'no', 'not buffered by others')
                t.ok('Content-Length' not in s.headers, 'without an end')
                lines = head.split('\n')
                t.ok(lines[0].startswith(':'), 'at once a comment', head)
                t.ok('id: ' + cursor in lines, 'and the cursor', head)
                t.ok('data' not in head and 'event' not in head, 'but no event', head)
            m = re.search(r'^retry: (\d+)$', head, re.M)
            retries.append(int(m.group(1)) if m else None)
        t.ok(all(r and 1000 <= r <= 3000 for r in retries), 'retry is spread by half', retries)
        t.ok(len(set(retries)) > 12, 'at random', retries)

        with site.stream('/push/sse?channel=a&since=earliest') as s:
            s.wait('data: old\n\n')
            site.publish_sql('a', 'new', 'slide')
            buf = s.wait('data: new\n\n').decode()
        blocks = buf.rstrip('\n').split('\n\n')
        t.equal(blocks[1:], ['id: %s\ndata: old' % cursor,
                             'id: %s2\nevent: slide\ndata: new' % cursor[:-1]],
                'an event: id, event, data')
        r = site.request('HEAD', '/push/sse?channel=a')
        t.ok(r.status == 200 and r.body == b'' and
             r.headers['Content-Type'].startswith('text/event-stream'), 'HEAD answers', r.headers)

        # A page that lost its stream before any message.
        client = SseClient(site, 'channel=a')
        client.connect()
        wait_for(lambda: client.pump() or client.last_id, 10, 'the cursor')
        client.stream.close()
        site.publish_sql('a', 'meanwhile')
        client.connect()
        wait_for(lambda: client.pump() or client.events, 10, 'the message')
        t.equal([e[2] for e in client.events], ['meanwhile'],
                'who resumes from the head misses nothing')
        client.close()
        t.ok(site.lives(), 'the programs live')


run(main)
