#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# publishes-of-many-share-commits.t - issue 5: those who publish at the same time
# are committed together, fewer commits than publishes, each told the id of its
# own message; a refused one among them spoils none.  And while batches come
# without pause single messages and streams of other channels are served, a
# writer that is none of ours comes to its turn, and retention keeps up.
import os
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

THREADS, EACH = 24, 40
BATCHERS, BATCH, STORM_S = 4, 1000, 4
SETTINGS = {'retention': {'count': '500', 'every': '200ms'}}


def count_commits(wal):
    """Frames of the -wal that end a transaction: they tell the size of the file."""
    with open(wal, 'rb') as f:
        data = f.read()
    page, salts, n = struct.unpack('>I', data[8:12])[0], data[16:24], 0
    for at in range(32, len(data) - 23, 24 + page):
        if data[at + 8:at + 16] != salts:
            break
        n += data[at + 4:at + 8] != b'\0\0\0\0'
    return n


class Publisher(threading.Thread):
    """Publishes on one connection, one message after the answer to the last."""

    def __init__(self, site, number):
        super().__init__(daemon=True)
        self.site, self.number = site, number
        self.answers = []  # (data, status, id)

    def run(self):
        conn = http.client.HTTPConnection('127.0.0.1', self.site.port, timeout=60 * PATIENCE)
        for i in range(EACH):
            data = '%d.%d' % (self.number, i)
            # What the schema refuses and the program does not check: max_data of the file.
            body = 'x' * 3000 if i % 10 == 9 and self.number % 4 == 0 else data
            conn.request('POST', '/push/publish?channel=c%d' % (self.number % 3), body,
                         {'Content-Type': 'text/plain'})
            r = Response(conn.getresponse())
            self.answers.append((body, r.status, r.json.get('id')))
        conn.close()


def publish_at_once(t, site):
    # The programs go by their configuration; this file takes less than that.
    site.sql("UPDATE meta SET value = 2000 WHERE name = 'max_data'")
    reader = site.connect()
    reader.execute('BEGIN')  # the -wal does not begin anew while somebody reads
    reader.execute('SELECT count(*) FROM changes').fetchall()
    before = count_commits(site.db + '-wal')
    publishers = [Publisher(site, i) for i in range(THREADS)]
    for p in publishers:
        p.start()
    for p in publishers:
        p.join(120 * PATIENCE)
    commits = count_commits(site.db + '-wal') - before
    reader.execute('COMMIT')
    reader.close()
    answers = [a for p in publishers for a in p.answers]
    t.equal(len(answers), THREADS * EACH, 'all are answered')
    good = [a for a in answers if len(a[0]) < 100]
    t.ok(all(a[1] == 201 for a in good), 'those that can be stored are', answers[:5])
    t.ok(all(a[1] == 400 for a in answers if len(a[0]) > 100), 'the others are refused')
    t.ok(commits < len(good), 'in fewer commits than publishes: %d for %d'
         % (commits, len(good)))
    rows = dict(site.sql('SELECT id, data FROM changes'))
    wrong = [a for a in good if rows.get(int(a[2].split('-')[1])) != a[0]]
    t.ok(not wrong and len(rows) == len(good), 'each was told the id of its own message',
         wrong[:5])
    t.ok(all(ids == sorted(ids) for ids in
             ([int(a[2].split('-')[1]) for a in p.answers if a[1] == 201]
              for p in publishers)), 'each in its own order')
    site.sql("UPDATE meta SET value = 1048576 WHERE name = 'max_data'")


class Batcher(threading.Thread):
    def __init__(self, site, number, until):
        super().__init__(daemon=True)
        self.site, self.until, self.answers, self.bad = site, until, 0, []
        self.body = json.dumps([{'channel': 'batch%d' % number, 'data': 'x' * 100}] * BATCH)

    def run(self):
        conn = http.client.HTTPConnection('127.0.0.1', self.site.port, timeout=60 * PATIENCE)
        while time.monotonic() < self.until:
            conn.request('POST', '/push/publish?batch=1', self.body,
                         {'Content-Type': 'application/json'})
            r = Response(conn.getresponse())
            self.answers += 1
            ids = [int(m['id'].split('-')[1]) for m in r.json] if r.status == 201 else []
            if len(ids) != BATCH or ids != list(range(ids[0], ids[0] + BATCH)):
                self.bad.append((r.status, r.text[:200]))
        conn.close()


def storm(t, site):
    stream = site.stream('/push/sse?channel=calm')
    stream.wait('\n\n')
    batchers = [Batcher(site, i, time.monotonic() + STORM_S * PATIENCE)
                for i in range(BATCHERS)]
    for b in batchers:
        b.start()
    n, slow, most = 0, [], 0
    db = site.connect()
    while any(b.is_alive() for b in batchers):
        n += 1
        began = time.monotonic()
        if n % 2:
            r = site.post('/push/publish?channel=calm', '<%d>' % n, 'text/plain')
            if r.status != 201:
                slow.append(r)
        else:
            db.execute("INSERT INTO changes(channel, data) VALUES ('calm', ?)", ('<%d>' % n,))
        stream.wait('<%d>' % n)
        slow += [took for took in [time.monotonic() - began] if took > 3 * PATIENCE]
        most = max(most, db.execute('SELECT count(*) FROM changes').fetchone()[0])
        time.sleep(0.02)
    stream.close()
    stored = db.execute('SELECT seq FROM sqlite_sequence').fetchone()[0] - n
    answers = sum(b.answers for b in batchers)
    t.ok(n > 10 and not slow, '%d messages beside a storm of batches came in time' % n, slow[:5])
    t.ok(not any(b.bad for b in batchers), 'each batch has ids in a row',
         [b.bad[:2] for b in batchers])
    t.equal(stored, answers * BATCH, 'what was answered is stored')
    t.ok(most < 100000, 'of %d messages no more than %d were there at once' % (stored, most))
    wait_for(lambda: db.execute('SELECT count(*) FROM changes').fetchone()[0] <= 500 *
             (BATCHERS + 4), 20, 'what is to be kept')
    t.ok(True, 'and in the end what is to be kept')
    db.close()


def main(t):
    with Site({'retention': {'count': '0', 'every': '1d'}}) as site:
        publish_at_once(t, site)
    with Site(SETTINGS) as site:
        storm(t, site)


run(main)
