#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# pruning-lets-other-writers-in.t - a round of pruning with much to remove leaves the
# database free for more than half of the time: SQLite's writers do not queue but
# sleep and try again, for longer each time, and would find it busy each time.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

ROWS = 100000
KEPT = 10


def fill(site):
    site.sql("""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                INSERT INTO changes(channel, data) SELECT 'a', 'message ' || i FROM n""", ROWS)


def others_get_in(tap, site):
    """While a round removes what fill() brought."""
    with contextlib.closing(sqlite3.connect(site.db, timeout=20 * PATIENCE,
                                            isolation_level=None)) as db:
        oldest = lambda: db.execute('SELECT min(id) FROM changes').fetchone()[0]
        wait_for(lambda: oldest() > 1, 20, 'the begin of a round')
        db.execute('PRAGMA busy_timeout = 0')
        free = busy = 0
        end = deadline(60)
        while oldest() <= ROWS - KEPT and time.monotonic() < end:
            try:
                db.execute('BEGIN IMMEDIATE')
                db.execute('ROLLBACK')
                free += 1
            except sqlite3.OperationalError:
                busy += 1
            time.sleep(0.0005)
        tap.equal(oldest(), ROWS - KEPT + 1, 'the round came to its end')
    tap.ok(free + busy > 50, '%d tries meanwhile' % (free + busy))
    tap.ok(free > busy, 'most of them found it free', 'free %d, busy %d' % (free, busy))
    tap.note('free %d, busy %d' % (free, busy))


def main(tap):
    tap.note('by the programs')
    with Site({'retention': {'count': str(KEPT), 'every': '300ms'}}) as site:
        fill(site)
        others_get_in(tap, site)
        tap.ok(site.lives(), 'the programs live')
    tap.note('by tidings prune')
    with Site({'retention': {'count': str(KEPT), 'every': '1h'}}) as site:
        fill(site)
        with subprocess.Popen(
                [os.path.join(BUILD, 'tools', 'tidings'), '-c', site.conf, 'prune'],
                stdout=subprocess.PIPE, text=True) as prune:
            others_get_in(tap, site)
            tap.equal(prune.communicate(timeout=20 * PATIENCE)[0],
                      '%d messages removed\n' % (ROWS - KEPT), 'it tells of all')


run(main)
