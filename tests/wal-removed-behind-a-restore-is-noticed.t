#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# wal-removed-behind-a-restore-is-noticed.t - who moves a backup over the
# database and only then removes -wal and -shm takes away what the programs
# have opened anew by then: they must notice, and all be on the same file again.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS


def main(tap):
    need('sqlite3')
    with Site() as site:
        copy = os.path.join(site.data_dir, 'backup.db')
        followers = [F(site) for F in FOLLOWERS]
        site.publish_sql('a', 'kept')
        subprocess.run(['sqlite3', site.db, '.backup ' + copy], check=True)
        if os.geteuid() == 0:
            shutil.chown(copy, 'www-data', 'www-data')
        for i in range(10):
            site.publish_sql('a', 'lost %d' % i)
        for f in followers:
            f.wait_data('lost 9')
        os.rename(copy, site.db)
        wait_for(lambda: all(f.resets for f in followers), 10, 'the reset')
        for suffix in ('-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(site.db + suffix)
        wait_for(lambda: site.get('/push/poll?channel=a').status == 200, 5, '200')
        site.publish_sql('a', 'foreign')
        for f in followers:
            with contextlib.suppress(Failure):
                f.wait_data('foreign', 4)
            tap.ok(f.data[-2:] == ['kept', 'foreign'],
                   type(f).__name__[:-8].lower() + ': it gets what is written now',
                   f.got[-3:])
        r = site.post('/push/publish?channel=a', 'by HTTP')
        tap.ok(r.status == 201, 'publishing works', r)
        data = [d for d, in site.sql('SELECT data FROM changes ORDER BY id')]
        tap.equal(data, ['kept', 'foreign', 'by HTTP'], 'all are on one file')
        tap.equal(site.sql('PRAGMA integrity_check'), [('ok',)], 'it is sound')
        for f in followers:
            with contextlib.suppress(Failure):
                f.wait_data('by HTTP', 4)
            tap.equal(f.data[-1:], ['by HTTP'], type(f).__name__[:-8].lower()
                      + ': it gets what is published')
            f.stop()


run(main)
