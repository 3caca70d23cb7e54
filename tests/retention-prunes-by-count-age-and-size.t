#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# retention-prunes-by-count-age-and-size.t - count per channel, age, expiry,
# sections for patterns and the total size, pruned in the background by one
# process at a time; the file does not grow for ever and readers do not notice.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import SseFollower, WsFollower, percentile

SETTINGS = {
    'retention': {'every': '200ms', 'count': '50', 'age': '1h', 'total': '4M'},
    'retention quotes.*': {'count': '7'},
    'retention short?': {'age': '1s'},
    'retention free': {'count': '0', 'age': '0'},
}


def count(site, channel):
    return site.sql('SELECT count(*) FROM changes WHERE channel = ?', channel)[0][0]


def soon(tap, site, channel, want, name):
    with contextlib.suppress(Failure):
        wait_for(lambda: count(site, channel) == want, 10, name, 0.05)
    tap.equal(count(site, channel), want, name)


def insert(site, channel, n, data='x', **columns):
    db = site.connect()
    db.execute('BEGIN IMMEDIATE')
    names = ''.join(', ' + c for c in columns)
    for i in range(n):
        db.execute('INSERT INTO changes(channel, data%s) VALUES (?, ?%s)'
                   % (names, ', ?' * len(columns)),
                   (channel, '%d %s' % (i, data), *columns.values()))
    db.execute('COMMIT')
    db.close()


def main(tap):
    with Site(SETTINGS) as site:
        now = int(time.time() * 1000)
        insert(site, 'plain', 120)
        insert(site, 'quotes.a', 20)
        insert(site, 'quotes.b', 3)
        insert(site, 'quotes', 60)
        insert(site, 'free', 300)
        insert(site, 'old', 5, created_ms=now - 3700000)
        insert(site, 'old', 5)
        insert(site, 'short1', 4)
        insert(site, 'shorter3', 4)
        insert(site, 'brief', 5, expires_ms=now + 1500)
        insert(site, 'brief', 5)
        insert(site, 'dead', 3, expires_ms=now - 1)
        r = site.get('/push/poll?channel=dead&since=earliest').json
        tap.equal(r['messages'], [], 'what ran out is not delivered, pruned or not')
        soon(tap, site, 'plain', 50, 'count for all')
        soon(tap, site, 'quotes.a', 7, 'count of a pattern')
        soon(tap, site, 'quotes.b', 3, 'what is below it stays')
        soon(tap, site, 'quotes', 50, 'what only looks like it is not meant')
        soon(tap, site, 'free', 300, '0 is no limit')
        soon(tap, site, 'old', 5, 'age')
        soon(tap, site, 'short1', 0, 'age of a pattern with a ?')
        soon(tap, site, 'shorter3', 4, 'and who does not match it')
        soon(tap, site, 'brief', 5, 'expires_ms')
        soon(tap, site, 'dead', 0, 'what was dead at birth')
        tap.equal(site.sql("SELECT min(CAST(data AS INTEGER)), max(CAST(data AS INTEGER)) "
                           "FROM changes WHERE channel = 'plain'"), [(70, 119)],
                  'the oldest go')
        r = site.post('/push/publish?batch=1', json.dumps(
            [{'channel': 'ttl', 'data': 'x', 'ttl': 1}]), 'application/json')
        tap.equal(r.status, 201, 'ttl over HTTP')
        soon(tap, site, 'ttl', 0, 'runs out')

        # Several times the total, while clients read.
        followers = [F(site, 'channel=free', 'latest') for F in (SseFollower, WsFollower)]
        site.wait_subscribers('free', 2)
        db = site.connect()
        largest, wal, late = 0, 0, []
        fill = 'y' * 20000
        for i in range(1000):
            t0 = time.monotonic()
            db.execute("INSERT INTO changes(channel, data) VALUES ('free', ?)",
                       ('%d %s' % (i, fill),))
            wait_for(lambda: all(len(f.got) > i for f in followers), 10,
                     'message %d' % i, 0.0005)
            late.append(time.monotonic() - t0)
            largest = max(largest, os.stat(site.db).st_size)
            wal = max(wal, os.stat(site.db + '-wal').st_size)
            if i % 50 == 0:
                time.sleep(0.05)
        db.close()
        tap.note('20 MB into 4 MB: file at most %d KB, -wal %d KB; delivery median %.1f ms, '
                 'p99 %.1f, most %.1f' % (largest >> 10, wal >> 10,
                                          percentile(late, 50) * 1e3,
                                          percentile(late, 99) * 1e3, max(late) * 1e3))
        # A checker makes the pruning five times as slow, and the INSERTs hardly.
        most = (32 if os.environ.get('TIDINGS_CHECKED') else 16) << 20
        tap.ok(largest < most, 'the file does not grow for ever', largest)
        tap.ok(wal < 32 << 20, 'nor does the -wal', wal)
        tap.ok(percentile(late, 99) < 0.5 * PATIENCE, 'readers hardly notice the pruning',
               percentile(late, 99))
        for f in followers:
            f.stop()
            tap.ok([int(d.split()[0]) for d in f.data] == list(range(1000)) and not f.resets,
                   '%s: everything, in order' % type(f).__name__, len(f.data))

        def used():
            return site.sql('SELECT (page_count - freelist_count) * page_size FROM '
                            'pragma_page_count, pragma_freelist_count, pragma_page_size')[0][0]

        with contextlib.suppress(Failure):
            wait_for(lambda: used() <= 4 << 20, 10, 'the total', 0.05)
        tap.ok(used() <= 4 << 20, 'in the end there is no more than the total', used())
        with contextlib.suppress(Failure):
            wait_for(lambda: os.stat(site.db).st_size <= 7 << 20, 10, 'a smaller file', 0.05)
        tap.ok(os.stat(site.db).st_size <= 7 << 20, 'and the file is small again',
               os.stat(site.db).st_size)
        tap.ok(count(site, 'free') > 0, 'but not everything has gone')
        tap.equal(site.sql('PRAGMA integrity_check'), [('ok',)], 'it is sound')


run(main)
