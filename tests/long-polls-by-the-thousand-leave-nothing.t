#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# long-polls-by-the-thousand-leave-nothing.t - of ten thousand long polls that are
# answered, time out, are refused or are given up, by FastCGI and handed over,
# nothing is left in the program: no memory, no descriptor, no client.  A leak for
# each operation was seen by no test.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, descriptors, private_kb, record
from fake_httpd import Link

ROUND, ROUNDS = 2500, 5
FORM = {'CONTENT_TYPE': 'application/x-www-form-urlencoded'}


def ways(n):
    """What the n-th of them asks, and how its answer begins; None: it leaves."""
    names = '&'.join('channel=some-name-%d-%d' % (n, i) for i in range(20))
    return [
        ('channel=a&since=-1&wait=20', 'GET', b'', {}, b'Status: 200'),
        ('channel=a&wait=0', 'GET', b'', {}, b'Status: 200'),
        (names + '&wait=0', 'GET', b'', {'HTTP_IF_NONE_MATCH': '*'}, b'Status: 304'),
        ('channel=a&since=-1&format=text', 'GET', b'', {}, b'Status: 200'),
        ('', 'POST', (names + '&since=elsewhere-1').encode(), FORM, b'Status: 200'),
        ('channel=a&since=x', 'GET', b'', {}, b'Status: 400'),
        ('channel=a', 'POST', b'x' * 100000, FORM, b'Status: 413'),
        ('prefix=b%d&wait=20' % n, 'GET', b'', {'HTTP_X': 'y' * 2000}, None),
    ]


def one(peers, path, n):
    query, method, body, extra, want = ways(n)[n % 8]
    keep = want is not None and n % 3 > 0
    peer = peers.pop() if peers and keep else FcgiPeer(path)
    peer.out, peer.records = b'', []
    peer.send(peer.request(query, method, body, keep=keep, extra=extra))
    if want is None:
        peer.close()
        return
    end = deadline(20)
    while (3, 1) not in peer.records and not peer.ended and time.monotonic() < end:
        peer.read_some(1)
    if not peer.out.startswith(want):
        raise Failure('%r: %r' % (query[:60], peer.out[:100]))
    if keep:
        peers.append(peer)
    else:
        peer.close()


def main(tap):
    with Site({'retention': {'count': '10'}}) as site:
        pid = site.pid('longpoll')
        path = os.path.join(site.run_dir, 'longpoll.sock')
        site.publish_sql('a', 'x' * 3000)
        sizes, peers = [], []
        with Link(site, 'longpoll') as link:
            for turn in range(ROUNDS):
                for n in range(ROUND):
                    one(peers, path, n)
                    if n % 10 == 0:
                        client = link.hand_over('/push/longpoll?channel=a&since=-1')
                        client.wait('messages') if n % 20 else client.close()
                        client.close()
                    if n % 500 == 0:
                        site.publish_sql('a', 'y' * 3000)
                site.wait_subscribers('a', 0)
                sizes.append(private_kb(pid))
            while peers:
                peers.pop().close()
            idle = descriptors(pid)
        tap.note('%d long polls; KB after each %d: %r' % (ROUND * ROUNDS, ROUND, sizes))
        tap.ok(sizes[-1] <= sizes[1] + 100, 'memory is as after the first thousands', sizes)
        with contextlib.suppress(Failure):
            wait_for(lambda: descriptors(pid) <= 40, 10, 'x')
        tap.ok(descriptors(pid) <= 40, 'no descriptor is left', descriptors(pid), idle)
        status = site.get('/push/status?format=json').json['programs']['longpoll']
        tap.equal(status['clients'], 0, 'and no client')
        tap.equal(site.pid('longpoll'), pid, 'it is the same process')


run(main)
