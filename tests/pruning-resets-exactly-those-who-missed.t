#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# pruning-resets-exactly-those-who-missed.t - a client whose cursor lies before
# something that was pruned from one of its channels is told; one that has seen
# it all, and one of other channels, is not.  In every transport.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS

SETTINGS = {'retention': {'every': '100ms', 'count': '10'},
            'retention keep': {'count': '0'}}


def main(tap):
    with Site(SETTINGS) as site:
        for i in range(30):
            site.publish_sql('a', 'a%d' % i)
            site.publish_sql('keep', 'k%d' % i)
        wait_for(lambda: site.sql("SELECT count(*) FROM changes WHERE channel = 'a'")
                 == [(10,)], 10, 'the pruning')
        epoch = site.tidings('epoch').split('-')[0]
        ids = [i for i, in site.sql("SELECT id FROM changes WHERE channel = 'a' ORDER BY id")]
        cut = site.sql("SELECT pruned_id FROM watermarks WHERE channel = 'a'")[0][0]
        tap.ok(cut < ids[0], 'the watermark lies before what is kept', cut, ids)
        kept = ['a%d' % i for i in range(20, 30)]
        k = ['k%d' % i for i in range(30)]
        last = ids[-1] + 1
        rows = [  # query, cursor, reset, what comes
            ('channel=a', cut - 1, True, kept),
            ('channel=a', 0, True, kept),
            ('channel=a', cut, False, kept),
            ('channel=a', ids[0], False, kept[1:]),
            ('channel=keep', 0, False, k),
            ('channel=keep', cut - 1, False, k[19:]),
            ('channel=keep&channel=a', cut - 1, True, None),
            ('channel=keep&channel=a', cut, False, None),
            ('prefix=ke', 0, False, k),
            ('prefix=a', cut - 1, True, kept),
            ('channel=none', 0, False, []),
            ('channel=a', 'earliest', False, kept),
            ('channel=a', '-20', False, kept),
            ('channel=a', last, False, []),
            ('channel=a', last + 1000, True, kept),
        ]
        for query, cursor, reset, want in rows:
            at = cursor if isinstance(cursor, str) else '%s-%d' % (epoch, cursor)
            followers = [F(site, query, at) for F in FOLLOWERS]
            wrong = []
            if want is None:
                e = [d for d, in site.sql("SELECT data FROM changes WHERE channel IN "
                                          "('a', 'keep') AND id > ? ORDER BY id", cursor)]
            else:
                e = want
            for f in followers:
                # Poll and long poll may tell nothing before their second turn.
                with contextlib.suppress(Failure):
                    wait_for(lambda: f.data == e and bool(f.resets) == reset and f.connects,
                             5, 'all', 0.002)
            for f in followers:
                f.stopping = True
            for f in followers:
                f.stop()
                if f.data != e or len(f.resets) != int(reset) or f.odd or \
                        (reset and f.resets[0][0] != 0):
                    wrong.append((type(f).__name__, f.data[:3], len(f.data), f.resets, f.odd))
            tap.ok(not wrong, '%s behind %s: %s' % (query, cursor, 'reset' if reset else
                                                    'no reset'), *wrong)

        # Those who are there all the time see everything and no reset.
        followers = [F(site, 'channel=a', '%s-%d' % (epoch, last)) for F in FOLLOWERS]
        for f in followers:
            wait_for(lambda: f.connects, 10, 'a connection')
        site.publish_sql('a', 'begin')
        for f in followers:
            f.wait_data('begin')
        for i in range(100):
            site.publish_sql('a', 'more %d' % i)
            wait_for(lambda: all(f.data[-1:] == ['more %d' % i] for f in followers), 10,
                     'more', 0.002)
        for f in followers:
            tap.ok(f.data == ['begin'] + ['more %d' % i for i in range(100)] and not f.resets,
                   '%s: who keeps up is never reset' % type(f).__name__, f.resets,
                   len(f.data))
            f.stop()


run(main)
