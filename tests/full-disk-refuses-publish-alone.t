#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# full-disk-refuses-publish-alone.t - the file system of the database has no
# room: publishing is refused with 503 and Retry-After, subscribers stay and
# reading goes on; when there is room again it works without a restart, and what
# was acknowledged, and only that, is delivered.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import SseFollower, RawStream, cpu_share, is_503


class SmallSite(Site):
    """The database on a file system of 3 MB."""

    def write_conf(self):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=3m,mode=755', 'tmpfs',
                        self.data_dir], check=True, capture_output=True)
        shutil.chown(self.data_dir, 'www-data', 'www-data')
        super().write_conf()

    def close(self):
        self.stop()

    def stop(self):
        # Not the folder, while it is mounted.
        keep, os.environ['TIDINGS_KEEP'] = os.environ.get('TIDINGS_KEEP'), '1'
        super().stop()
        if keep is None:
            del os.environ['TIDINGS_KEEP']
        if getattr(self, 'dir', None):
            subprocess.run(['umount', '-l', self.data_dir], capture_output=True)
            super().stop()


def fill(path):
    with open(path, 'ab', buffering=0) as f:
        with contextlib.suppress(OSError):
            while f.write(b'x' * 4096) == 4096:
                pass


def main(tap):
    need('mount', 'umount')
    if os.geteuid() != 0:
        skip_all('needs root, to mount a small tmpfs')
    site = SmallSite({'tidings': {'heartbeat': '200ms'}, 'retention': {'every': '300ms'}})
    try:
        site.start()
    except subprocess.CalledProcessError as e:
        site.stop()
        skip_all('needs mount of tmpfs: %s' % e.stderr.decode().strip())
    with contextlib.closing(site):
        pids = {p: site.pid(p) for p in PROGRAMS + ('wsd',)}
        follower = SseFollower(site)
        stream = RawStream(site.port, '/push/sse?channel=b').read_head()
        acked, refused = [], []

        def post(n, size=30000):
            text = '%d:%s' % (n, 'x' * size)
            r = site.post('/push/publish?channel=a', text)
            (acked if r.status == 201 else refused).append((text, r))
            return r

        for i in range(5):
            post(i)
        tap.equal(len(acked), 5, 'there is room at first')
        fill(os.path.join(site.data_dir, 'ballast'))
        for i in range(5, 205):
            if post(i).status != 201 and len(refused) >= 10:
                break
        tap.ok(refused and all(is_503(r) for _, r in refused),
               'no room: 503 with Retry-After', refused[:2])
        lines = [l for l in site.programs_log().splitlines()
                 if l.startswith('publish[') and 'database or disk is full' in l]
        tap.ok(1 <= len(lines) <= 4 and site.db in lines[0],
               'the log says so, and not each time', len(refused), lines[:5])
        beats = stream.body.count(b':\n\n')
        with contextlib.suppress(Failure):
            wait_for(lambda: stream.read_some(0.1) is not None and
                     stream.body.count(b':\n\n') > beats + 2, 5, 'heartbeats')
        tap.ok(stream.body.count(b':\n\n') > beats + 2, 'subscribers stay',
               stream.end, stream.body[-100:])
        r = site.get('/push/poll?channel=a&since=earliest')
        tap.ok(r.status == 200 and [m['data'] for m in r.json['messages']]
               == [t for t, _ in acked][:len(r.json['messages'])], 'reading goes on', r)
        with RawStream(site.port, '/push/sse?channel=a&since=earliest') as late:
            late.read_head()
            tap.equal(late.status, 200, 'new subscribers are taken')
            tap.ok(b'data: 0:' in late.wait('data: 0:'), 'and served')
        shares = {p: cpu_share(pids[p], 0.5) for p in ('publish', 'sse', 'wsd')}
        tap.ok(max(shares.values()) < 0.3, 'nobody spins', shares)
        tap.equal({p: site.pid(p) for p in pids}, pids, 'nobody died of it')
        os.unlink(os.path.join(site.data_dir, 'ballast'))
        with contextlib.suppress(Failure):
            wait_for(lambda: post(900, 100).status == 201, 10, '201')
        tap.equal(acked[-1][0][:4], '900:', 'with room again it works, by itself')
        site.publish_sql('a', 'last')
        follower.wait_data('last')
        follower.stop()
        want = [t for t, _ in acked] + ['last']
        tap.ok(follower.data == want and not follower.resets,
               'what was acknowledged is delivered once, and nothing else',
               'got  %r' % [d[:8] for d in follower.data],
               'want %r' % [d[:8] for d in want])
        tap.equal(follower.connects, 1, 'on one stream')
        tap.equal(site.sql('PRAGMA integrity_check'), [('ok',)], 'the file is sound')
        tap.equal({p: site.pid(p) for p in pids}, pids, 'nobody was restarted')
        stream.close()


run(main)
