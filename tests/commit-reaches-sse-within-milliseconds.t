#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# commit-reaches-sse-within-milliseconds.t - from just before the COMMIT of a
# foreign writer, with no doorbell, to bytes at an SSE client behind httpd.  The
# bounds are wide, for busy machines; the numbers are printed.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, RawStream, percentile

ROUNDS = 1000


def measure(commit, sock, rounds):
    """Seconds until the bytes came, and those that commit() itself took."""
    took, own, buf = [], [], b''
    for n in range(rounds):
        # httpd's and our own timers must not fall into step.
        time.sleep(0.001 + n % 7 * 0.0005)
        mark = b'<%d>\n' % n
        t0 = time.monotonic()
        commit('<%d>' % n)
        own.append(time.monotonic() - t0)
        while mark not in buf:
            data = sock.recv(65536)
            if not data:
                raise Failure('the stream ended')
            buf = buf[-32:] + data
        took.append(time.monotonic() - t0)
    return took, own


def main(tap):
    need('sqlite3')
    with Site({'tidings': {'check': '60s'}}) as site:
        def report(name, measured):
            took, own = measured
            tap.note('%s: median %.2f ms, p90 %.2f, p99 %.2f, most %.2f; the call '
                     'of the writer alone: median %.2f, p99 %.2f'
                     % (name, *(percentile(took, p) * 1e3 for p in (50, 90, 99, 100)),
                        percentile(own, 50) * 1e3, percentile(own, 99) * 1e3))
            tap.ok(percentile(took, 50) < 0.020 * PATIENCE, name + ': median < 20 ms')
            tap.ok(percentile(took, 99) < 0.5 * PATIENCE, name + ': p99 < 500 ms')

        with RawStream(site.port, '/push/sse?channel=a') as stream:
            stream.read_head().wait('retry:')
            db = site.connect()
            report('python, through httpd', measure(lambda text: db.execute(
                "INSERT INTO changes(channel, data) VALUES ('a', ?)", (text,)),
                stream.sock, ROUNDS))
            shell = subprocess.Popen(['sqlite3', site.db], stdin=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL)
            shell.stdin.write(b'.timeout 5000\n')

            def by_shell(text):
                shell.stdin.write(b"INSERT INTO changes(channel, data) VALUES "
                                  b"('a', '%s');\n" % text.encode())
                shell.stdin.flush()

            try:
                report('sqlite3 shell, through httpd',
                       measure(by_shell, stream.sock, ROUNDS))
            finally:
                shell.stdin.close()
                shell.wait(10)
        with FcgiPeer(os.path.join(site.run_dir, 'sse.sock')) as peer:
            peer.send(peer.request('channel=a'))
            peer.wait('retry:')
            report('python, on the program\'s socket', measure(lambda text: db.execute(
                "INSERT INTO changes(channel, data) VALUES ('a', ?)", (text,)),
                peer.sock, ROUNDS))
            db.close()


run(main)
