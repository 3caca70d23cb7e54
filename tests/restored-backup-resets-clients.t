#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# restored-backup-resets-clients.t - the database file is replaced by a backup,
# with its -wal removed or left lying, while programs run and while they are
# stopped: the epoch changes, clients are told of a reset and get what is kept,
# publishing goes to the new file.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS, is_503


def backup(site, path):
    subprocess.run(['sqlite3', site.db, '.backup ' + path], check=True)
    if os.geteuid() == 0:
        shutil.chown(path, 'www-data', 'www-data')
    os.chmod(path, 0o660)


def epoch(site):
    return site.tidings('epoch').split('-')[0]


def rows(site):
    e = epoch(site)
    return [('%s-%d' % (e, i), d) for i, d in
            site.sql('SELECT id, data FROM changes ORDER BY id')]


def replace(site, copy, leave_wal):
    if not leave_wal:
        for suffix in ('-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(site.db + suffix)
    os.rename(copy, site.db)


def check_followers(tap, site, followers, last, what):
    want = rows(site)
    for f in followers:
        name = '%s, %s' % (what, type(f).__name__[:-8].lower())
        with contextlib.suppress(Failure):
            f.wait_data(last, 15)
        since = f.got[f.resets[-1][0]:] if f.resets else f.got
        tap.ok(f.resets, name + ': it is told of a reset', f.got[-5:])
        tap.ok(since == want, name + ': then it gets what is kept and what is new',
               'got  %r' % since, 'want %r' % want)
        f.resets.clear()


def main(tap):
    need('sqlite3')
    with Site() as site:
        copy = os.path.join(site.data_dir, 'backup.db')
        followers = [F(site) for F in FOLLOWERS]
        for i in range(5):
            site.publish_sql('a', 'kept %d' % i)
        for turn, leave_wal in enumerate((False, True, True)):
            what = 'running, -wal %s' % ('left lying' if leave_wal else 'removed')
            backup(site, copy)
            for i in range(30):
                site.publish_sql('a', 'lost %d.%d' % (turn, i))
            for f in followers:
                f.wait_data('lost %d.29' % turn)
            etag = site.get('/push/poll?channel=a').headers['ETag']
            old = epoch(site)
            replace(site, copy, leave_wal)
            # Who publishes at once must not be told 201 for the old file.
            r = None
            def published():
                nonlocal r
                r = site.post('/push/publish?channel=a', 'new %d' % turn)
                return r.status == 201
            with contextlib.suppress(Failure):
                wait_for(published, 10, '201')
            tap.ok(r.status == 201 and r.json['id'].split('-')[0] != old,
                   what + ': it is published in a new epoch', r)
            wait_for(lambda: epoch(site) != old, 10, 'a new epoch')
            tap.equal(site.sql("PRAGMA integrity_check"), [('ok',)],
                      what + ': the file is sound')
            tap.equal(site.sql("SELECT data FROM changes WHERE data LIKE 'lost %d.%%'"
                               % turn), [], what + ': what was lost is lost')
            site.publish_sql('a', 'foreign %d' % turn)
            check_followers(tap, site, followers, 'foreign %d' % turn, what)
            r = site.get('/push/poll?channel=a', {'If-None-Match': etag})
            tap.ok(r.status == 200 and r.json['reset'], what + ': an old ETag is a reset',
                   r)

        # The same while nothing runs.
        backup(site, copy)
        site.publish_sql('a', 'lost for good')
        for f in followers:
            f.wait_data('lost for good')
        old = epoch(site)
        site.supervisor.terminate()
        site.supervisor.wait(20)
        replace(site, copy, True)
        ready = site.programs_log().count(': ready')
        site.spawn_supervisor()
        wait_for(lambda: site.programs_log().count(': ready') >= ready + 7, 15, 'ready')
        tap.ok(epoch(site) != old, 'stopped: the epoch is a new one')
        site.publish_sql('a', 'after the start')
        check_followers(tap, site, followers, 'after the start', 'stopped')

        # A backup that root forgot to hand over.
        if os.geteuid() == 0:
            backup(site, copy)
            os.chown(copy, 0, 0)
            os.chmod(copy, 0o600)
            replace(site, copy, False)
            wait_for(lambda: is_503(site.get('/push/poll?channel=a')), 10, '503')
            r = site.post('/push/publish?channel=a', 'no')
            tap.ok(is_503(r), 'a file that may not be read: publish is refused', r)
            r = site.get('/push/sse?channel=a')
            tap.ok(is_503(r), 'and so are new subscribers', r)
            shutil.chown(site.db, 'www-data', 'www-data')
            os.chmod(site.db, 0o660)
            with contextlib.suppress(Failure):
                wait_for(lambda: site.get('/push/poll?channel=a').status == 200, 10, '200')
            site.publish_sql('a', 'handed over')
            check_followers(tap, site, followers, 'handed over', 'handed over')
        for f in followers:
            f.stop()
            tap.ok(not f.odd, 'nothing odd', f.odd[:3])


run(main)
