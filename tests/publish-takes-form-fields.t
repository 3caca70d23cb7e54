#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: POST of form fields: channel or topic, repeated, data, event or
# type; in every way that percent encoding can be written.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from urllib.parse import urlencode

FORM = 'application/x-www-form-urlencoded'


def main(t):
    with Site() as site:
        def last(channel, n=1):
            r = site.post('/push/poll', urlencode({'channel': channel, 'since': '-%d' % n}), FORM)
            return [(m['data'], m['event']) for m in r.json['messages']]

        rows = [
            # path, form, channel, data, event
            ('', 'channel=a&data=x', 'a', 'x', None),
            ('', 'topic=t&data=x', 't', 'x', None),
            ('', 'data=x&channel=a', 'a', 'x', None),
            ('', 'channel=a&data=x&event=slide', 'a', 'x', 'slide'),
            ('', 'channel=a&data=x&type=slide', 'a', 'x', 'slide'),
            ('', 'channel=a&data=x&event=', 'a', 'x', None),
            ('', 'channel=a&data=', 'a', '', None),
            ('', 'channel=a&data', 'a', '', None),
            ('', 'channel=a&data=a+b%2Bc%20d', 'a', 'a b+c d', None),
            ('', 'channel=a&data=a=b=c', 'a', 'a=b=c', None),
            ('', '&&channel=a&&data=x&', 'a', 'x', None),
            ('', 'channel=a&data=%C3%A4%E2%82%AC&other=1', 'a', 'ä€', None),
            ('', 'channel=a&data=%00', 'a', '\0', None),
            ('', 'channel=a&data=l1%0D%0Al2%0A', 'a', 'l1\r\nl2\n', None),
            ('', urlencode({'channel': 'größe & co', 'data': '"\'<>&%'}), 'größe & co',
             '"\'<>&%', None),
            ('?channel=q', 'data=x', 'q', 'x', None),
            ('?data=x', 'channel=a', 'a', 'x', None),
            ('?channel=q&event=e', 'data=x', 'q', 'x', 'e'),
        ]
        for path, form, channel, data, event in rows:
            r = site.post('/push/publish' + path, form, FORM)
            t.ok(r.status == 201 and r.json['channel'] == channel, '%s %s' % (path, form), r)
            t.equal(last(channel), [(data, event)], 'arrives so')
        r = site.post('/push/publish', 'channel=a&data=x', FORM + '; charset=UTF-8')
        t.equal(r.status, 201, 'with a charset behind the type')
        r = site.post('/push/publish', 'channel=a&data=from+header', FORM,
                      {'Event-Type': 'h', 'Idempotency-Key': 'k'})
        t.equal((r.status, last('a')), (201, [('from header', 'h')]), 'headers count as well')
        r = site.post('/push/publish', 'channel=m1&channel=m2&topic=m3&data=all', FORM)
        t.equal([m['channel'] for m in r.json], ['m1', 'm2', 'm3'], 'several channels')
        t.equal([last(c) for c in ('m1', 'm2', 'm3')], [[('all', None)]] * 3, 'get it each')
        # Issue 12: one that is named twice was stored twice.
        for query, form, want in (
                ('', 'channel=d1&channel=d1&data=x', ['d1']),
                ('', 'channel=d2&topic=d2&data=x', ['d2']),
                ('?channel=d3', 'channel=d3&data=x', ['d3']),
                ('', 'channel=d4&channel=d5&channel=d4&channel=d5&data=x', ['d4', 'd5']),
                ('', 'channels=d6,d7&data=x', ['d6', 'd7']),
                ('', 'channels=d8,,d9,d8&channel=d9&data=x', ['d8', 'd9']),
                ('?channels=e1', 'data=x', ['e1'])):
            r = site.post('/push/publish' + query, form, FORM)
            t.ok(r.status == 201 and [m['channel'] for m in r.json] == want,
                 'each channel once: %s %s' % (query, form), r)
            for c in want:
                t.equal(site.sql('SELECT count(*) FROM changes WHERE channel = ?', c), [(1,)],
                        'one message in ' + c)
        r = site.post('/push/publish?channel=f1&channel=f1', 'raw', 'text/plain')
        t.equal(site.sql("SELECT count(*) FROM changes WHERE channel = 'f1'"), [(1,)],
                'of a raw body as well')
        names = '&'.join('channel=n%d' % i for i in range(100))
        r = site.post('/push/publish', names + '&channel=n7&data=x', FORM)
        t.equal((r.status, len(r.json)), (201, 100), 'as many as max_channels')
        for more in ('&channel=one', '&channels=one', '&channels=n1,n2,one'):
            r = site.post('/push/publish', names + more + '&data=x', FORM)
            t.ok(r.status == 400 and 'more than 100 channels' in r.json['detail'],
                 'and not one more' + more, r)
        t.equal(site.sql("SELECT typeof(data) FROM changes GROUP BY 1"), [('text',)],
                'all of it is text')
        big = 'ä' * 100000
        r = site.post('/push/publish', urlencode({'channel': 'big', 'data': big}), FORM)
        t.equal((r.status, last('big')), (201, [(big, None)]), 'a long one')

        n = site.sql('SELECT count(*) FROM changes')
        for form in ('data=x', 'channel=a&dat=x', 'channel=&data=x', 'channel=a&data=%FF',
                     'channel=a&data=%zz', 'channel=%00&data=x', 'channel=a%00b&data=x',
                     'channel=a&data=x&event=%0A', 'channel=a&data=x&event=a%00b',
                     'channel=a&channel=%01&data=x', 'channel=a&data=x&event=tidings.reset',
                     'channel=a&data=x&type=tidings.x',
                     'channels=a,%01&data=x', 'channels=,&data=x', 'channels=a%00b&data=x',
                     'channel=%s&data=x' % ('n' * 256), 'channel=a&data=x&event=' + 'n' * 256):
            r = site.post('/push/publish', form, FORM)
            t.ok(r.status == 400 and r.headers['Content-Type'] == 'application/problem+json',
                 'refused: ' + form[:50], r)
        t.equal(site.sql('SELECT count(*) FROM changes'), n, 'of those nothing is stored')
        r = site.post('/push/publish?channel=a', '--x\r\n\r\n--x--', 'multipart/form-data; boundary=x')
        t.equal(r.status, 415, 'multipart is refused by name')
        t.ok(site.lives(), 'the programs live')


run(main)
