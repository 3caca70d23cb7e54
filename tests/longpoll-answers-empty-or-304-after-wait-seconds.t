#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: when the time is over there is an empty list, or a 304 for who
# asked by If-None-Match; wait has a default and bounds.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def timed(site, path, **kw):
    start = time.monotonic()
    r = site.get(path, **kw)
    return r, time.monotonic() - start


def main(t):
    limits = {'longpoll': {'wait': '300ms', 'wait_max': '700ms'}}
    with Site(settings=limits) as site:
        site.publish_sql('a', 'x')
        cursor = site.get('/push/poll?channel=a').json['cursor']
        rows = [
            # wait, at least, less than (a loaded machine is slow), seconds
            ('', 0.3, 0.65), ('&wait=', 0.3, 0.65), ('&wait=0', 0, 0.28),
            ('&wait=0.1', 0.1, 0.29), ('&wait=.1', 0.1, 0.29), ('&wait=0.5', 0.5, 1.5),
            ('&wait=1000', 0.7, 5), ('&wait=99999999999999999999', 0.7, 5),
        ]
        for wait, least, most in rows:
            for _ in range(5):
                r, took = timed(site, '/push/longpoll?channel=a' + wait)
                if took < most * PATIENCE:
                    break
            t.equal((r.status, r.json),
                    (200, {'cursor': cursor, 'reset': False, 'messages': []}),
                    'an empty list for %r' % wait)
            t.ok(least - 0.02 <= took < most * PATIENCE, 'after %g s' % least, took)
        for _ in range(2):
            r, took = timed(site, '/push/longpoll?channel=a',
                            headers={'If-None-Match': '"%s"' % cursor})
            t.ok(r.status == 304 and r.body == b'' and r.headers['ETag'] == '"%s"' % cursor,
                 '304 for a conditional one', r, r.headers)
            t.ok(took > 0.28, 'which waits all the same', took)
        r = site.post('/push/longpoll', 'channel=a&wait=0.05',
                      'application/x-www-form-urlencoded')
        t.equal((r.status, r.json['messages']), (200, []), 'wait in a form')
        site.publish_sql('b', 'y')
        r = site.get('/push/longpoll?channel=a&wait=0&since=' + cursor)
        t.ok(r.json['messages'] == [] and r.json['reset'] is False,
             'others published meanwhile: nothing for us', r)
        for wait in ('x', '-1', '1s', '1e3', 'inf', 'nan', '0x10', ' 1', '1 ', '+1', '1,5',
                     '1.2.3', '.', '1%00', '..'):
            r = site.get('/push/longpoll?channel=a&wait=' + wait.replace(' ', '%20')
                         .replace('+', '%2B'))
            t.equal((r.status, r.headers['Content-Type']),
                    (400, 'application/problem+json'), 'wait=%s is refused' % wait)
        t.ok(site.lives(), 'the programs live')


run(main)
