#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# the-files-of-a-database-are-one.t - the database is three files.  Whichever of
# them are removed or replaced under running programs, with writers or without,
# at once or one after the other, it ends in one new epoch and one reset; then
# all that is committed is delivered.  What broke: ids were given out twice under
# the same epoch, and one of the two messages reached nobody.
#
# TIDINGS_CASES=wal,shm or a number of rounds in TIDINGS_ROUNDS narrows or widens.
import os
import re
import sqlite3
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS

SUFFIX = {'db': '', 'wal': '-wal', 'shm': '-shm'}

# What is done, to which files in which order, seconds between them, writers.
CASES = [
    ('remove', 'wal shm', 0, False),
    ('remove', 'wal shm', 0.05, False),
    ('remove', 'wal shm', 0.35, False),
    ('remove', 'wal shm', 1, False),
    ('remove', 'shm wal', 0.35, False),
    ('remove', 'wal', 0, False),
    ('remove', 'shm', 0, False),
    ('remove', 'wal shm', 0, True),
    ('remove', 'wal shm', 0.05, True),
    ('remove', 'wal shm', 0.35, True),
    ('remove', 'wal shm', 1, True),
    ('remove', 'shm wal', 0.05, True),
    ('remove', 'wal', 0, True),
    ('remove', 'shm', 0, True),
    ('remove', 'db wal shm', 0, False),
    ('remove', 'db', 0, False),
    ('empty', 'wal', 0, False),
    ('empty', 'wal shm', 0, False),
    ('copy', 'wal', 0, False),
    ('copy', 'shm', 0, False),
    ('copy', 'wal shm', 0, False),
    ('copy', 'wal', 0, True),
    ('older', 'wal', 0, False),
    ('older', 'wal shm', 0, False),
    ('backup', 'db', 0, False),
    ('backup', 'db', 0, True),
    ('backup', 'db wal shm', 0, False),
    ('backup', 'db wal shm', 0.35, True),
    ('backup', 'wal shm db', 0, False),
    ('backup', 'wal shm db', 0.35, False),
    ('backup', 'wal shm db', 0.05, True),
]

# Keeps its connection, and opens another one where it fails; or opens one for
# each row.  Says which rows were committed.
WRITER = r'''
import sqlite3, sys, time
path, channel, name, keep = sys.argv[1:4] + [sys.argv[4] == 'keep']
con, n = None, 0
while True:
    try:
        if con is None:
            con = sqlite3.connect('file:%s?mode=rw' % path, uri=True, timeout=2,
                                  isolation_level=None)
        data = '%s %d' % (name, n)
        con.execute("INSERT INTO changes(channel, data) VALUES (?, ?)",
                    (channel, data))
        print('%.3f %s' % (time.time(), data), flush=True)
        n += 1
    except sqlite3.Error as e:
        print('# %s' % e, flush=True)
        if con is not None:
            con.close()
        con = None
    if con is not None and not keep:
        con.close()
        con = None
    time.sleep(0.03)
'''


class Writer:
    """A process that knows nothing of Tidings."""

    def __init__(self, site, channel, name, keep):
        self.rows, self.odd = [], []
        argv = [sys.executable, '-c', WRITER, site.db, channel, name,
                'keep' if keep else 'open']
        if os.geteuid() == 0:
            argv = ['setpriv', '--reuid=www-data', '--regid=www-data',
                    '--clear-groups'] + argv
        self.child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.child.stdout:
            at, _, data = line.strip().partition(' ')
            if at == '#':
                self.odd.append(data)
            else:
                self.rows.append((float(at), data))

    def stop(self):
        self.child.terminate()
        self.child.wait()
        self.thread.join(5)


def own(path):
    if os.geteuid() == 0:
        shutil.chown(path, 'www-data', 'www-data')
    os.chmod(path, 0o660)


def prepare(site, what, files):
    """What is moved over the files later, made before."""
    made = {}
    for name in files:
        path = site.db + SUFFIX[name]
        made[name] = os.path.join(site.dir, 'new-' + name)
        if what == 'empty':
            open(made[name], 'w').close()
        elif what == 'backup' and name == 'db':
            subprocess.run(['sqlite3', site.db, '.backup ' + made[name]], check=True)
        elif what == 'backup' or what == 'remove':
            made[name] = None
            continue
        else:
            shutil.copyfile(path, made[name])
        own(made[name])
    return made


def exchange(site, made, files, pause):
    for i, name in enumerate(files):
        if i > 0 and pause:
            time.sleep(pause)
        path = site.db + SUFFIX[name]
        if made[name] is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        else:
            os.rename(made[name], path)


def epoch(site):
    return site.tidings('epoch').split('-')[0]


def told(site, since):
    """Lines of the log that say what happened to the files, by program."""
    lines = site.programs_log()[since:].splitlines()
    return [l for l in lines if re.search(
        r'(removed|replaced) while in use|was replaced$', l)]


def play(tap, site, case, channel):
    what, order, pause, writing = case
    files = order.split()
    name = '%s %s%s%s' % (what, '+'.join(files),
                          ', %g s between' % pause if pause else '',
                          ', writers' if writing else '')
    site.sql('PRAGMA wal_checkpoint(TRUNCATE)')
    for i in range(3):
        site.publish_sql(channel, 'in the file %d' % i)
    site.sql('PRAGMA wal_checkpoint(PASSIVE)')
    for i in range(3):
        site.publish_sql(channel, 'in the wal %d' % i)
    made = prepare(site, what, files)
    if what == 'older':
        # The -wal begins anew meanwhile.
        site.sql('PRAGMA wal_checkpoint(TRUNCATE)')
        for i in range(3):
            site.publish_sql(channel, 'in the next wal %d' % i)
    before = epoch(site)
    followers = [F(site, 'channel=' + channel) for F in FOLLOWERS]
    writers = []
    if writing:
        writers = [Writer(site, channel, 'kept', True),
                   Writer(site, channel, 'open', False)]
    site.publish_sql(channel, 'the last one before')
    for f in followers:
        wait_for(lambda: 'the last one before' in f.data, 15, 'the first messages')
    if writing:
        wait_for(lambda: all(w.rows for w in writers), 10, 'the first rows')
    for f in followers:
        f.resets.clear()
    log = len(site.programs_log())
    exchange(site, made, files, pause)
    if what == 'remove' and 'db' in files:
        time.sleep(0.3)
        site.tidings('init')
    with contextlib.suppress(Failure):
        wait_for(lambda: all(f.resets for f in followers), 12, 'the reset')
    ended = time.time()
    late = [f for f in followers if not f.resets]
    tap.ok(not late, name + ': everybody is told of a reset in time',
           [type(f).__name__ for f in late], site.programs_log()[log:][-1500:])
    if writing:
        # Past an automatic checkpoint of whoever kept the old files open.
        time.sleep(2)
    r = site.post('/push/publish?channel=' + channel, 'by HTTP')
    tap.ok(r.status == 201, name + ': publishing works', r)
    site.publish_sql(channel, 'by SQL')
    for w in writers:
        w.stop()
    site.publish_sql(channel, 'the end')
    for f in followers:
        with contextlib.suppress(Failure):
            f.wait_data('the end', 12)
    after = epoch(site)
    rows = [('%s-%d' % (after, i), d) for i, d in
            site.sql("SELECT id, data FROM changes WHERE channel = '%s' ORDER BY id" % channel)]
    tap.ok(after != before, name + ': the epoch is a new one', after, before)
    for f in followers:
        who = '%s, %s' % (name, type(f).__name__[:-8].lower())
        tap.ok(len(f.resets) == 1, who + ': one reset', f.resets, f.got[-3:],
               site.programs_log()[log:][-1500:])
        since = f.got[f.resets[-1][0]:] if f.resets else []
        tap.ok(since == rows, who + ': then all that there is, in order',
               'got %d, want %d' % (len(since), len(rows)),
               [g for g in since if g not in rows][:5],
               [w for w in rows if w not in since][:5])
    have = {d for _, d in rows}
    if what != 'backup' and not writing and 'db' not in files:
        tap.ok('the last one before' in have, name + ': what was in the -wal is saved',
               sorted(have))
    lost = [d for w in writers for at, d in w.rows if at > ended and d not in have]
    tap.ok(not lost, name + ': what was committed from then on is there',
           len(lost), lost[:5])
    tap.equal(site.sql('PRAGMA integrity_check'), [('ok',)], name + ': it is sound')
    lines = told(site, log)
    per = {l.split('[')[0]: 0 for l in lines}
    for l in lines:
        per[l.split('[')[0]] += 1
    tap.ok(lines and max(per.values()) == 1,
           name + ': each program says once what happened', '\n'.join(lines))
    tap.ok(site.lives(), name + ': no program was restarted')
    for w in writers:
        tap.note('%s: %s' % (name, {e: w.odd.count(e) for e in w.odd}))
    tap.note(lines[0] if lines else 'nothing')
    for f in followers:
        f.stop()
        tap.ok(not f.odd, name + ': nothing odd', f.odd[:3])


def main(tap):
    need('sqlite3')
    want = os.environ.get('TIDINGS_CASES')
    with Site({'tidings': {'heartbeat': '1s'}, 'retention': {'every': '1s'}}) as site:
        for turn in range(int(os.environ.get('TIDINGS_ROUNDS', '1'))):
            for i, case in enumerate(CASES):
                if want is None or str(i) in want.split(','):
                    t = time.monotonic()
                    play(tap, site, case, 'c%d.%d' % (turn, i))
                    tap.note('%d took %.1f s' % (i, time.monotonic() - t))


run(main)
