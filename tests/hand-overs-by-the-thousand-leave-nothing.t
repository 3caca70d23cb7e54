#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# hand-overs-by-the-thousand-leave-nothing.t - 20,000 clients come and go by the
# hand-over sockets, handed over and parked, on links that come and go as well:
# no descriptor, no subscriber and no memory is left.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import rss_kb, sockets
from fake_httpd import *

BURST = 250
CHECKED = bool(os.environ.get('TIDINGS_CHECKED'))
ROUNDS = 4 if CHECKED else 10  # of each kind in each program


def how(name):
    return {'headers': websocket_headers()} if name == 'wsd' else {}


def handed_over(site, name):
    """A burst of clients that are answered, and close."""
    target = '/push/%s?channel=a' % ('ws' if name == 'wsd' else name)
    with Link(site, name) as link:
        clients = [link.hand_over(target + ('&since=earliest' if name == 'longpoll' else ''),
                                  pair=socket.socketpair, **how(name)) for _ in range(BURST)]
        for client in clients:
            client.wait('\r\n\r\n')
            client.close()


def parked(site, name):
    """A burst of them, of which some leave and some are left by the link."""
    target = '/push/%s?channel=a' % ('ws' if name == 'wsd' else name)
    with Link(site, name) as link:
        for i in range(BURST):
            link.park(i, target, **how(name))
            link.read_some(0)
        link.wait(lambda: len(link.data) == BURST or name == 'longpoll', 20, 'the heads')
        link.gone(*range(0, BURST, 2))
        link.wait_over(*range(0, BURST, 2))


def main(tap):
    names = ('sse', 'longpoll', 'iframe', 'wsd')
    total = 0
    with Site() as site:
        site.publish_sql('a', 'x')
        # Below, what is made once would count.
        for name in names:
            for _ in range(4):
                handed_over(site, name)
                parked(site, name)
        wait_for(lambda: site.subscribers('a') == 0, 20, 'nobody')
        for name in names:
            pid = site.pid(name)
            wait_for(lambda: sockets(pid) < 40, 20, 'few sockets')
            before, memory = sockets(pid), rss_kb(pid)
            for _ in range(ROUNDS):
                handed_over(site, name)
                parked(site, name)
                total += 2 * BURST
            with contextlib.suppress(Failure):
                wait_for(lambda: site.subscribers('a') == 0, 20, 'nobody')
            tap.equal(site.subscribers('a'), 0, name + ': no subscriber is left')
            with contextlib.suppress(Failure):
                wait_for(lambda: sockets(pid) <= before, 20, 'descriptors')
            tap.ok(sockets(pid) <= before, name + ': no socket', before, sockets(pid))
            grown = rss_kb(pid) - memory
            if not CHECKED:
                tap.ok(grown < 1500, name + ': no memory', '%d KB' % grown)
            tap.note('%s: %d KB more' % (name, grown))
        tap.ok(total >= 4 * 2 * BURST * ROUNDS, '%d clients' % total)
        tap.ok(site.lives(), 'the programs live', site.programs_log()[-1000:])


run(main)
