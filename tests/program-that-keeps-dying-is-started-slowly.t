#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# program-that-keeps-dying-is-started-slowly.t - a program that dies as soon as
# it is started, by exit or by signal, must not become a storm of processes; the
# others are left alone, and it comes back when it may live.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import SseFollower


def main(tap):
    with Site() as site:
        poll = site.pid('poll')
        end, seen = time.monotonic() + 4, set()
        while time.monotonic() < end:
            pid = site.pid('sse')
            if pid not in seen:
                seen.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        tap.ok(len(seen) <= 10, 'killed again and again: few starts in 4 s', len(seen))
        tap.ok(len(seen) >= 2, 'but it is started again', len(seen))
        began = time.monotonic()
        follower = SseFollower(site)
        site.publish_sql('a', 'back')
        with contextlib.suppress(Failure):
            follower.wait_data('back', 35)
        tap.equal(follower.data, ['back'], 'it serves when it may live')
        tap.note('after %.1f s' % (time.monotonic() - began))
        follower.stop()
        tap.equal(site.pid('poll'), poll, 'the others are left alone')


run(main)
