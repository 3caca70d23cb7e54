#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# a-lock-that-somebody-holds-stops-nobody.t - another account opens what it can of
# the database's folder and holds locks of it.  Programs deliver, take a restored
# database, prune, restart and stop as ever.  What broke: they waited in their
# loop for a lock of a file that was open to everybody.
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import SseFollower, WsFollower

# Opens whatever it can and holds the lock of it; says what that is.
HOLDER = r'''
import fcntl, os, sys, time
held = []
while True:
    for name in sorted(os.listdir(sys.argv[1])):
        path = os.path.join(sys.argv[1], name)
        if name in [n for n, _ in held] or name.startswith('backup'):
            continue
        try:
            fd = os.open(path, os.O_RDONLY)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.append((name, fd))
            print(name, flush=True)
        except OSError:
            pass
    time.sleep(0.05)
'''


def main(tap):
    need('sqlite3', 'setpriv')
    if os.geteuid() != 0:
        skip_all('needs root, to be another account')
    with Site({'retention': {'every': '300ms', 'count': '5'}}) as site:
        # As a restore leaves it, and as an older version left its lock.
        os.chmod(site.db, 0o644)
        old = site.db + '-lock'
        with open(old, 'w'):
            os.chmod(old, 0o644)
        shutil.chown(old, 'www-data', 'www-data')
        holder = subprocess.Popen(
            ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups',
             sys.executable, '-c', HOLDER, site.data_dir], stdout=subprocess.PIPE,
            text=True)
        site.children.append(holder)
        followers = [SseFollower(site), WsFollower(site)]
        for i in range(20):
            site.publish_sql('a', 'm%d' % i)
        r = site.post('/push/publish?channel=a', 'by HTTP')
        tap.equal(r.status, 201, 'publishing works')
        for f in followers:
            f.wait_data('by HTTP')
        wait_for(lambda: site.sql('SELECT count(*) FROM changes')[0][0] <= 5, 10,
                 'pruning')
        tap.ok(True, 'and so does pruning')
        copy = os.path.join(site.data_dir, 'backup.db')
        subprocess.run(['sqlite3', site.db, '.backup ' + copy], check=True)
        shutil.chown(copy, 'www-data', 'www-data')
        os.chmod(copy, 0o644)
        for f in followers:
            f.resets.clear()
        for suffix in ('-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(site.db + suffix)
        os.rename(copy, site.db)
        wait_for(lambda: all(f.resets for f in followers), 10, 'the reset')
        tap.ok(True, 'a restored database is taken')
        for name in os.listdir(site.data_dir):
            mode = stat.S_IMODE(os.stat(os.path.join(site.data_dir, name)).st_mode)
            if name.endswith(('-bell', '-prune')):
                tap.equal(mode & 0o007, 0, name + ' is nobody else\'s to open')
        site.kill('sse')
        site.publish_sql('a', 'after a kill')
        for f in followers:
            f.wait_data('after a kill')
        tap.ok(True, 'a program starts again and delivers')
        t0 = time.monotonic()
        site.supervisor.terminate()
        site.supervisor.wait(30)
        took = time.monotonic() - t0
        tap.ok(took < 8 * PATIENCE, 'a stop is prompt', '%.1f s' % took)
        tap.ok(holder.poll() is None, 'while the locks were held')
        holder.terminate()
        held = holder.stdout.read().split()
        tap.ok('tidings.db' in held and 'tidings.db-lock' in held,
               'among them that of the database', held)
        tap.ok('tidings.db-prune' not in held and 'tidings.db-bell' not in held,
               'but none that the programs go by', held)
        for f in followers:
            f.stop()


run(main)
