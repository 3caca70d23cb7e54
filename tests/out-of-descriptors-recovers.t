#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# out-of-descriptors-recovers.t - more clients than a program may have
# descriptors: it lives, does not spin, serves those it has, and takes the others
# when some leave.
import os
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import (FcgiPeer, WebSocket, alive, cpu_share, descriptors,
                             limit_descriptors)

LIMIT, CLIENTS = 48, 65


def main(tap):
    with Site() as site:
        def check(name, child, connect, ready):
            wait_for(ready, 10, name + ' to listen')
            clients = [connect() for _ in range(CLIENTS)]

            def held():
                return sum(1 for c in clients if got_head(c))

            with contextlib.suppress(Failure):
                wait_for(lambda: descriptors(child.pid) >= LIMIT, 5, 'the limit')
            tap.ok(descriptors(child.pid) >= LIMIT - 1, name + ': it has run out',
                   descriptors(child.pid))
            share = cpu_share(child.pid, 1.5)
            tap.ok(share < 0.2, name + ': it does not spin', share)
            first = held()
            tap.ok(10 < first < CLIENTS, name + ': it holds as many as it can', first)
            site.publish_sql('a', name + ' full')
            got = sum(1 for c in clients if got_text(c, name + ' full', 3))
            tap.ok(got >= first, name + ': and serves them', got)
            # Others write through them, WAL reset included.
            site.sql('PRAGMA wal_checkpoint(TRUNCATE)')
            site.publish_sql('a', name + ' again')
            got = sum(1 for c in clients if got_text(c, name + ' again', 3))
            tap.ok(got >= first, name + ': through a checkpoint', got)
            for c in [c for c in clients if got_head(c)]:
                c.close()
                clients.remove(c)
            with contextlib.suppress(Failure):
                wait_for(lambda: held() >= len(clients), 10, 'the others')
            tap.equal(held(), len(clients), name + ': the others are taken as they leave')
            site.publish_sql('a', name + ' later')
            got = sum(1 for c in clients if got_text(c, name + ' later', 5))
            tap.equal(got, len(clients), name + ': and served')
            for c in clients:
                c.close()
            tap.ok(alive(child.pid), name + ': it lives')
            child.terminate()
            tap.equal(child.wait(10), 0, name + ': and ends as it should')

        # One look at each client takes no time where nothing comes.
        def got_head(c):
            if isinstance(c, FcgiPeer):
                c.read_some(0.002)
                return b'retry:' in c.out
            if b'\r\n\r\n' not in c.buf and not c.head:
                c.seen = c.read(0.002)
            return b' 101 ' in c.buf or bool(c.head)

        def got_text(c, text, seconds):
            if not got_head(c):
                return False
            with contextlib.suppress(Failure):
                if isinstance(c, FcgiPeer):
                    c.wait(text, seconds)
                    return True
                end = time.monotonic() + seconds
                while text.encode() not in c.raw() and time.monotonic() < end:
                    c.more(end - time.monotonic())
                return text.encode() in c.raw()

        path = os.path.join(site.dir, 'few.sock')
        sse = site.spawn([os.path.join(BUILD, 'cgi-bin', 'sse'), '-c', site.conf,
                          '-l', 'unix:' + path], preexec_fn=limit_descriptors(LIMIT))

        def peer():
            p = FcgiPeer(path)
            p.send(p.request('channel=a'))
            return p

        def listens():
            with contextlib.suppress(OSError):
                FcgiPeer(path).sock.close()
                return True

        check('sse', sse, peer, listens)

        class LateWs(WebSocket):
            """Bytes as they come: the handshake may be answered much later."""

            def __init__(self, port):
                super().__init__(port, shake=False)
                self.sock.sendall(self.request)

            def raw(self):
                return self.buf

            def more(self, seconds):
                if select.select([self.sock], [], [], max(0, seconds))[0]:
                    with contextlib.suppress(OSError):
                        self.buf += self.sock.recv(65536)

            def read(self, seconds):
                self.more(seconds)

        port = free_port()
        wsd = site.spawn([os.path.join(BUILD, 'daemon', 'wsd'), '-c', site.conf,
                          '-l', '127.0.0.1:%d' % port],
                         preexec_fn=limit_descriptors(LIMIT))

        def listens():
            with contextlib.suppress(OSError):
                socket.create_connection(('127.0.0.1', port), 1).close()
                return True

        check('wsd', wsd, lambda: LateWs(port), listens)


run(main)
