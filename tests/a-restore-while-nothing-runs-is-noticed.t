#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A backup restored in place (.restore keeps the file, so its identity too) while
# no program ran: ids go back, so a cursor could name another message than the
# one that its client had.  The epoch must change all the same.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    need('sqlite3')
    with Site() as site:
        backup = os.path.join(site.dir, 'backup.db')
        site.publish_sql('a', 'one')
        subprocess.run(['sqlite3', site.db, '.backup ' + backup], check=True)
        for i in range(10):
            site.publish_sql('a', 'lost %d' % i)
        cursor = site.get('/push/poll?channel=a&since=earliest').json['cursor']
        site.supervisor.terminate()
        site.supervisor.wait()
        subprocess.run(['sqlite3', site.db, '.restore ' + backup], check=True)
        for i in range(20):
            site.publish_sql('a', 'new %d' % i)
        os.truncate(site.log, 0)
        site.start_programs()
        r = site.get('/push/poll?channel=a&since=' + cursor).json
        t.ok(r['cursor'].split('-')[0] != cursor.split('-')[0], 'there is a new epoch', r)
        t.equal(r['reset'], True, 'the client is told')
        t.equal([m['data'] for m in r['messages']],
                ['one'] + ['new %d' % i for i in range(20)], 'and gets what is kept')


run(main)
