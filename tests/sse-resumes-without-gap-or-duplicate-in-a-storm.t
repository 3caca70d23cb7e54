#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: clients whose streams end again and again, by themselves and by
# their own doing, while four writers publish: each has every message once
# and in order.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
import random

WRITER = '''
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
for n in range(400):
    if n % 80 == 0:
        sys.stdin.readline()
    db.execute("INSERT INTO changes(channel, data) VALUES (?, ?)",
               ("a" if n % 4 else "b", "%s.%d" % (sys.argv[2], n)))
'''


def main(t):
    rng = random.Random(2)
    limits = {'tidings': {'life_min': '100ms', 'life_max': '300ms', 'max_messages': '50'},
              'retention': {'count': '100000'}}
    with Site(settings=limits) as site:
        clients = [SseClient(site, q) for q in ('channel=a', 'channel=a&channel=b', 'prefix=a',
                                                'channels=b')]
        for c in clients:
            c.connect()
            c.streams = 1
            wait_for(lambda: c.pump() or c.last_id, 10, 'the head')
        writers = [subprocess.Popen([sys.executable, '-c', WRITER, site.db, str(w)],
                                    stdin=subprocess.PIPE, bufsize=0) for w in range(4)]
        gone = 0
        def want(c):
            return 1600 if 'channel=b' in c.query else 400 if 'b' in c.query else 1200
        end = deadline(60)
        while any(len(c.events) < want(c) for c in clients) and time.monotonic() < end:
            # Each fifth is written when all have come back since the one before.
            if gone < 5 and min(c.streams for c in clients) > gone:
                for w in writers:
                    w.stdin.write(b'go on\n')
                gone += 1
            for c in clients:
                if c.stream.ended or rng.random() < 0.02:
                    c.close()
                    c.connect()
                    c.streams += 1
                c.pump(0.01)
        t.equal([w.wait(60 * PATIENCE) for w in writers], [0] * 4, 'the writers are done')
        for c in clients:
            c.close()
            rows = site.sql("SELECT id, data FROM changes WHERE channel IN ('a', 'b')"
                            " ORDER BY id")
            if 'channel=b' not in c.query:
                one = 'b' if 'b' in c.query else 'a'
                rows = site.sql('SELECT id, data FROM changes WHERE channel = ? ORDER BY id', one)
            got = [(int(i.split('-')[1]), d) for i, _, d in c.events]
            t.equal(len(got), len(rows), c.query + ': as many as there are')
            t.ok(got == rows, c.query + ': each once, in order',
                 [p for p in zip(got, rows) if p[0] != p[1]][:3])
            t.ok(c.streams > 3, 'over several streams', c.streams)
            t.ok(all(e[1] == 'message' for e in c.events), 'without a reset')
        t.ok(site.lives(), 'the programs live')


run(main)
