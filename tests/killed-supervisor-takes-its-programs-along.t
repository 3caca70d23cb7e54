#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# killed-supervisor-takes-its-programs-along.t - kill -9 of `tidings run` leaves
# no program behind; started again over the stale sockets and pid files it
# works, httpd finds it at once, and nobody missed a message.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS, alive, children_of

ALL = PROGRAMS + ('wsd',)


def main(tap):
    with Site() as site:
        followers = [F(site) for F in FOLLOWERS]
        site.publish_sql('a', 'before')
        for f in followers:
            f.wait_data('before')
        for turn in range(2):
            pids = children_of(site.supervisor.pid)
            tap.equal(len(pids), len(ALL), 'seven programs run')
            site.supervisor.kill()
            site.supervisor.wait()
            with contextlib.suppress(Failure):
                wait_for(lambda: not any(map(alive, pids)), 10, 'their end')
            tap.equal([p for p in pids if alive(p)], [],
                      'no program outlives its supervisor')
            # httpd's wish to spare a dead backend must not outlast it.
            for path in ('poll', 'longpoll', 'sse', 'iframe', 'ws', 'publish'):
                site.get('/push/%s?channel=a' % path)
            site.publish_sql('a', 'away %d' % turn)
            began = time.monotonic()
            ready = site.programs_log().count(': ready')
            site.spawn_supervisor()
            wait_for(lambda: site.programs_log().count(': ready') >= ready + 7,
                     15, 'seven programs')
            for f in followers:
                name = type(f).__name__[:-8].lower()
                with contextlib.suppress(Failure):
                    f.wait_data('away %d' % turn, 15)
                took = (f.at[-1] if f.at else time.monotonic()) - began
                tap.ok(f.data[-1:] == ['away %d' % turn] and took < 5 * PATIENCE,
                       '%s: is served again soon' % name, f.got[-3:],
                       'after %.2f s' % took, f.statuses[-5:])
            wait_for(lambda: site.post('/push/publish?channel=a',
                                       'new %d' % turn).status == 201, 90, '201')
        for f in followers:
            with contextlib.suppress(Failure):
                f.wait_data('new 1', 70)
            f.stop()
            name = type(f).__name__[:-8].lower()
            tap.equal(f.data, ['before', 'away 0', 'new 0', 'away 1', 'new 1'],
                      name + ': everything once, in order')
            tap.ok(not f.resets, name + ': no reset')


run(main)
