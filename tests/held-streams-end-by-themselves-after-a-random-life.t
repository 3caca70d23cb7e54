#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: SSE and iframe answers end in an orderly way between life_min and
# life_max, not all at once, and the next one goes on from the cursor.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    limits = {'tidings': {'life_min': '300ms', 'life_max': '1200ms'}}
    with Site(settings=limits) as site:
        for program in ('sse', 'iframe'):
            begin = time.monotonic()
            streams = [site.stream('/push/%s?channel=a' % program) for _ in range(16)]
            opened = time.monotonic()
            lives, open_ = [], list(streams)
            end = deadline(20)
            while open_ and time.monotonic() < end:
                for s in list(open_):
                    s.read_some(0.005)
                    if s.ended:
                        lives.append(time.monotonic() - begin)
                        open_.remove(s)
            t.equal(len(lives), 16, program + ': every answer ends')
            t.ok(not any(s.cut for s in streams), program + ': whole, with its last chunk')
            t.ok(lives and min(lives) > 0.28, program + ': not before life_min', lives)
            t.ok(lives and max(lives) - (opened - begin) < 1.2 + 3 * PATIENCE,
                 program + ': not long after life_max', lives)
            t.ok(lives and max(lives) - min(lives) > 0.2, program + ': spread at random', lives)
            for s in streams:
                s.close()
        site.wait_subscribers('a', 0)
        t.ok(True, 'nobody is held any more')

        client = SseClient(site, 'channel=a')
        n, streams, end = 0, 0, deadline(30)
        while streams < 3 and time.monotonic() < end:
            if client.stream is None or client.stream.ended:
                streams += 1
            site.publish_sql('a', str(n))
            n += 1
            client.pump(0.1)
        wait_for(lambda: client.pump() or (client.events and client.events[-1][2] == str(n - 1)),
                 10, 'the last message')
        got = [int(e[2]) for e in client.events]
        t.equal(got, list(range(got[0], n)), 'over three streams nothing is missed or doubled')
        client.close()
        t.ok(site.lives(), 'the programs live')


run(main)
