#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# command-line-publishes-prunes-and-checks.t - what `tidings publish`, `prune`,
# `epoch`, `check` and `init` promise.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import SseFollower


def main(tap):
    with Site({'tidings': {'check': '60s'}, 'retention': {'count': '3', 'every': '1d'}}) as site:
        def cli(*args, input=None):
            return subprocess.run([os.path.join(BUILD, 'tools', 'tidings'), '-c', site.conf]
                                  + list(args), capture_output=True, input=input, timeout=30)

        follower = SseFollower(site, cursor='latest')
        site.wait_subscribers('a', 1)
        r = cli('publish', 'a', 'one')
        tap.ok(r.returncode == 0, 'publish', r)
        follower.wait_data('one', 5)
        tap.equal(follower.got[-1][0], r.stdout.decode().strip(), 'it prints the cursor')
        cli('publish', 'a', input='from\nstandard input'.encode())
        follower.wait_data('from\nstandard input', 5)
        first = cli('publish', '-k', 'key', 'a', 'once').stdout
        again = cli('publish', '-k', 'key', 'a', 'once')
        tap.ok(again.returncode == 0 and again.stdout == first, 'a key makes it one', again)
        r = cli('publish', '-e', 'move', '-t', 'application/json', 'a', '{}')
        row = site.sql('SELECT event, content_type, data FROM changes ORDER BY id DESC LIMIT 1')
        tap.equal(row, [('move', 'application/json', '{}')], 'event and type')
        cli('publish', '-t', 'image/png', 'a', input=b'\x89PNG\0')
        row = site.sql('SELECT data FROM changes ORDER BY id DESC LIMIT 1')
        tap.equal(row, [(b'\x89PNG\0',)], 'bytes are stored as bytes')
        for args, word in ((('', 'x'), b'channel'), (('a\nb', 'x'), b'channel'),
                           (('-e', 'tidings.x', 'a', 'x'), b'event'),
                           (('-k', '', 'a', 'x'), b'key'),
                           (('x' * 256, 'x'), b'channel')):
            r = cli('publish', *args)
            tap.ok(r.returncode == 1 and word in r.stderr and r.stderr.count(b'\n') == 1,
                   'publish %.30r: refused with a sentence' % (args,), r)
        r = cli('publish', 'a', input=b'x' * 1100000)
        tap.ok(r.returncode == 1 and b'1048576' in r.stderr, 'too much data is refused', r)
        head = cli('epoch').stdout.decode().strip()
        newest = site.sql('SELECT max(id) FROM changes')[0][0]
        tap.equal(head, '%s-%d' % (site.sql(
            "SELECT value FROM meta WHERE name = 'epoch'")[0][0], newest), 'epoch')
        r = cli('prune')
        tap.ok(r.returncode == 0 and b'removed' in r.stdout, 'prune', r)
        tap.equal(site.sql('SELECT count(*) FROM changes'), [(3,)], 'it keeps what it should')
        r = cli('prune')
        tap.ok(r.returncode == 0 and r.stdout.startswith(b'0 '), 'then there is nothing', r)
        r = cli('init')
        tap.ok(r.returncode == 0 and b'is there' in r.stdout, 'init of what is there', r)
        tap.equal(cli('epoch').stdout.decode().strip(), head, 'changes nothing')
        r = cli('check')
        tap.ok(r.returncode == 0, 'check', r)
        for args in ((), ('nonsense',), ('publish',), ('publish', 'a', 'b', 'c'),
                     ('epoch', 'x'), ('publish', '-Q')):
            r = cli(*args)
            tap.ok(r.returncode == 2 and b'usage:' in r.stderr, 'usage of %r' % (args,), r)
        tap.equal(follower.connects, 1, 'the subscriber was held all the time')
        tap.ok(not follower.resets, 'without a reset')
        follower.stop()


run(main)
