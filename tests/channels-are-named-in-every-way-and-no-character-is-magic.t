#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: channel, topic, channels and prefix, in the query and in a form;
# names that look like patterns, lists, URLs or markup are names; the same on
# every transport.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from urllib.parse import quote, urlencode

NAMES = ['a', 'a*', 'a%', 'a_', 'a?', '[a]', 'a,b', 'a b', 'a+b', 'a&b=c', 'a;b', "a'b",
         'a"b', 'a\\b', '<b>&amp;', '#a', '%41', '%', '../a', '/', 'null', '0', '-1',
         'https://example.org/feed?x=1&y=a,b#frag', 'a.b.c', 'Größe', '報價', '\U0001f600',
         'e\u0301', '\u00e9', '\u2028', '\u202e', '\ufeffbom', '\U0010ffff', 'A', '*', '$',
         'n' * 255, '\u00e9' * 127, 'tidings.x']


def got(r):
    return [m['data'] for m in r.json['messages']]


def main(t):
    with Site() as site:
        db = site.connect()
        for name in NAMES:
            db.execute('INSERT INTO changes(channel, data) VALUES (?, ?)', (name, name))
        db.close()
        for name in NAMES:
            r = site.get('/push/poll?since=0&channel=' + quote(name, safe=''))
            t.ok(r.status == 200 and got(r) == [name] and
                 r.json['messages'][0]['channel'] == name,
                 '%a is itself' % name[:20], r)
        r = site.post('/push/poll', urlencode([('since', '0')] + [('channel', n) for n in NAMES]),
                      'application/x-www-form-urlencoded')
        t.equal(got(r), NAMES, 'all of them at once')

        with site.stream('/push/sse?since=0&channel=' + quote('a*') +
                         '&channel=' + quote('a,b') + '&topic=' + quote('\u00e9')) as s:
            s.wait('data: \u00e9\n')
            site.publish_sql('a', 'no')
            site.publish_sql('aa', 'no')
            site.publish_sql('b', 'no')
            site.publish_sql('e\u0301', 'no')
            site.publish_sql('a,b', 'live')
            buf = s.wait('data: live\n')
            t.equal(re.findall(b'data: (.*)\n', buf),
                    [b'a*', b'a,b', '\u00e9'.encode(), b'live'],
                    'live as from the table: names match letter by letter')

        rows = [
            # query, data that comes
            ('channel=a&channel=a%25', ['a', 'a%', 'no']),
            ('topic=a%25', ['a%']),
            ('channel=a%25&topic=%23a', ['a%', '#a']),
            ('channels=a%25,%23a', ['a%', '#a']),
            ('channels=a%25,%23a&channel=%25', ['a%', '#a', '%']),
            ('channels=,a%25,,%23a,', ['a%', '#a']),
            ('channel=a%25&channel=a%25&channels=a%25&prefix=a%25', ['a%']),
            ('prefix=a%25', ['a%']),
            ('prefix=a.', ['a.b.c']),
            ('prefix=%5B', ['[a]']),
            ('prefix=https://', ['https://example.org/feed?x=1&y=a,b#frag']),
            ('prefix=' + quote('Gr\u00f6'), ['Größe']),
            ('prefix=' + 'n' * 255, ['n' * 255]),
            ('prefix=nul', ['null']),
            ('prefix=null', ['null']),
            ('prefix=nullx', []),
            ('prefix=a.b&channel=0', ['a.b.c', '0']),
            ('prefix=' + quote('\U0010ffff'), ['\U0010ffff']),
            ('channel=unknown', []),
        ]
        for query, want in rows:
            r = site.get('/push/poll?since=0&' + query)
            t.ok(r.status == 200 and sorted(got(r)) == sorted(want), query[:60], r)
        r = site.get('/push/poll?since=-1&prefix=a.b')
        t.equal(got(r), ['a.b.c'], 'the last one of a prefix')
        site.publish_sql('p\U0010ffff\U0010ffff', 'high')
        r = site.get('/push/poll?since=-1&prefix=p')
        t.equal(got(r), ['high'], 'also where its name goes on with the last character')
        r = site.get('/push/poll?since=0&prefix=p' + quote('\U0010ffff'))
        t.equal(got(r), ['high'], 'and where the prefix ends with it')

        with site.stream('/push/sse?prefix=q.&channel=r') as s:
            s.wait('\n\n')
            for name in ('q', 'Q.a', 'xq.a', 'q.', 'q.a', 'q*', 'r', 'rr', 'q.\u2028'):
                site.publish_sql(name, 'from ' + name)
            site.publish_sql('r', 'end')
            buf = s.wait('data: end\n').decode()
            t.equal(re.findall('data: (.*)\n', buf),
                    ['from q.', 'from q.a', 'from r', 'from q.\u2028', 'end'],
                    'a prefix and a channel, live')

        for query in ('', 'channel=', 'channels=', 'channels=,', 'prefix=', 'chanel=a',
                      'channel=%00', 'channel=a%00b', 'channel=%0A', 'channel=a%7F',
                      'channel=%C2%85', 'channel=%FF', 'channel=%C3', 'channel=%ED%A0%80',
                      'channel=%C0%80', 'channel=' + 'n' * 256, 'prefix=' + 'n' * 256,
                      'prefix=%01', 'channels=a,b%0A', 'channel=%zz', 'channel=%4',
                      'channel=a&channel=%01', 'topic='):
            for program in ('poll', 'longpoll', 'sse', 'iframe'):
                r = site.get('/push/%s?%s' % (program, query))
                t.ok(r.status == 400, '%s refuses ?%s' % (program, query[:30]), r)
        many = '&'.join('channel=%d' % n for n in range(100))
        t.equal(site.get('/push/poll?' + many).status, 200, 'a hundred channels')
        t.equal(site.get('/push/poll?channel=x&' + many).status, 400, 'not one more')
        t.equal(site.get('/push/poll?channel=1&' + many).status, 200,
                'a name said twice is one channel')
        t.ok(site.lives(), 'the programs live')


run(main)
