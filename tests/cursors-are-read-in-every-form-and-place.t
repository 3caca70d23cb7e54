#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: every spelling of a cursor, the places where it may stand and
# which of them wins; what is malformed is a 400, what is not of this
# database a reset.
import sys, os
from urllib.parse import quote
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def data(r):
    return [m['data'] for m in r.json['messages']]


def main(t):
    with Site() as site:
        for n in range(1, 6):
            site.publish_sql('a', str(n))
        site.publish_sql('b', 'x')
        epoch = site.get('/push/poll?channel=a').json['cursor'].split('-')[0]
        get = lambda c: site.get('/push/poll?channel=a&since=' + quote(c))

        rows = [
            # cursor, data, reset
            (epoch + '-0', '12345', False),
            (epoch + '-3', '45', False),
            (epoch + '-5', '', False),
            (epoch + '-6', '', False),
            ('0', '12345', False),
            ('4', '5', False),
            ('04', '5', False),
            ('6', '', False),
            ('earliest', '12345', False),
            ('latest', '', False),
            ('-1', '5', False),
            ('-2', '45', False),
            ('-5', '12345', False),
            ('-6', '12345', False),
            ('-0', '', False),
            ('-999999999', '12345', False),
            ('', '', False),
            # beyond the newest, or of another epoch
            (epoch + '-7', '12345', True),
            ('7', '12345', True),
            ('999999999999', '12345', True),
            ('0123456789ab-2', '12345', True),
            ('0123456789ab-999', '12345', True),
        ]
        for cursor, want, reset in rows:
            r = get(cursor)
            t.ok(r.status == 200 and ''.join(data(r)) == want and
                 r.json['reset'] is reset and r.json['cursor'] == epoch + '-6',
                 'since=%s is "%s"%s' % (cursor, want, ', reset' if reset else ''), r)

        for cursor in ('x', 'Earliest', 'latest ', ' 1', '1 ', '+1', '1.0', '1e3', '0x1',
                       '--1', '-', '-a', epoch + '-', epoch + '--1', epoch + '-1-',
                       epoch + '-x', '-1-1', 'EPOCH-1', 'a b-1', 'ä-1', '1\n', '1\0',
                       '1\0x', 'earliest\0', '9' * 19, '9' * 400, epoch + '-' + '9' * 30,
                       'e' * 300 + '-1', '"1"', "1'", '\u0661'):
            r = get(cursor)
            t.ok(r.status == 400 and r.json['status'] == 400,
                 'malformed: %r' % cursor[:40], r)

        # Each row: headers, query, what comes; the first place wins.
        places = [
            ({'Last-Event-ID': '4'}, '', '5'),
            ({'Last-Event-ID': epoch + '-4'}, '', '5'),
            ({'Last-Event-ID': 'earliest'}, '', '12345'),
            ({'Last-Event-ID': '-2'}, '', '45'),
            ({'If-None-Match': '"3"'}, '', '45'),
            ({'If-None-Match': '"%s-3"' % epoch}, '', '45'),
            ({}, 'since=2', '345'),
            ({}, 'last_event_id=2', '345'),
            ({}, 'lastEventID=2', '345'),
            ({}, 'lastEventId=2', '345'),
            ({'Last-Event-ID': '4', 'If-None-Match': '"3"'}, 'since=2', '5'),
            ({'Last-Event-ID': '4'}, 'since=2', '5'),
            ({'Last-Event-ID': ''}, 'since=2', '345'),
            ({'If-None-Match': '"3"'}, 'since=2', '45'),
            ({}, 'lastEventId=1&lastEventID=2&last_event_id=3&since=4', '5'),
            ({}, 'lastEventId=1&lastEventID=2&last_event_id=3', '45'),
            ({}, 'lastEventId=1&lastEventID=2', '345'),
            ({}, 'since=&last_event_id=3', '45'),
            ({'Last-Event-ID': '4'}, 'since=nonsense', '5'),
        ]
        for headers, query, want in places:
            r = site.get('/push/poll?channel=a&' + query, headers)
            t.ok(r.status == 200 and ''.join(data(r)) == want,
                 '%r ?%s is "%s"' % (headers, query, want), r)
        for headers in ({'Last-Event-ID': 'x y'}, {'If-None-Match': '"x y"'}):
            r = site.get('/push/poll?channel=a&since=2', headers)
            t.equal(r.status, 400, 'malformed in %r' % headers)
        r = site.post('/push/poll', 'channel=a&lastEventId=4',
                      'application/x-www-form-urlencoded')
        t.equal(data(r), ['5'], 'in a form as well')

        # The same reading in the other programs.
        r = site.get('/push/longpoll?channel=a&lastEventID=3')
        t.equal(data(r), ['4', '5'], 'longpoll')
        for path, mark in (('/push/sse?channel=a', 'data: 5\n'),
                           ('/push/iframe?channel=a', '"data":"5"')):
            with site.stream(path + '&since=1', {'Last-Event-ID': epoch + '-4'}) as s:
                got = s.wait(mark)
                t.ok(got.count(b'data: ') + got.count(b'"data":') == 1,
                     path + ' begins behind Last-Event-ID', got)
            t.equal(site.get(path + '&since=x').status, 400, path + ' refuses malformed')
        t.equal(site.get('/push/longpoll?channel=a&since=x').status, 400,
                'longpoll refuses malformed')

        # -N counts over all channels together.
        r = site.get('/push/poll?channel=a&channel=b&since=-2')
        t.equal(data(r), ['5', 'x'], '-2 of two channels are the newest two')
        r = site.get('/push/poll?prefix=a&prefix=b&channel=a&since=-3')
        t.equal(data(r), ['4', '5', 'x'], '-3 of overlapping wants')
        t.ok(site.lives(), 'the programs live')


run(main)
