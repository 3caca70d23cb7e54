#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# a-crowd-gets-the-same-with-and-without-io-uring.t - clients by FastCGI, handed
# over and on WebSockets, enough of them that they are written to in batches:
# each gets each message once and in order, some of them gone or slow.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from fake_httpd import Link
from tidings_test import *
from tidings_clients import FcgiPeer, WebSocket

CROWD, MESSAGES = 40, 30
FILL = 'x' * 100000


def has_ring(pid):
    def name(fd):
        with contextlib.suppress(OSError):
            return os.readlink('/proc/%d/fd/%s' % (pid, fd))
        return ''
    return any('io_uring' in name(fd) for fd in os.listdir('/proc/%d/fd' % pid))


def workers(pid):
    """Threads that the kernel has made to wait in our place."""
    found = []
    for task in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/comm' % (pid, task)) as f:
            found += [line for line in f if line.startswith('iou-')]
    return found


def numbers(text):
    return [int(word.split(b'.')[0]) for word in text.split(b'number ')[1:]]


def one_run(tap, setting):
    with Site({'tidings': {'io_uring': setting}}) as site:
        link = Link(site, 'sse')
        handed = [link.hand_over('/push/sse?channel=a') for _ in range(CROWD)]
        sockets = [WebSocket(site.ws_port) for _ in range(CROWD)]
        peers = [FcgiPeer(os.path.join(site.run_dir, 'sse.sock')) for _ in range(CROWD)]
        for peer in peers:
            peer.send(peer.request('channel=a'))
        site.wait_subscribers('a', 3 * CROWD)
        goers = handed[:5] + sockets[:5] + peers[:5]
        db = site.connect()
        for i in range(MESSAGES):
            # The large ones do not fit into every socket.
            db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)",
                       ('number %d.%s' % (i, FILL if i % 6 == 3 else ''),))
            if i == MESSAGES // 2:
                for goer in goers:
                    goer.close()
        db.close()
        last, all_of = 'number %d.' % (MESSAGES - 1), list(range(MESSAGES))
        for client in handed[5:]:
            client.wait(last)
        for peer in peers[5:]:
            peer.wait(last)
        for ws in sockets[5:]:
            while last.encode() not in ws.buf:
                data = ws.sock.recv(1 << 18)
                if not data:
                    raise Failure('a WebSocket ended early')
                ws.buf += data
        for name, got in (('handed over', [c.body for c in handed[5:]]),
                          ('FastCGI', [p.out for p in peers[5:]]),
                          ('WebSockets', [w.buf for w in sockets[5:]])):
            tap.ok(all(numbers(text) == all_of for text in got),
                   'io_uring = %s, %s: all is there once, in order' % (setting, name),
                   [numbers(text) for text in got if numbers(text) != all_of][:1])
        site.wait_subscribers('a', 3 * CROWD - len(goers))
        rings = [has_ring(site.pid(p)) for p in ('sse', 'wsd')]
        tap.equal(workers(site.pid('sse')) + workers(site.pid('wsd')), [],
                  'io_uring = %s: no thread of the kernel waits for us' % setting)
        for client in handed[5:] + sockets[5:] + peers[5:]:
            client.close()
        link.close()
        return rings


def main(tap):
    tap.equal(one_run(tap, 'no'), [False, False], 'io_uring = no: there is none')
    rings = one_run(tap, 'yes')
    # This kernel, or whoever confines us, may not give us any.
    tap.equal(rings[0], rings[1], 'io_uring = yes: all programs or none have it')
    tap.note('io_uring = yes: %s' % ('it is used' if rings[0] else 'it is not to be had'))


run(main)
