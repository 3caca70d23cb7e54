#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: an answer holds at most max_messages; the cursor leads to the next
# ones, and nothing is lost or doubled while others publish.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def pages(site, path, cursor, until, steps=200):
    """Follows the cursor until a message says `until`."""
    got, sizes = [], []
    for _ in range(steps):
        r = site.get('%s&since=%s' % (path, cursor))
        if r.status != 200 or r.json['reset']:
            raise Failure(repr(r))
        got += [m['data'] for m in r.json['messages']]
        sizes.append(len(r.json['messages']))
        cursor = r.json['cursor']
        if got and got[-1] == until:
            return got, sizes
    raise Failure('never came to %s: %r' % (until, got[-5:]))


def main(t):
    with Site(settings={'tidings': {'max_messages': '7'}}) as site:
        db = site.connect()
        db.execute('BEGIN')
        for n in range(300):
            db.execute('INSERT INTO changes(channel, data) VALUES (?, ?)',
                       (('a', 'b', 'other')[n % 3], str(n)))
        db.execute("INSERT INTO changes(channel, data) VALUES ('a', 'end')")
        db.execute('COMMIT')
        both = [str(n) for n in range(300) if n % 3 < 2] + ['end']
        only = [str(n) for n in range(0, 300, 3)] + ['end']
        for program in ('poll', 'longpoll'):
            for query, want in (('channel=a', only), ('channel=a&channel=b', both),
                                ('prefix=a&prefix=b', both), ('prefix=a', only)):
                got, sizes = pages(site, '/push/%s?%s' % (program, query), 'earliest', 'end')
                t.equal(got, want, '%s?%s: all, once, in order' % (program, query))
                t.ok(max(sizes) == 7 and all(s == 7 for s in sizes[:-1]),
                     'at most seven at a time', sizes)
        r = site.get('/push/poll?channel=a&since=earliest')
        t.equal(r.headers['ETag'], '"%s"' % r.json['messages'][-1]['id'],
                'the cursor of a full page is that of its last message')

        # While a writer goes on.
        writer = subprocess.Popen(
            [sys.executable, '-c', 'import sqlite3, sys\n'
             'db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n'
             'for n in range(600):\n'
             '  db.execute("INSERT INTO changes(channel, data) VALUES (?, ?)",'
             ' ("w" if n % 2 else "x", str(n)))\n'
             'db.execute("INSERT INTO changes(channel, data) VALUES (\'w\', \'end\')")',
             site.db])
        want = [str(n) for n in range(1, 600, 2)] + ['end']
        try:
            got, _ = pages(site, '/push/longpoll?channel=w&wait=5', 'earliest', 'end', 5000)
            t.equal(got, want, 'longpoll beside a writer')
        finally:
            t.equal(writer.wait(60 * PATIENCE), 0, 'the writer ended well')
        got, _ = pages(site, '/push/poll?channel=w', 'earliest', 'end')
        t.equal(got, want, 'poll after it')

    # Large messages: an answer does not grow without bound either.
    with Site() as site:
        for n in range(8):
            site.publish_sql('big', '%d ' % n + 'x' * 400000)
        site.publish_sql('big', 'end')
        for program in ('poll', 'longpoll'):
            got, sizes = pages(site, '/push/%s?channel=big' % program, 'earliest', 'end')
            t.equal([g[:1] for g in got], list('01234567e'), program + ': large ones in order')
            t.ok(len(sizes) > 1, 'in several answers', sizes)
        t.ok(site.lives(), 'the programs live')


run(main)
