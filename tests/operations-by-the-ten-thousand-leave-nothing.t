#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# What a WebSocket may ask costs nothing once it is answered: publishes with
# echo: false, whose notes no test counted, single, in batches and refused ones,
# subscriptions, and connections that leave in the middle of all that.  Each kind
# is done ten thousand times and ten thousand times again, and the memory of wsd
# that is its own is compared.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import Ops, private_kb, sockets

ROUND, BYTES = 10000, 24  # operations, and less than the smallest allocation for each
SETTINGS = {'retention': {'count': '10', 'every': '100ms'},
            'access': {'publish_key': 'k'}}


def publish(n, **more):
    return dict(dict(op='publish', channel='p', data='d%d' % n, echo=False, ref='ref %d' % n), **more)


KINDS = {
    'muted publishes': lambda n: publish(n),
    'publishes with echo': lambda n: publish(n, echo=True),
    'publishes to nobody': lambda n: publish(n, channel='nobody'),
    'muted batches': lambda n: dict(op='publish', echo=False, messages=[
        {'channel': 'p', 'data': 'x'}, {'channel': 'nobody', 'data': 'y'}]),
    'batches with a wrong one': lambda n: dict(op='publish', echo=False, messages=[
        {'channel': 'p', 'data': 'x'}, {'channel': ''}]),
    'publishes that are known already': lambda n: publish(0, dedup='same'),
    'publishes that the database refuses': lambda n: publish(n, dedup='same'),
    'publishes without data': lambda n: dict(op='publish', channel='p', echo=False),
    'publishes with a wrong key': lambda n: publish(n, key='wrong'),
    'subscriptions': lambda n: (dict(op='subscribe', channel='s', since='earliest') if n % 2
                                else dict(op='unsubscribe', channel='s')),
    'wrong operations': lambda n: dict(op='nothing', ref={'a': [n]}),
    'pings': lambda n: dict(op='ping', ref='r%d' % n),
}


def do(ops, make, n):
    """So many of a kind, some hundred on their way."""
    for at in range(0, n, 200):
        count = min(200, n - at)
        for i in range(count):
            ops.queue(**make(at + i))
        ops.flush(count)
        ops.messages.clear()


def leave(site, n, open_before):
    """Connections that go while their publishes are with the writer."""
    for i in range(n // 50):
        ops = Ops(site.ws_port, '?channel=p')
        for j in range(50):
            ops.queue(**publish(j))
        ops.ws.sock.sendall(ops.out)
        if i % 2:
            ops.ws.reset()
        else:
            ops.ws.close()
    wait_for(lambda: sockets(site.first_pids['wsd']) <= open_before, 20,
             'the connections to be gone')


def grown(site, work):
    """KB that a round like those before it has added; the least of several, as
    what is lost is lost in each of them, and what the heap keeps is not."""
    pid = site.first_pids['wsd']
    work()
    least = 1 << 30
    for _ in range(8):
        before = private_kb(pid)
        work()
        least = min(least, private_kb(pid) - before)
        if least <= ROUND * BYTES // 1024:
            break
    return least


def main(tap):
    with Site(SETTINGS) as site:
        open_before = sockets(site.first_pids['wsd'])
        ops = Ops(site.ws_port, '?channel=p')
        with ops.ws:
            for name, make in KINDS.items():
                kb = grown(site, lambda: do(ops, make, ROUND))
                tap.ok(kb <= ROUND * BYTES // 1024, '%d %s leave nothing' % (ROUND, name),
                       '%d KB' % kb)
        kb = grown(site, lambda: leave(site, ROUND, open_before))
        tap.ok(kb <= ROUND * BYTES // 1024, 'nor do connections that leave with publishes on their way',
               '%d KB' % kb)
        tap.ok(site.lives(), 'the programs live')


run(main)
