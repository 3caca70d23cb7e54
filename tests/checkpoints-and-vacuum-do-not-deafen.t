#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# checkpoints-and-vacuum-do-not-deafen.t - a watcher hears every commit through
# checkpoints of all kinds, VACUUM, storms of automatic checkpoints, and writers
# that open, insert and close; parked clients do not keep the WAL from being
# reset.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS, SseFollower, RawStream

SETTINGS = {'tidings': {'check': '60s'},
            'retention': {'every': '1d', 'count': '1000000'}}


def main(tap):
    with Site(SETTINGS) as site:
        followers = [F(site) for F in FOLLOWERS]
        stream = RawStream(site.port, '/push/sse?channel=a').read_head()
        stream.wait('retry:')
        n = 0

        def heard(name, rounds, before=lambda i: None, after=lambda i: None,
                  insert=None):
            """Commits one by one; none may lie until the next one."""
            nonlocal n
            most, lost = 0, 0
            for i in range(rounds):
                before(i)
                n += 1
                stream.body = b''
                t0 = time.monotonic()
                (insert or site.publish_sql)('a', '<%d>' % n)
                try:
                    stream.wait('<%d>' % n, 3)
                    most = max(most, time.monotonic() - t0)
                except Failure:
                    lost += 1
                after(i)
            tap.ok(lost == 0 and most < 1 * PATIENCE, name,
                   '%d lay, the slowest took %.3f s' % (lost, most))

        kept = site.connect()

        def keep(channel, data):
            kept.execute('INSERT INTO changes(channel, data) VALUES (?, ?)',
                         (channel, data))

        modes = ('PASSIVE', 'FULL', 'RESTART', 'TRUNCATE')
        blocked = []

        def checkpoint(i):
            row = kept.execute('PRAGMA wal_checkpoint(%s)' % modes[i % 4]).fetchone()
            if row[0]:
                blocked.append((modes[i % 4], row))

        heard('the last other writer closes, again and again', 60)
        heard('checkpoints by a writer that stays', 80, after=checkpoint, insert=keep)
        heard('checkpoints before and behind', 80, before=checkpoint,
              after=lambda i: checkpoint(i + 2), insert=keep)
        heard('TRUNCATE by one that comes and goes', 60,
              after=lambda i: site.sql('PRAGMA wal_checkpoint(TRUNCATE)'))
        tap.ok(len(blocked) <= 3, 'parked clients do not hold checkpoints up',
               blocked[:10])
        heard('VACUUM', 20, after=lambda i: kept.execute('VACUUM'), insert=keep)
        kept.execute('PRAGMA wal_autocheckpoint = 1')
        heard('a checkpoint at every commit', 200, insert=keep)
        kept.execute('PRAGMA wal_autocheckpoint = 1000')
        # One commit that is larger than the WAL's automatic limit.
        kept.execute('BEGIN')
        for i in range(3000):
            keep('big', 'x' * 2000)
        kept.execute('COMMIT')
        heard('behind a commit of 6 MB', 40, insert=keep)
        kept.execute('BEGIN')
        keep('a', 'rolled back')
        kept.execute('ROLLBACK')
        heard('behind a rollback', 20, insert=keep)
        kept.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        size = os.stat(site.db + '-wal').st_size
        tap.ok(size == 0, 'the WAL can be emptied while clients are parked', size)
        kept.close()
        heard('the end', 5)
        want = ['<%d>' % i for i in range(1, n + 1)]
        for f in followers:
            with contextlib.suppress(Failure):
                f.wait_data(want[-1])
            f.stop()
            name = type(f).__name__[:-8].lower()
            tap.ok(f.data == want and not f.resets,
                   name + ': every message once, in order, no reset',
                   'got %d, want %d' % (len(f.data), len(want)), f.resets)
        stream.close()


run(main)
