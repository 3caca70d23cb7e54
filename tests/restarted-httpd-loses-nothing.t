#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# restarted-httpd-loses-nothing.t - httpd restarted gracefully, restarted hard,
# and killed, while messages come: clients of all transports miss nothing.
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS

SETTINGS = {'tidings': {'life_min': '1s', 'life_max': '2s'},
            'retention': {'count': '1000000'}}


def main(tap):
    with Site(SETTINGS) as site:
        followers = [F(site) for F in FOLLOWERS]
        stop = threading.Event()

        def publish():
            db, n = site.connect(), 0
            while not stop.is_set():
                db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)", (n,))
                n += 1
                time.sleep(0.005)
            db.close()

        publisher = threading.Thread(target=publish, daemon=True)
        publisher.start()
        for name, what in (
                ('graceful restart', lambda: site.httpd.send_signal(signal.SIGUSR1)),
                ('hard restart', lambda: site.httpd.send_signal(signal.SIGHUP)),
                ('kill -9', site.kill_httpd),
                ('graceful restart', lambda: site.httpd.send_signal(signal.SIGUSR1))):
            before = [(f.connects, len(f.got)) for f in followers]
            what()
            wait_for(lambda: all(f.connects > c and len(f.got) > n + 20 for f, (c, n)
                                 in zip(followers, before)
                                 # Whose connection outlives that.
                                 if 'Ws' not in type(f).__name__ or
                                 not (site.handover or name == 'graceful restart')),
                     30, 'new connections after a ' + name)
            tap.ok(site.httpd.poll() is None, 'httpd lives after a ' + name)
        stop.set()
        publisher.join()
        site.publish_sql('a', 'last')
        want = [str(d) for d, in site.sql('SELECT data FROM changes ORDER BY id')]
        for f in followers:
            name = type(f).__name__[:-8].lower()
            with contextlib.suppress(Failure):
                f.wait_data('last')
            f.stop()
            tap.ok(f.data == want, name + ': every message once, in order',
                   'got %d, want %d' % (len(f.got), len(want)))
            tap.ok(not f.resets and not f.odd, name + ': no reset', f.resets, f.odd[:3])
        n = wait_for(lambda: site.subscribers('a') == 0, 15, 'no subscriber left')
        tap.ok(n, 'nobody is held for a client that is gone')


run(main)
