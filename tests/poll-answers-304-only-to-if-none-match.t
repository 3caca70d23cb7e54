#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: nothing new is a 304 for who asked by If-None-Match, in every way
# that the tag may have been changed on its way, and an empty list otherwise.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    with Site() as site:
        site.publish_sql('a', 'one')
        cursor = site.get('/push/poll?channel=a').json['cursor']
        path = '/push/poll?channel=a'
        for tag in ('"%s"', 'W/"%s"', '"%s-gzip"', 'W/"%s-gzip"', ' "%s" ', '%s',
                    '"%s", "other-1"'):
            tag = tag % cursor
            r = site.get(path, {'If-None-Match': tag})
            t.ok(r.status == 304 and r.body == b'' and
                 r.headers['ETag'] == '"%s"' % cursor, '304 for ' + tag, r,
                 r.headers)
            r = site.request('HEAD', path, headers={'If-None-Match': tag})
            t.equal(r.status, 304, 'and for a HEAD')
        r = site.get(path, {'If-None-Match': '"1"'})
        t.equal((r.status, r.headers['ETag']), (304, '"%s"' % cursor),
                'a bare id counts as the cursor that it is')
        r = site.get(path + '&since=' + cursor)
        t.equal((r.status, r.json['messages']), (200, []), '200 for since=')
        r = site.get(path, {'Last-Event-ID': cursor})
        t.equal((r.status, r.json['messages']), (200, []), '200 for Last-Event-ID')
        r = site.post('/push/poll', 'channel=a', 'application/x-www-form-urlencoded',
                      {'If-None-Match': '"%s"' % cursor})
        t.ok(r.status in (304, 200), 'a conditional POST is no error', r)

        site.publish_sql('other', 'x')
        r = site.get(path, {'If-None-Match': '"%s"' % cursor})
        t.equal(r.status, 304, 'what others publish is nothing new')
        site.publish_sql('a', 'two')
        for tag in ('"%s"', 'W/"%s-gzip"'):
            r = site.get(path, {'If-None-Match': tag % cursor})
            t.ok(r.status == 200 and [m['data'] for m in r.json['messages']] == ['two'],
                 'a message is a 200 for ' + tag, r)
        r = site.get(path, {'If-None-Match': r.headers['ETag']})
        t.equal(r.status, 304, 'the ETag as it came is the next condition')
        r = site.get(path, {'If-None-Match': '"elsewhere-1"'})
        t.ok(r.status == 200 and r.json['reset'] is True,
             'the tag of another database is no match but a reset', r)
        for tag in ('"nonsense!"', '"', 'W/', '"a b"', "'1'"):
            r = site.get(path, {'If-None-Match': tag})
            t.equal((r.status, r.headers['Content-Type']),
                    (400, 'application/problem+json'), 'malformed: ' + tag)
        r = site.get(path, {'If-None-Match': '*'})
        t.ok(r.status in (200, 400), 'a star is no cursor', r)
        t.ok(site.lives(), 'the programs live')


run(main)
