#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# every-commit-wakes-subscribers.t - a commit of a writer that has never heard
# of us must not lie until the next one: 20,000 single commits, alone and in
# small bursts, each burst seen by an SSE client before the next one begins.  The
# safety timer is too slow to hide a watcher that is deaf.
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, percentile

COMMITS = 20000
LATE = 0.4
SETTINGS = {'tidings': {'check': '60s'}, 'retention': {'every': '1d', 'count': '0'}}


def main(tap):
    seed = int(os.environ.get('TIDINGS_SEED', '0')) or random.randrange(1 << 30)
    tap.note('TIDINGS_SEED=%d' % seed)
    rnd = random.Random(seed)
    with Site(SETTINGS) as site, FcgiPeer(
            os.path.join(site.run_dir, 'sse.sock')) as client:
        client.send(client.request('channel=a'))
        client.wait('retry:')
        db = site.connect()
        n, late, took, left = 0, [], [], []
        began = time.monotonic()
        while n < COMMITS and len(left) < 3 and len(late) < 50:
            client.out = client.out[-64:]
            for _ in range(rnd.choice((1, 1, 1, 1, 2, 3))):
                n += 1
                db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)",
                           ('<%d>' % n,))
                if rnd.random() < 0.5:
                    time.sleep(rnd.random() * 0.0003)
            t0 = time.monotonic()
            try:
                client.wait('<%d>' % n, 5)
                took.append(time.monotonic() - t0)
                if took[-1] > LATE * PATIENCE:
                    late.append((n, took[-1]))
            except Failure:
                left.append(n)
            if rnd.random() < 0.4:
                time.sleep(rnd.random() * 0.002)
        db.close()
        tap.ok(n >= COMMITS, '%d commits' % n)
        tap.equal(left, [], 'none was left lying')
        tap.ok(not late, 'none came later than %g s' % LATE, late[:10])
        tap.note('%d waits in %.1f s; behind the commit: median %.2f ms, p99 '
                 '%.2f ms, most %.1f ms'
                 % (len(took), time.monotonic() - began, percentile(took, 50) * 1e3,
                    percentile(took, 99) * 1e3, max(took) * 1e3))
        tap.ok(not client.ended and site.subscribers('a') == 1,
               'it was one stream all the time')


run(main)
