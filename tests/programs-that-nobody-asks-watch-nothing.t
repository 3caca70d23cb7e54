#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# programs-that-nobody-asks-watch-nothing.t - each watch of the database costs every
# writer something and each wake its program: without clients there is none but
# wsd's; it comes with the first client, who misses nothing of what is committed in
# the meantime, and a file that was put in place is found by the next request.
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def watches(site, program):
    """Folders that a process watches by inotify."""
    n, pid = 0, site.pid(program)
    for fd in os.listdir('/proc/%d/fdinfo' % pid):
        with contextlib.suppress(FileNotFoundError):
            with open('/proc/%d/fdinfo/%s' % (pid, fd)) as f:
                n += sum(line.startswith('inotify wd:') for line in f)
    return n


def main(tap):
    with Site({'tidings': {'check': '300ms'}}) as site:
        for program in PROGRAMS:
            wait_for(lambda: watches(site, program) == 0, 10, 'the rest of ' + program)
        tap.ok(True, 'without clients nobody watches')
        tap.equal(watches(site, 'wsd'), 1, 'but wsd, for all')
        stop = threading.Event()

        def publish():
            conn, n = site.connect(), 0
            while not stop.is_set():
                conn.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)", ('<%d>' % n,))
                n += 1
                time.sleep(0.001)
            conn.close()
        thread = threading.Thread(target=publish)
        thread.start()
        bad = []
        try:
            for _ in range(5):
                wait_for(lambda: watches(site, 'sse') == 0, 10, 'the rest of sse')
                with site.stream('/push/sse?channel=a&since=latest') as s:
                    s.wait('<')
                    first = int(s.buf.split(b'data: <')[1].split(b'>')[0])
                    s.wait('<%d>' % (first + 50))
                    got = [int(x.split(b'>')[0]) for x in s.buf.split(b'data: <')[1:]
                           if b'>' in x]
                    if got != list(range(first, first + len(got))):
                        bad.append(got[:60])
                    tap.equal(watches(site, 'sse'), 1, 'one client: sse watches')
                wait_for(lambda: site.subscribers('a') == 0, 30, 'no client')
        finally:
            stop.set()
            thread.join()
        tap.equal(bad, [], 'who comes in the midst of a storm misses nothing')
        wait_for(lambda: watches(site, 'poll') == 0, 10, 'the rest of poll')
        site.publish_sql('b', 'here')
        r = site.get('/push/poll?channel=b&since=earliest')
        tap.ok('here' in r.text, 'a poll sees what was committed just now', r)
        # Another file under the same name, and no event for those who rest.
        other = os.path.join(site.data_dir, 'other.db')
        with contextlib.closing(sqlite3.connect(site.db)) as old, \
                contextlib.closing(sqlite3.connect(other)) as new:
            old.backup(new)
            new.execute("INSERT INTO changes(channel, data) VALUES ('b', 'of the other')")
            new.commit()
        if os.geteuid() == 0:
            shutil.chown(other, 'www-data', 'www-data')
        os.rename(other, site.db)
        for suffix in ('-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(site.db + suffix)
        r = at_last(lambda: site.get('/push/poll?channel=b&since=earliest'),
                    lambda r: r.status != 503)
        tap.ok('of the other' in r.text, 'and a file that was put in its place', r)
        tap.ok(site.lives(), 'the programs live')


run(main)
