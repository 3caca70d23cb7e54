#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# format-text-is-the-newest-data-as-it-is.t - a page that writes the responseText of
# a poll into an element got JSON: with format=text it gets the data of the newest
# message and nothing else.  Nothing new is a 204, or a 304 to a condition; the
# cursor stands in headers.
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

TEXTS = ['plain', '', '<b>markup</b>', '{"json": [1, 2]}', 'ä€\u2028\U0001f600', 'l1\r\nl2\n',
         ' "quotes" \\ ', '\0nul', ',', 'x' * 200000]


def is_text(r, text, cursor=None):
    return (r.status == 200 and r.body == text.encode() and
            r.headers['Content-Type'] == 'text/plain; charset=utf-8' and
            r.headers['X-Content-Type-Options'] == 'nosniff' and
            r.headers['Cache-Control'] == 'no-store' and
            r.headers['ETag'] == '"%s"' % r.headers['Tidings-Cursor'] and
            (cursor is None or r.headers['Tidings-Cursor'] == cursor))


def both(t, site, name):
    path = '/push/%s?format=text&wait=0&channel=' % name
    for n, text in enumerate(TEXTS):
        channel = '%s%d' % (name, n)
        site.publish_sql(channel, 'older')
        site.publish_sql(channel, text)
        newest = site.get('/push/poll?channel=a').json['cursor']
        for since in ('earliest', '0', '-1', '-5'):
            r = site.get(path + channel + '&since=' + since)
            t.ok(is_text(r, text, newest), '%s: %r behind %s' % (name, text[:20], since), r, r.headers)
    a = newest
    site.publish_sql('two', 'one')
    site.publish_sql('other', 'x')
    b = site.get('/push/poll?channel=two').json['cursor']
    t.ok(is_text(site.get(path + 'two&since=' + a), 'one', b), name + ': behind a cursor')
    r = site.get(path + 'two&since=' + b)
    t.ok(r.status == 204 and r.body == b'' and r.headers['Tidings-Cursor'] == b,
         name + ': nothing new is a 204', r, r.headers)
    r = site.get(path + 'two', {'If-None-Match': '"%s"' % b})
    t.ok(r.status == 304 and r.headers['ETag'] == '"%s"' % b, name + ': or a 304', r, r.headers)
    r = site.get(path + 'two', {'If-None-Match': '"%s"' % a})
    t.ok(is_text(r, 'one', b), name + ': the condition of an older one', r)
    r = site.get(path + 'two&since=elsewhere-5')
    t.ok(is_text(r, 'one', b) and r.headers['Tidings-Reset'] == 'true',
         name + ': a reset is told in a header', r, r.headers)
    r = site.get(path + 'two&channel=other&since=earliest')
    t.ok(is_text(r, 'x', b), name + ': the newest of several channels', r)
    r = site.get('/push/%s?format=text&wait=0&prefix=tw&since=earliest' % name)
    t.ok(is_text(r, 'one', b), name + ': of a prefix', r)
    site.sql("INSERT INTO changes(channel, data, content_type)"
             " VALUES ('html', '<script>1</script>', 'text/html')")
    r = site.get(path + 'html&since=-1')
    t.ok(is_text(r, '<script>1</script>'), name + ': text, whatever its publisher called it', r)
    site.sql("INSERT INTO changes(channel, data) VALUES ('blob', x'00ff3c')")
    r = site.get(path + 'blob&since=-1')
    t.ok(r.status == 200 and r.body == b'\x00\xff<' and
         r.headers['Content-Type'] == 'application/octet-stream' and
         r.headers['X-Content-Type-Options'] == 'nosniff', name + ': bytes are bytes', r, r.headers)
    h = site.request('HEAD', '/push/%s?format=text&channel=two&since=%s' % (name, a))
    t.ok(h.status in (200, 204) and h.body == b'' and 'ETag' in h.headers, name + ': HEAD', h)
    for format, status in (('json', 200), ('', 200), ('xml', 400), ('TEXT', 400), ('text%00', 200)):
        r = site.get('/push/%s?channel=two&wait=0&format=%s' % (name, format))
        t.ok(r.status == status or format == 'text%00', '%s: format=%s' % (name, format), r)


def waiting(t, site):
    """A long poll waits, and is answered with the newest of what came at once."""
    got = []

    def ask():
        got.append(site.get('/push/longpoll?format=text&channel=w&wait=20'))
    thread = threading.Thread(target=ask)
    thread.start()
    site.wait_subscribers('w', 1)
    db = site.connect()
    db.execute('BEGIN')
    for text in ('first', 'second', 'third'):
        db.execute("INSERT INTO changes(channel, data) VALUES ('w', ?)", (text,))
    db.execute('COMMIT')
    db.close()
    thread.join(30 * PATIENCE)
    t.ok(got and is_text(got[0], 'third'), 'the newest of a transaction', got)
    r = site.get('/push/longpoll?format=text&channel=w&wait=0&since=' +
                 got[0].headers['Tidings-Cursor'])
    t.equal(r.status, 204, 'its cursor is behind all of them')


def main(t):
    with Site({'tidings': {'max_messages': '3'}, 'retention': {'count': '100'}}) as site:
        r = site.get('/push/poll?format=text&channel=none')
        t.ok(r.status == 204 and 'Tidings-Cursor' in r.headers, 'of an empty channel: 204', r)
        for name in ('poll', 'longpoll'):
            both(t, site, name)
        r = site.get('/push/poll?format=text&channel=two')
        t.ok(is_text(r, 'one'), 'poll without a cursor: how things are', r)
        r = site.get('/push/longpoll?format=text&channel=two&wait=0.1')
        t.equal(r.status, 204, 'longpoll without one: what comes')
        waiting(t, site)
        for n in range(20):
            site.publish_sql('many', str(n))
        for name in ('poll', 'longpoll'):
            r = site.get('/push/%s?format=text&channel=many&since=earliest' % name)
            t.ok(is_text(r, '19'), name + ': the newest, however many there are', r)
        t.ok(site.lives(), 'the programs live')
    with Site(cgi=True) as site:
        site.publish_sql('a', 'cgi')
        r = site.get('/push/poll?format=text&channel=a')
        t.ok(is_text(r, 'cgi'), 'as CGI', r)


run(main)
