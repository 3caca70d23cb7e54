#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# emptying-a-large-channel-lets-others-publish.t - DELETE of a channel that holds
# 50,000 messages is answered when it is done; what is published meanwhile, over
# HTTP and SQL, does not wait for it and stays, with idempotency keys too, and who
# is held there is told once.  Issue 5, A2: it held up all that the program was to
# publish until it was done.
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import SseFollower

ROWS = 50000
SETTINGS = {'retention': {'count': '0', 'age': '0', 'total': '0', 'every': '1h'}}


def fill(site, keyed=False):
    site.sql("""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                INSERT INTO changes(channel, data, dedup)
                SELECT 'big', 'old ' || i, iif(? AND i > ? - 20, 'key ' || i, NULL) FROM n""",
             ROWS, keyed, ROWS)


def count(site, channel, what='%'):
    return site.sql('SELECT count(*) FROM changes WHERE channel = ? AND data LIKE ?',
                    channel, what)[0][0]


class Delete(threading.Thread):
    def __init__(self, site):
        super().__init__(daemon=True)
        self.site, self.answer = site, None
        self.start()

    def run(self):
        self.answer = self.site.request('DELETE', '/push/publish?channel=big')


def meanwhile(tap, site):
    """Publishes that are answered before the DELETE is."""
    fill(site)
    before = site.get('/push/poll?channel=big').json['cursor']
    delete = Delete(site)
    wait_for(lambda: count(site, 'big') < ROWS, 20, 'the begin of it', 0)
    done, stored, most_removed = 0, [], 0
    left = ROWS
    with contextlib.closing(sqlite3.connect(site.db, timeout=0, isolation_level=None)) as db:
        free = busy = 0
        while delete.answer is None and done < 2000:
            data = 'new %d' % done
            r = site.post('/push/publish?channel=%s' % ('big' if done % 2 else 'small'), data,
                          'text/plain')
            if r.status == 201:
                stored.append(data)
            done += 1
            now = db.execute("SELECT count(*) FROM changes WHERE channel = 'big' AND id <= ?",
                             (ROWS,)).fetchone()[0]
            most_removed, left = max(most_removed, left - now), now
            try:
                db.execute('BEGIN IMMEDIATE')
                db.execute('ROLLBACK')
                free += 1
            except sqlite3.OperationalError:
                busy += 1
    delete.join(30 * PATIENCE)
    tap.note('%d publishes meanwhile, free %d, busy %d' % (done, free, busy))
    tap.equal(delete.answer and delete.answer.status, 204, 'it is answered')
    tap.ok(done >= 5, 'others were answered before', done)
    tap.equal(len(stored), done, 'all of them were stored')
    tap.equal(count(site, 'big', 'old %'), 0, 'nothing of the old is left')
    tap.equal(count(site, 'big', 'new %') + count(site, 'small', 'new %'), done,
              'and all that was published meanwhile')
    tap.ok(free > 0, 'writers of other processes got in', free, busy)
    r = site.get('/push/poll?channel=big&since=' + before)
    tap.ok(not r.json['reset'] and len(r.json['messages']) == count(site, 'big'),
           'who had it all lost nothing', r.json['reset'], len(r.json['messages']))


def keys(tap, site):
    """A key of a message that is about to go is not known any more."""
    site.sql('DELETE FROM changes')
    fill(site, keyed=True)
    delete = Delete(site)
    wait_for(lambda: count(site, 'big') < ROWS, 20, 'the begin of it', 0)
    r = site.post('/push/publish?channel=big', 'old %d' % ROWS, 'text/plain',
                  headers={'Idempotency-Key': 'key %d' % ROWS})
    tap.ok(r.status == 201 and 'Idempotent-Replayed' not in r.headers,
           'a key that stood in the channel counts no more', r, dict(r.headers))
    delete.join(30 * PATIENCE)
    tap.equal(delete.answer and delete.answer.status, 204, 'it is answered')
    tap.equal(count(site, 'big'), 1, 'that message is there')


def told_once(tap, site):
    """Held clients of the channel; one who is behind."""
    site.sql('DELETE FROM changes')
    fill(site)
    first = site.sql('SELECT min(id) FROM changes')[0][0]
    live = SseFollower(site, 'channel=big', 'latest')
    site.wait_subscribers('big', 1)
    delete = Delete(site)
    # Some that come while it goes on.
    site.publish_sql('big', 'one')
    behind = SseFollower(site, 'channel=big', str(first))
    delete.join(30 * PATIENCE)
    site.publish_sql('big', 'end')
    live.wait_data('end', 30)
    behind.wait_data('end', 60)
    tap.equal((live.data, live.resets), (['one', 'end'], []), 'who had it all is not told')
    tap.equal(len(behind.resets), 1, 'who had not is told once')
    tap.equal([d for d in behind.data if not d.startswith('old')], ['one', 'end'],
              'and gets what is new')
    for f in (live, behind):
        f.stop()


def main(tap):
    with Site(SETTINGS) as site:
        meanwhile(tap, site)
        keys(tap, site)
        told_once(tap, site)
        tap.ok(site.lives(), 'the programs live')


run(main)
