#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# locked-database-delays-the-start.t - a process that has the file for itself
# (PRAGMA locking_mode = EXCLUSIVE) when the programs start: the log says so, and
# they start by themselves when it has gone.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import cpu_share


def main(tap):
    with Site(programs=False) as site:
        locker = site.connect()
        locker.execute('PRAGMA locking_mode = EXCLUSIVE')
        locker.execute("INSERT INTO changes(channel, data) VALUES ('a', 'locker')")
        site.spawn_supervisor()
        wait_for(lambda: 'locked' in site.programs_log(), 15, 'a line in the log')
        tap.ok(site.db in site.programs_log(), 'the log names the file and says locked')
        tap.ok(site.supervisor.poll() is None, 'the supervisor stays')
        tap.ok(cpu_share(site.supervisor.pid, 1) < 0.2, 'and does not spin')
        locker.close()
        wait_for(lambda: site.ready_programs() == 7, 30, 'seven programs')
        tap.ok(True, 'all programs start when the lock is gone')
        r = site.get('/push/poll?channel=a&since=earliest')
        tap.equal([m['data'] for m in r.json['messages']], ['locker'], 'and serve')
        r = site.post('/push/publish?channel=a', 'x')
        tap.ok(r.status == 201, 'and take messages', r)


run(main)
