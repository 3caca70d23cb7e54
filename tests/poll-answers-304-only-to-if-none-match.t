#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: nothing new is a 304 for who asked by If-None-Match, in every way
# that the tag may have been changed on its way, and an empty list otherwise.
# Issue 12: "*" and lists are as RFC 9110 says, of a list the newest that is ours
# counts, the tag of somebody else is no condition: in poll and longpoll alike.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def conditions(t, site):
    site.sql('DELETE FROM changes')
    site.publish_sql('c', 'one')
    a = site.get('/push/poll?channel=c').json['cursor']
    site.publish_sql('c', 'two')
    b = site.get('/push/poll?channel=c').json['cursor']
    rows = [
        # If-None-Match, since, status, the data
        ('*', '', 304, ''),
        (' * ', '', 304, ''),
        ('"%s", "%s"' % (a, b), '', 304, ''),
        ('"%s", "%s"' % (b, a), '', 304, ''),
        ('W/"%s-gzip", W/"%s"' % (a, b), '', 304, ''),
        ('"elsewhere-99", "%s"' % b, '', 304, ''),
        ('"abc", W/"0-123abc", "%s"' % b, '', 304, ''),
        (', "%s" ,' % b, '', 304, ''),
        ('"%s", "other"' % a, '', 200, 'two'),
        ('"%s"' % a, 'earliest', 200, 'two'),
        ('"elsewhere-99"', '', 200, 'reset'),
        # Of others: as if it were not there.
        ('"abc"', 'earliest', 200, 'one two'),
        ('W/"5e-61a2b3c4d5"', a, 200, 'two'),
        ('"nonsense!", "more"', b, 200, ''),
        ('"abc"', '', 200, ''),
        # No list of tags.
        ('"', '', 400, ''), ('W/', '', 400, ''), ('"a b"', '', 400, ''),
        ("'1'", '', 400, ''), ('abc', '', 400, ''), ('*, "%s"' % b, '', 400, ''),
        ('"%s" "%s"' % (a, b), '', 400, ''), ('"%s' % b, '', 400, ''),
    ]
    for tag, since, status, data in rows:
        for name in ('poll', 'longpoll'):
            path = '/push/%s?channel=c&wait=0' % name + (since and '&since=' + since)
            what = '%s: If-None-Match: %s, since=%s' % (name, tag, since)
            r = site.get(path, {'If-None-Match': tag})
            if not t.equal(r.status, status, what):
                continue
            if status == 304:
                t.ok(r.body == b'' and r.headers['ETag'] == '"%s"' % b, 'its ETag', r.headers)
            elif status == 200:
                got = 'reset' if r.json['reset'] else \
                    ' '.join(m['data'] for m in r.json['messages'])
                t.equal(got, data, 'what it gets')
            if 'latest' not in tag and data != 'two':
                h = site.request('HEAD', path, headers={'If-None-Match': tag})
                t.equal(h.status, status, 'the same for a HEAD')


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
        conditions(t, site)
        t.ok(site.lives(), 'the programs live')


run(main)
