#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# full-run-folder-kills-nobody.t - /run is a small tmpfs that others fill as
# well: a program must not die of a page of its scoreboard that can't be had.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import RawStream


class SmallSite(Site):
    """Sockets and scoreboards on a file system of 16 MB."""

    def write_conf(self):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=16m,mode=755', 'tmpfs',
                        self.run_dir], check=True, capture_output=True)
        shutil.chown(self.run_dir, 'www-data', 'www-data')
        super().write_conf()

    def close(self):
        self.stop()

    def stop(self):
        keep, os.environ['TIDINGS_KEEP'] = os.environ.get('TIDINGS_KEEP'), '1'
        super().stop()
        if keep is None:
            del os.environ['TIDINGS_KEEP']
        if getattr(self, 'dir', None):
            subprocess.run(['umount', '-l', self.run_dir], capture_output=True)
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
    site = SmallSite()
    try:
        site.start()
    except subprocess.CalledProcessError as e:
        site.stop()
        skip_all('needs mount of tmpfs: %s' % e.stderr.decode().strip())
    with contextlib.closing(site):
        pids = {p: site.pid(p) for p in ('sse', 'publish', 'poll')}
        fill(os.path.join(site.run_dir, 'ballast'))
        streams = []
        for i in range(60):
            with contextlib.suppress(OSError):
                streams.append(RawStream(
                    site.port, '/push/sse?channel=c%d&channel=a' % i).read_head(3))
            if len(streams) <= i:
                break
        site.publish_sql('a', 'all the same')
        got = 0
        for s in streams:
            with contextlib.suppress(Failure):
                s.wait('all the same', 5)
                got += 1
        tap.equal(got, 60, '60 subscribers of 61 channels are held and served')
        r = site.post('/push/publish?channel=a', 'x')
        tap.equal(r.status, 201, 'publishing works')
        tap.equal({p: site.pid(p) for p in pids}, pids, 'nobody died')
        os.kill(site.pid('sse'), signal.SIGKILL)
        for s in streams:
            s.close()
        # Without room a program starts without a scoreboard.
        with RawStream(site.port, '/push/sse?channel=a&since=earliest') as stream:
            stream.read_head()
            tap.ok(b'all the same' in stream.wait('all the same'),
                   'one that starts then serves as well')
        os.unlink(os.path.join(site.run_dir, 'ballast'))
        tap.ok(site.get('/push/status').status == 200, 'and the status is served')


run(main)
