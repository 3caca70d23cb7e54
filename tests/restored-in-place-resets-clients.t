#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# restored-in-place-resets-clients.t - `.restore` writes an older state into the
# very same file: ids go back, or an epoch that is over comes back, so there must be
# a new one, once, that never was before, and everybody is told.
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
        for i in range(5):
            site.publish_sql('a', 'kept %d' % i)
        seen = set()
        subprocess.run(['sqlite3', site.db, '.backup ' + copy], check=True)
        for turn in range(3):
            for i in range(20):
                site.publish_sql('a', 'lost %d.%d' % (turn, i))
            for f in followers:
                f.wait_data('lost %d.19' % turn)
            cursor = site.get('/push/poll?channel=a').json['cursor']
            seen.add(cursor.split('-')[0])
            subprocess.run(['sqlite3', site.db, '.timeout 5000', '.restore ' + copy],
                           check=True)
            with contextlib.suppress(Failure):
                wait_for(lambda: site.tidings('epoch').split('-')[0] not in seen, 10,
                         'a new epoch')
            e = site.tidings('epoch').split('-')[0]
            tap.ok(e not in seen, 'the epoch is a new one', e, seen)
            site.publish_sql('a', 'new %d' % turn)
            want = [('%s-%d' % (e, i), d) for i, d in
                    site.sql('SELECT id, data FROM changes ORDER BY id')]
            tap.equal([d for _, d in want],
                      ['kept %d' % i for i in range(5)] + ['new %d' % turn],
                      'the file is what was restored')
            for f in followers:
                name = type(f).__name__[:-8].lower()
                with contextlib.suppress(Failure):
                    f.wait_data('new %d' % turn)
                since = f.got[f.resets[-1][0]:] if f.resets else f.got
                tap.ok(len(f.resets) == 1, name + ': it is told of a reset, once',
                       f.resets, f.got[-5:])
                tap.ok(since == want, name + ': then it gets what is kept and new',
                       'got  %r' % since, 'want %r' % want)
                f.resets.clear()
            r = site.get('/push/poll?channel=a&since=' + cursor).json
            tap.ok(r['reset'], 'a cursor from before is a reset', r)
            tap.equal(site.tidings('epoch').split('-')[0], e, 'the epoch stays then')
        r = site.post('/push/publish?channel=a', 'by HTTP')
        tap.ok(r.status == 201, 'publishing goes on', r)
        for f in followers:
            f.wait_data('by HTTP')
            f.stop()
            tap.ok(not f.resets and not f.odd, 'and is no reset', f.resets, f.odd[:3])


run(main)
