#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# corrupt-database-is-refused.t - pages of the database are overwritten while
# programs run: 503 and no busy loop, a clear sentence at the next start; when a
# good file is moved into its place everything works again by itself.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import SseFollower, RawStream, alive, cpu_share, is_503


def good_copy(site, path):
    subprocess.run(['sqlite3', site.db, '.backup ' + path], check=True)
    if os.geteuid() == 0:
        shutil.chown(path, 'www-data', 'www-data')


def main(tap):
    need('sqlite3')
    with Site({'tidings': {'heartbeat': '300ms', 'max_messages': '100000', 'check': '200ms'},
               'retention': {'count': '0', 'every': '1d'}}) as site:
        db = site.connect()
        db.execute('BEGIN')
        for i in range(400):
            db.execute("INSERT INTO changes(channel, data) VALUES (?, ?)",
                       ('old', '%d ' % i + 'x' * 20000))
        db.execute('COMMIT')
        db.execute("INSERT INTO changes(channel, data) VALUES ('a', 'first')")
        db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        db.close()
        copy = os.path.join(site.dir, 'copy.db')
        good_copy(site, copy)
        follower = SseFollower(site, cursor='latest')
        site.wait_subscribers('a', 1)

        # Every page but the first ones, which all have in their caches.
        with open(site.db, 'r+b') as f:
            f.seek(4096 * 12)
            f.write(b'\xa5' * (os.path.getsize(site.db) - 4096 * 12))
        r = site.get('/push/poll?channel=old&since=earliest')
        tap.ok(is_503(r), 'poll of what is damaged: 503', r.status, r.text[:200])
        tap.ok(b'damaged' in r.body or b'malformed' in r.body, 'with a sentence', r.text[:200])
        longpoll = RawStream(site.port, '/push/longpoll?channel=old&since=earliest&wait=1')
        stream = RawStream(site.port, '/push/sse?channel=old&since=earliest')
        with contextlib.suppress(OSError):
            stream.read_head()
        r = [site.post('/push/publish?channel=old', 'y' * 100000) for _ in range(3)]
        tap.ok(all(a.status == 201 or is_503(a) for a in r), 'publish: 503 or done', r)
        shares = {p: round(cpu_share(site.pid(p), 2), 3) for p in ('sse', 'longpoll', 'publish')}
        tap.ok(max(shares.values()) < 0.2, 'nobody spins', shares)
        tap.equal(follower.connects, 1, 'who is held stays')
        longpoll.close()
        stream.close()

        # The header too: nothing can be opened any more.
        pid = site.pid('poll')
        with open(site.db, 'r+b') as f:
            f.write(b'\x5a' * 4096 * 12)
        os.kill(pid, signal.SIGKILL)
        words = ('not a database', 'malformed')
        with contextlib.suppress(Failure):
            wait_for(lambda: any(w in site.programs_log().split('poll[%d]' % pid)[-1]
                                 for w in words), 10, 'a line')
        log = [l for l in site.programs_log().splitlines()
               if l.startswith('poll[') and any(w in l for w in words)]
        tap.ok(log and site.db in log[-1], 'at its start a program says what is wrong', log[-3:])
        done = subprocess.run([os.path.join(BUILD, 'tools', 'tidings'), '-c', site.conf, 'epoch'],
                              capture_output=True, text=True)
        tap.ok(done.returncode == 1 and site.db in done.stderr, 'so does the command line', done)
        tap.ok(cpu_share(site.supervisor.pid, 1) < 0.2 and site.supervisor.poll() is None,
               'the supervisor waits between its tries')
        began = len(site.programs_log().splitlines())

        for suffix in ('-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(site.db + suffix)
        os.rename(copy, site.db)
        with contextlib.suppress(Failure):
            wait_for(lambda: site.get('/push/poll?channel=a', timeout=40).status == 200, 40, '200')
        r = site.get('/push/poll?channel=a&since=earliest')
        tap.ok(r.status == 200 and r.json['messages'][0]['data'] == 'first',
               'a good file: reading works again', r)
        with contextlib.suppress(Failure):
            wait_for(lambda: site.post('/push/publish?channel=a', 'again').status == 201, 10, '201')
        with contextlib.suppress(Failure):
            follower.wait_data('again')
        tap.equal(follower.data[-2:], ['first', 'again'], 'and so does everything else')
        tap.ok(follower.resets and follower.connects == 1, 'on the stream that was held',
               follower.resets, follower.connects)
        follower.stop()
        with contextlib.suppress(Failure):
            wait_for(lambda: all(alive(site.pid(p)) for p in PROGRAMS), 40, 'all programs')
        tap.note('%d lines in the log' % began)
        tap.ok(began < 300, 'the log is not flooded', began)


run(main)
