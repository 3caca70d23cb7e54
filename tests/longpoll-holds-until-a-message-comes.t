#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: a long poll answers at once if there is something, else with the
# first message that comes; by GET and by POST; a reset does not wait.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

FORM = 'application/x-www-form-urlencoded'


class Asker:
    """A request whose answer is awaited later."""

    def __init__(self, site, method, path, body=None, headers=None):
        self.conn = http.client.HTTPConnection('127.0.0.1', site.port, timeout=40 * PATIENCE)
        self.conn.request(method, path, body, headers or {})

    def silent(self, seconds=0.15):
        return not select.select([self.conn.sock], [], [], seconds)[0]

    def answer(self):
        r = Response(self.conn.getresponse())
        self.conn.close()
        return r


def data(r):
    return [m['data'] for m in r.json['messages']]


def main(t):
    with Site() as site:
        a = Asker(site, 'GET', '/push/longpoll?channel=a')
        site.wait_subscribers('a', 1)
        t.ok(a.silent(), 'nothing yet')
        site.publish_sql('b', 'not for us')
        t.ok(a.silent(), 'nor for another channel')
        site.publish_sql('a', 'one', 'ev')
        r = a.answer()
        t.equal((r.status, data(r), r.json['messages'][0]['event'], r.json['reset']),
                (200, ['one'], 'ev', False), 'then the message')
        t.equal(r.headers['ETag'], '"%s"' % r.json['cursor'], 'with an ETag')
        t.equal(r.json['messages'][0]['id'].split('-')[1], '2', 'and its id')
        t.equal(r.headers['Content-Type'], 'application/json', 'as JSON')
        site.wait_subscribers('a', 0)

        cursor = r.json['cursor']
        site.publish_sql('a', 'two')
        site.publish_sql('a', 'three')
        start = time.monotonic()
        r = site.get('/push/longpoll?channel=a&since=' + cursor)
        t.equal(data(r), ['two', 'three'], 'what is there already comes together')
        t.ok(time.monotonic() - start < 5 * PATIENCE, 'at once')
        cursor = r.json['cursor']

        a = Asker(site, 'GET', '/push/longpoll?channel=a&since=' + cursor)
        site.wait_subscribers('a', 1)
        db = site.connect()
        db.execute('BEGIN')
        for n in range(20):
            db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)", (str(n),))
        t.ok(a.silent(), 'a transaction that is not committed is not seen')
        db.execute('COMMIT')
        db.close()
        r = a.answer()
        t.equal(data(r), [str(n) for n in range(20)], 'a transaction comes as one answer')
        cursor = r.json['cursor']

        a = Asker(site, 'POST', '/push/longpoll', 'channel=a&channel=b&wait=20&since=' + cursor,
                  {'Content-Type': FORM})
        site.wait_subscribers('b', 1)
        t.ok(a.silent(), 'a POST with form fields is held as well')
        site.publish_sql('b', 'from b')
        r = a.answer()
        t.equal(data(r), ['from b'], 'and answered')
        a = Asker(site, 'GET', '/push/longpoll?prefix=c.', None, {'If-None-Match': r.headers['ETag']})
        site.wait_subscribers('c.x', 1)
        site.publish_sql('c.x', 'by prefix')
        r = a.answer()
        t.equal((r.status, data(r)), (200, ['by prefix']), 'by prefix, from an ETag')

        many = [Asker(site, 'GET', '/push/longpoll?channel=crowd') for _ in range(20)]
        site.wait_subscribers('crowd', 20)
        site.publish_sql('crowd', 'to all')
        t.equal([data(m.answer()) for m in many], [['to all']] * 20, 'to everybody who waits')

        # Follow the cursor: nothing is lost between two requests.
        cursor, got = r.json['cursor'], []
        writer = subprocess.Popen(
            [sys.executable, '-c', 'import sqlite3, sys\n'
             'db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n'
             'for n in range(500):\n'
             '  db.execute("INSERT INTO changes(channel, data) VALUES (\'s\', ?)", (str(n),))',
             site.db])
        while len(got) < 500:
            r = site.get('/push/longpoll?channel=s&wait=10&since=' + cursor)
            if not r.json['messages']:
                break
            got += data(r)
            cursor = r.json['cursor']
        t.equal(writer.wait(60 * PATIENCE), 0, 'a storm of five hundred commits')
        t.equal(got, [str(n) for n in range(500)], 'arrives whole and in order')

        start = time.monotonic()
        for since in ('0123456789ab-1', '999999'):
            r = site.get('/push/longpoll?channel=nothing&wait=20&since=' + since)
            t.equal((r.status, r.json['reset'], r.json['messages']), (200, True, []),
                    'a reset is told at once: ' + since)
            r = site.get('/push/longpoll?channel=nothing&wait=20',
                         {'If-None-Match': '"%s"' % since})
            t.equal((r.status, r.json['reset']), (200, True), 'also to a conditional request')
        t.ok(time.monotonic() - start < 15 * PATIENCE, 'really at once')
        r2 = site.get('/push/longpoll?channel=nothing&wait=0&since=' + r.json['cursor'])
        t.equal((r2.json['reset'], r2.json['messages']), (False, []),
                'and its cursor is a good one')
        r = site.request('HEAD', '/push/longpoll?channel=a')
        t.ok(r.status == 200 and r.headers['ETag'] and not r.body, 'HEAD does not wait', r.headers)
        t.ok(site.lives(), 'the programs live')


run(main)
