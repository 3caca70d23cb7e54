#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# out-of-descriptors-recovers.t - more clients than a program may have
# descriptors: those beyond get a 503 with Retry-After, at once, and however many
# they are, because some descriptors are kept for that.  They were left waiting, or
# closed without a byte.  The program lives, does not spin, serves those it has,
# and takes others when some leave; what is low is said as it starts.
import os
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, alive, cpu_share, descriptors, limit_descriptors

LIMIT, CLIENTS = 64, 90


class Held:
    """A visitor: of a program by FastCGI, of wsd by its own port."""

    def __init__(self, connect, request):
        self.sock = connect()
        self.sock.settimeout(10 * PATIENCE)
        with contextlib.suppress(OSError):
            self.sock.sendall(request)
        self.buf, self.ended = b'', False

    def fill(self, seconds=0):
        while not self.ended and select.select([self.sock], [], [], seconds)[0]:
            try:
                data = self.sock.recv(65536)
            except OSError:
                data = b''
            self.buf += data
            self.ended = not data
            if seconds:
                break
        return self.buf

    def has(self, text, seconds):
        end = deadline(seconds)
        while text not in self.fill(0.01):
            if self.ended or time.monotonic() > end:
                return False
        return True

    @property
    def is_held(self):
        return b'retry:' in self.fill() or b' 101 ' in self.buf

    @property
    def is_refused(self):
        return b' 503 ' in self.fill() and b'Retry-After: ' in self.buf and \
            b'problem+json' in self.buf

    def close(self):
        self.sock.close()


def check(tap, site, name, child, visit):
    clients = []
    for _ in range(CLIENTS):
        clients.append(visit())
        wait_for(lambda: clients[-1].is_held or clients[-1].is_refused or clients[-1].ended,
                 10, 'an answer to visitor %d' % len(clients))
    held = [c for c in clients if c.is_held]
    refused = [c for c in clients if c.is_refused]
    tap.ok(10 < len(held) < LIMIT, name + ': it holds as many as it can', len(held))
    tap.equal(len(held) + len(refused), CLIENTS, name + ': all others get their 503')
    tap.ok(descriptors(child.pid) < LIMIT - 2, name + ': descriptors are left',
           descriptors(child.pid))
    # All at once, and nobody closes: the oldest refused make room.
    crowd = [visit() for _ in range(CLIENTS)]
    with contextlib.suppress(Failure):
        wait_for(lambda: all(c.is_refused for c in crowd), 10, 'the refusals')
    tap.equal(sum(c.is_refused for c in crowd), CLIENTS, name + ': a crowd as well')
    share = cpu_share(child.pid, 1.0)
    tap.ok(share < 0.2, name + ': it does not spin', share)
    for c in refused + crowd:
        c.close()
    for text in ('full', 'again'):
        site.publish_sql('a', '%s %s' % (name, text))
        tap.ok(all(c.has(b'%s %s' % (name.encode(), text.encode()), 5) for c in held),
               name + ': it serves those it has')
        # Others write through them, WAL reset included.
        site.sql('PRAGMA wal_checkpoint(TRUNCATE)')
    for c in held:
        c.close()

    def again():
        c = visit()
        c.has(b'\r\n\r\n', 5)
        clients.append(c)
        return c.is_held
    wait_for(again, 10, 'room', 0.1)
    tap.ok(True, name + ': others are taken as they leave')
    site.publish_sql('a', name + ' later')
    tap.ok(clients[-1].has(name.encode() + b' later', 5), name + ': and served')
    for c in clients:
        c.close()
    tap.ok(alive(child.pid), name + ': it lives')
    child.terminate()
    tap.equal(child.wait(10 * PATIENCE), 0, name + ': and ends as it should')


def kept_connections(tap, site):
    """Idle ones of a web server's pool keep nobody out."""
    path = os.path.join(site.dir, 'poll.sock')
    child = site.spawn([os.path.join(BUILD, 'cgi-bin', 'poll'), '-c', site.conf,
                        '-l', 'unix:' + path], preexec_fn=limit_descriptors(LIMIT))
    wait_for(lambda: os.path.exists(path), 10, 'the socket')
    peers, good = [], 0
    for _ in range(CLIENTS):
        peer = FcgiPeer(path)
        peer.send(peer.request('channel=a', keep=True))
        with contextlib.suppress(Failure):
            peer.wait('"messages"', 3)
            good += 1
        peers.append(peer)
    tap.equal(good, CLIENTS, 'poll: connections that are kept make room for others')
    peers[-1].out = b''
    peers[-1].send(peer.request('channel=a', keep=True))
    peers[-1].wait('"messages"')
    tap.ok(True, 'poll: the last ones are kept')
    for peer in peers:
        peer.close()
    child.terminate()
    child.wait(10 * PATIENCE)


def main(tap):
    with Site({'tidings': {'max_clients': '500'}}) as site:
        log = site.programs_log()
        tap.ok('limit on open files' not in log, 'nothing is said where there is enough', log)
        path = os.path.join(site.dir, 'few.sock')
        sse = site.spawn([os.path.join(BUILD, 'cgi-bin', 'sse'), '-c', site.conf,
                          '-l', 'unix:' + path], preexec_fn=limit_descriptors(LIMIT))
        wait_for(lambda: 'limit on open files is %d' % LIMIT in site.programs_log(), 10,
                 'the sentence')
        line = [l for l in site.programs_log().splitlines() if 'limit on open files' in l]
        tap.ok(len(line) == 1 and 'max_clients = 500:' in line[0] and
               'LimitNOFILE' in line[0], 'the start says that the limit is low', *line)
        wait_for(lambda: os.path.exists(path), 10, 'the socket')

        def unix():
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            return s
        check(tap, site, 'sse', sse, lambda: Held(unix, FcgiPeer.request('channel=a')))

        port = free_port()
        wsd = site.spawn([os.path.join(BUILD, 'daemon', 'wsd'), '-c', site.conf,
                          '-l', '127.0.0.1:%d' % port],
                         preexec_fn=limit_descriptors(LIMIT))

        def listens():
            with contextlib.suppress(OSError):
                socket.create_connection(('127.0.0.1', port), 1).close()
                return True
        wait_for(listens, 10, 'wsd to listen')
        request = (b'GET /push/ws?channel=a HTTP/1.1\r\nHost: 127.0.0.1\r\n'
                   b'Upgrade: websocket\r\nConnection: Upgrade\r\n'
                   b'Sec-WebSocket-Version: 13\r\n'
                   b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
        check(tap, site, 'wsd', wsd,
              lambda: Held(lambda: socket.create_connection(('127.0.0.1', port)), request))
        kept_connections(tap, site)


run(main)
