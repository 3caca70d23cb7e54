#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-parked-clients-outlive-httpd.t - children of httpd that are replaced,
# restarted and stopped while messages come: clients over TLS end as TLS and the
# WebSocket want it, come back and miss nothing; httpd is not kept waiting.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from handover_cases import *

def children(tap, site, followers):
    for sig in ('SIGUSR1', 'SIGHUP', 'SIGUSR1'):
        held, before, old = Held(site), state(followers), site.httpd_children()
        began = time.monotonic()
        site.httpd.send_signal(getattr(signal, sig))
        if sig == 'SIGUSR1':
            held.ends(tap, 'graceful restart')
        wait_for(lambda: not any(map(alive, old)), GRACE, 'the end of the old children')
        tap.ok(True, '%s: the old children end in %.1f s' % (sig, time.monotonic() - began))
        come_back(tap, site, sig, followers, before)
    held, before = Held(site), state(followers)
    pids, began = family(site.httpd.pid), time.monotonic()
    site.httpd.send_signal(signal.SIGWINCH)
    held.ends(tap, 'graceful stop')
    site.httpd.wait(GRACE * PATIENCE)
    wait_for(lambda: not any(map(alive, pids)), GRACE, 'the end of httpd')
    tap.ok(True, 'graceful stop: httpd ends in %.1f s' % (time.monotonic() - began))
    site.children.remove(site.httpd)
    ports = site.port, site.tls_port
    site.start_httpd()
    if (site.port, site.tls_port) != ports:
        raise Failure('the port of httpd went to somebody else')
    come_back(tap, site, 'graceful stop and start', followers, before)


def replaced(tap):
    """Children that end after so many connections, with parked ones of theirs."""
    with HandoverSite(STORM, CHILDREN + 'MaxConnectionsPerChild 40\n', tls=True) as site:
        followers = [F(site, tls=True) for F in FOLLOWERS if 'Poll' not in F.__name__]
        storm = Storm(site)
        seen = set()
        for _ in range(3):
            before = state(followers)
            held = Held(site)
            old = site.httpd_children()
            seen.update(old)
            # A WebSocket that a busy httpd did not park keeps its child.
            end = deadline(60)
            while set(site.httpd_children()) & set(old) and \
                    max(map(alive, old)) and time.monotonic() < end:
                with contextlib.suppress(OSError):
                    site.get('/')
                time.sleep(0.01)
            held.ends(tap, 'a child that is replaced')
            come_back(tap, site, 'a child that is replaced', followers, before)
        want = storm.stop()
        all_of_it(tap, followers, want)
        tap.ok(len(seen) >= 3, '%d children came and went' % len(seen))


def main(tap):
    with HandoverSite(STORM, CHILDREN, tls=True) as site:
        followers = [F(site, tls=True) for F in FOLLOWERS]
        storm = Storm(site)
        wait_for(lambda: all(len(f.got) > 10 for f in followers), 10, 'a beginning')
        children(tap, site, followers)
        all_of_it(tap, followers, storm.stop())
        ways = at_last(lambda: {line.split()[0] for line in site.lines('ways.log')
                                if '/push/sse' in line or '/push/ws' in line},
                       lambda ways: PARKED in ways)
        tap.ok(PARKED in ways, 'they were parked', ways)
        tap.ok(wait_for(lambda: site.subscribers('a') + site.subscribers('h') == 0, 15,
                        'the end of all'), 'nobody is held for who is gone')
    replaced(tap)


need(MOD_TIDINGS, 'openssl')
run(main)
