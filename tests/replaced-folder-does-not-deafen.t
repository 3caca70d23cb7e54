#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# replaced-folder-does-not-deafen.t - the whole folder of the database is moved
# away and another one put in its place, as restoring a tree of files does: the
# programs find the new one and hear its writers as soon as before.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import SseFollower, RawStream, percentile


def main(tap):
    need('sqlite3')
    with Site() as site:
        follower = SseFollower(site)
        site.publish_sql('a', 'before')
        follower.wait_data('before')
        other = site.data_dir + '.new'
        os.mkdir(other)
        copy = os.path.join(other, 'tidings.db')
        subprocess.run(['sqlite3', site.db, '.backup ' + copy], check=True)
        if os.geteuid() == 0:
            shutil.chown(other, 'www-data', 'www-data')
            shutil.chown(copy, 'www-data', 'www-data')
        os.rename(site.data_dir, site.data_dir + '.old')
        os.rename(other, site.data_dir)
        wait_for(lambda: follower.resets, 10, 'the reset')
        tap.ok(True, 'clients are told')
        site.publish_sql('a', 'after')
        follower.wait_data('after')
        with RawStream(site.port, '/push/sse?channel=a') as stream:
            stream.read_head().wait('retry:')
            took = []
            for i in range(10):
                t0 = time.monotonic()
                site.publish_sql('a', 'late %d' % i)
                stream.wait('late %d' % i)
                took.append(time.monotonic() - t0)
            tap.ok(percentile(took, 50) < 0.1 * PATIENCE,
                   'writers are heard at once, not by the safety timer',
                   ['%.3f' % t for t in took])
        follower.stop()


run(main)
