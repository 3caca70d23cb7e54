#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# missing-database-comes-back.t - the database file is taken away while programs
# run: requests are refused with 503 and Retry-After, held clients stay; when it
# is there again everything goes on without a restart, and a file that was only
# moved aside for a while has lost nothing.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS, cpu_share, is_503

FILES = ('', '-wal', '-shm')


def check_refusals(tap, site, what):
    for name, ask in (
            ('poll', lambda: site.get('/push/poll?channel=a')),
            ('longpoll', lambda: site.get('/push/longpoll?channel=a&wait=1')),
            ('sse', lambda: site.get('/push/sse?channel=a')),
            ('iframe', lambda: site.get('/push/iframe?channel=a')),
            ('publish', lambda: site.post('/push/publish?channel=a', 'x')),
            ('channel info', lambda: site.get('/push/publish?channel=a'))):
        # poll may have looked a moment ago, but it must notice by itself.
        with contextlib.suppress(Failure):
            wait_for(lambda: ask().status == 503, 5, '503')
        r = ask()
        tap.ok(is_503(r), '%s: %s is refused' % (what, name), r, r.headers)
    share = {p: cpu_share(site.pid(p), 0.4) for p in ('sse', 'wsd', 'publish')}
    tap.ok(max(share.values()) < 0.3, what + ': nobody spins', share)


def check_served(tap, site, followers, what):
    with contextlib.suppress(Failure):
        wait_for(lambda: site.get('/push/poll?channel=a').status == 200, 10, '200')
    with contextlib.suppress(Failure):
        wait_for(lambda: site.post('/push/publish?channel=a', 'back: ' + what)
                 .status == 201, 10, '201')
    rows = site.sql('SELECT data FROM changes ORDER BY id')
    for f in followers:
        name = '%s, %s' % (what, type(f).__name__[:-8].lower())
        with contextlib.suppress(Failure):
            f.wait_data('back: ' + what)
        since = f.got[f.resets[-1][0]:] if f.resets else f.got
        tap.ok([d for _, d in since] == [d for d, in rows],
               name + ': it has all that is kept', since[-5:], rows[-5:])


def main(tap):
    with Site({'tidings': {'heartbeat': '300ms'}}) as site:
        pids = {p: site.pid(p) for p in PROGRAMS + ('wsd',)}
        followers = [F(site) for F in FOLLOWERS]
        away = os.path.join(site.dir, 'away')
        # All of it is still in the -wal when the file goes.
        db = site.connect()
        db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        for i in range(10):
            db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)",
                       ('kept %d' % i,))
        db.close()
        for f in followers:
            f.wait_data('kept 9')
        connects = [f.connects for f in followers]

        os.rename(site.db, away)
        check_refusals(tap, site, 'moved aside')
        os.rename(away, site.db)
        check_served(tap, site, followers, 'moved aside')
        data = [d for d, in site.sql('SELECT data FROM changes ORDER BY id')]
        tap.equal(data[:10], ['kept %d' % i for i in range(10)],
                  'moved aside: nothing that was committed is lost')
        for f, n in zip(followers, connects):
            if type(f).__name__ in ('SseFollower', 'IframeFollower', 'WsFollower'):
                tap.equal(f.connects, n, 'moved aside, %s: it was held all the time'
                          % type(f).__name__[:-8].lower())

        site.sql('PRAGMA wal_checkpoint(TRUNCATE)')
        shutil.copy2(site.db, away)
        if os.geteuid() == 0:
            shutil.chown(away, 'www-data', 'www-data')
        for suffix in FILES:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(site.db + suffix)
        check_refusals(tap, site, 'deleted')
        os.rename(away, site.db)
        check_served(tap, site, followers, 'deleted')

        for suffix in FILES:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(site.db + suffix)
        wait_for(lambda: site.get('/push/poll?channel=a').status == 503, 5, '503')
        site.tidings('init')
        check_served(tap, site, followers, 'made anew')

        tap.equal({p: site.pid(p) for p in pids}, pids, 'nothing was restarted')
        for f in followers:
            f.stop()
            tap.ok(not f.odd, 'nothing odd', f.odd[:3])


run(main)
