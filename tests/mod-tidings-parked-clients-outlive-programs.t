#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-parked-clients-outlive-programs.t - programs that are killed and
# stopped while messages come: their clients over TLS end as TLS and the
# WebSocket want it, come back and miss nothing.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from handover_cases import *


def programs(tap, site, followers):
    for sig in (signal.SIGKILL, signal.SIGTERM):
        for program in ('sse', 'iframe', 'longpoll', 'wsd'):
            mine = [f for f in followers if program.rstrip('d') in type(f).__name__.lower()]
            held, before = Held(site), state(mine)
            site.kill(program, sig)
            what = '%s of %s' % (sig.name, program)
            held.ends(tap, what, program, killed=sig == signal.SIGKILL)
            come_back(tap, site, what, mine, before)


def main(tap):
    with HandoverSite(STORM, CHILDREN, tls=True) as site:
        followers = [F(site, tls=True) for F in FOLLOWERS]
        storm = Storm(site)
        wait_for(lambda: all(len(f.got) > 10 for f in followers), 10, 'a beginning')
        programs(tap, site, followers)
        all_of_it(tap, followers, storm.stop())
        tap.ok(wait_for(lambda: site.subscribers('a') + site.subscribers('h') == 0, 15,
                        'the end of all'), 'nobody is held for who is gone')


need(MOD_TIDINGS, 'openssl')
run(main)
