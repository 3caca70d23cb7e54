#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# hand-overs-without-descriptors-cost-one-client-each.t - a program that has no
# descriptor left for a client that is handed over answers it with 503, however
# many come, and nothing else is lost: the link and who is parked on it stay, it
# does not spin, and goes on when there is room.  They were closed without a byte.
# What else is open as descriptor 3 is not taken for a hand-over socket.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import alive, cpu_share, descriptors, limit_descriptors
from fake_httpd import *

LIMIT = 48
SSE = os.path.join('cgi-bin', 'sse')


def short_of(tap, site):
    path = os.path.join(site.dir, 'own.sock')
    child = site.spawn([os.path.join(reachable_build(), SSE), '-c', site.conf,
                        '-l', 'unix:' + path], preexec_fn=limit_descriptors(LIMIT))
    wait_for(lambda: os.path.exists(path + '.handover'), 10, 'the socket')
    with Link(site, '', path=path + '.handover') as link:
        link.park(0, '/push/sse?channel=a')
        link.wait_data(0, 'retry:')
        clients, refused = [], []
        for _ in range(60):
            client = link.hand_over('/push/sse?channel=a')
            wait_for(lambda: client.ended or b'retry:' in client.buf or b'"site"' in client.buf
                     or client.read_some(0.5) and False, 10, 'an answer')
            (clients if b'retry:' in client.buf else refused).append(client)
        tap.ok(len(clients) > 8, 'it is full', len(clients))
        tap.ok(all(b' 503 ' in c.buf and b'Retry-After: ' in c.buf for c in refused),
               'who does not fit in gets a 503', *[c.buf for c in refused][:3])
        crowd = [link.hand_over('/push/sse?channel=a') for _ in range(60)]
        for client in crowd:
            with contextlib.suppress(Failure):
                client.wait('site":', 5)
        tap.equal(sum(b' 503 ' in c.buf for c in crowd), 60, 'a crowd as well')
        for client in refused + crowd:
            client.close()
        # Nor does what needs none find the link closed.
        link.park(1, '/push/sse?channel=a')
        link.wait_data(1, 'retry:')
        share = cpu_share(child.pid, 1.0)
        tap.ok(share < 0.2, 'it does not spin', share)
        site.publish_sql('a', 'to all')
        link.wait_data(0, 'to all')
        for client in clients:
            client.wait('to all')
        tap.ok(True, 'those that it has are served, the parked one by the same link')
        clients.pop().close()

        def room():
            client = link.hand_over('/push/sse?channel=a')
            with contextlib.suppress(Failure):
                client.wait('retry:', 0.5)
                return client
        again = wait_for(room, 10, 'room', 0.1)
        tap.ok(True, 'there is room again')
        for client in clients + [again]:
            client.close()
    log = [l for l in site.programs_log().splitlines() if 'out of descriptors' in l]
    tap.ok(not log, 'nobody was lost', *log)
    child.terminate()
    tap.equal(child.wait(10 * PATIENCE), 0, 'it stops')


def wsd(tap, site):
    """The same of WebSockets."""
    path = os.path.join(site.dir, 'ws.sock')
    child = site.spawn([os.path.join(reachable_build(), 'daemon', 'wsd'), '-c', site.conf,
                        '-l', 'unix:' + path], preexec_fn=limit_descriptors(LIMIT))
    wait_for(lambda: os.path.exists(path + '.handover'), 10, 'the socket')
    with Link(site, '', path=path + '.handover') as link:
        clients = [link.hand_over('/push/ws?channel=a', headers=websocket_headers())
                   for _ in range(90)]
        for client in clients:
            wait_for(lambda: client.ended or b'\r\n\r\n' in client.buf
                     or client.read_some(0.5) and False, 10, 'an answer')
        opened = sum(b' 101 ' in c.buf for c in clients)
        refused = sum(b' 503 ' in c.buf and b'Retry-After: ' in c.buf for c in clients)
        tap.ok(opened > 5 and opened + refused == 90 and descriptors(child.pid) < LIMIT,
               'wsd: who does not fit in gets a 503', opened, refused)
        for client in clients:
            client.close()
    child.terminate()
    tap.equal(child.wait(10 * PATIENCE), 0, 'wsd: it stops')


def stray(tap, site):
    """Standard input is the socket; what is 3 is somebody else's."""
    path = os.path.join(site.dir, 'given.sock')
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    r, w = os.pipe()
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stream = socket.socket(socket.AF_UNIX)
    stream.bind(path + '2')
    stream.listen()
    for what, fd in (('a pipe', r), ('a connection', pair[0].fileno()),
                     ('a listening stream socket', stream.fileno())):
        def as_three(fd=fd):
            os.dup2(fd, 3)
            os.set_inheritable(3, True)
        n = site.programs_log().count('ready')
        child = site.spawn([os.path.join(reachable_build(), SSE), '-c', site.conf],
                           stdin=listener, preexec_fn=as_three, close_fds=False)
        wait_for(lambda: site.programs_log().count('ready') > n, 10, 'ready')
        pair[1].send(packet(HELLO, data=GREETING))
        tap.ok(alive(child.pid), what + ' as descriptor 3 is left alone')
        child.terminate()
        tap.equal(child.wait(10 * PATIENCE), 0, 'and it runs')
    os.close(w)


def main(tap):
    with Site() as site:
        short_of(tap, site)
        wsd(tap, site)
        stray(tap, site)


run(main)
