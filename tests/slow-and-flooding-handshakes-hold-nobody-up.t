#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# slow-and-flooding-handshakes-hold-nobody-up.t - a thousand connections that say
# nothing or half a handshake, heads that come a byte at a time, heads that are
# too long, have too many headers or never end: each is ended in time, others are
# served meanwhile, and nothing of it stays.
import os
import resource
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket, Witness, descriptors, private_kb

SETTINGS = {'wsd': {'handshake_timeout': '1500ms', 'close_timeout': '300ms'}}
HEAD = WebSocket.make_request(0, '/push/ws?channel=a', None, None)


def connect(port):
    return socket.create_connection(('127.0.0.1', port), 20 * PATIENCE)


def ends(socks, seconds=20):
    """Reads each to its end: what had come; those that never end are missing."""
    left, got, end = {s: b'' for s in socks}, [], deadline(seconds)
    while left and time.monotonic() < end:
        # poll, since select knows no descriptor above 1,023
        poll = select.poll()
        fds = {s.fileno(): s for s in left}
        for fd in fds:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(200):
            s = fds[fd]
            try:
                data = s.recv(65536)
            except OSError:
                data = b''
            left[s] += data
            if not data:
                got.append(left.pop(s))
                s.close()
    for s in left:
        s.close()
    return got


def served(site):
    """A new client, with everything that it asks for."""
    with WebSocket(site.ws_port, '/push/ws/echo') as ws:
        ws.send(1, 'here')
        return ws.status == 101 and ws.read(20) == (1, b'here')


def crawl(site, n):
    """Heads that come a byte at a time, by their own clock; all ends of them."""
    socks, at, end = [connect(site.ws_port) for _ in range(n)], 0, deadline(20)
    left = list(socks)
    while left and time.monotonic() < end and at < len(HEAD) - 1:
        for s in list(left):
            try:
                s.sendall(HEAD[at:at + 1])
                s.setblocking(False)
                if s.recv(1) == b'':
                    left.remove(s)
            except BlockingIOError:
                pass
            except OSError:
                left.remove(s)
            finally:
                s.settimeout(20 * PATIENCE)
        at += 1
        select.select([], [], [], 0.05)
    for s in socks:
        s.close()
    return len(left), at


def flood(site, head, more):
    """Sends it, and goes on as long as it is taken; how many bytes that was."""
    s, sent, end = connect(site.ws_port), len(head), deadline(20)
    try:
        s.sendall(head)
        while time.monotonic() < end:
            if more == b'':
                break
            s.sendall(more)
            sent += len(more)
    except OSError:
        pass
    return s, sent, time.monotonic() < end


def main(tap):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Site(SETTINGS) as site:
        pid = site.pid('wsd')
        witness = Witness(site)
        served(site)
        # Two more may come for good: the ring of io_uring and the doorbell.
        fds = descriptors(pid) + 2

        def check(name, base):
            with contextlib.suppress(Failure):
                wait_for(lambda: descriptors(pid) <= fds and private_kb(pid) < base + 8000,
                         20, 'their end', 0.05)
            kb = private_kb(pid)
            tap.ok(descriptors(pid) <= fds and kb < base + 8000, name + ': nothing of it stays',
                   descriptors(pid) - fds, 'from %d to %d KB' % (base, kb))

        base = private_kb(pid)
        silent = [connect(site.ws_port) for _ in range(1000)]
        for n, s in enumerate(silent):
            s.sendall(HEAD[:n % 3 and n % (len(HEAD) - 2)])
        tap.ok(served(site), '1,000 half-open: another one is served')
        got = ends(silent)
        tap.equal(len(got), 1000, '1,000 half-open: each is ended by handshake_timeout')
        tap.equal({g.split(b'\r\n')[0] for g in got} - {b'', b'HTTP/1.1 408 Request Timeout'}, set(),
                  '1,000 half-open: without nonsense')
        check('1,000 half-open', base)

        left, at = crawl(site, 50)
        tap.ok(left == 0 and at < len(HEAD) - 1,
               'a byte at a time: that it goes on does not count', left, at, len(HEAD))
        tap.ok(served(site), 'a byte at a time: another one is served')
        check('a byte at a time', base)
        with contextlib.closing(connect(site.ws_port)) as s:
            for part in (HEAD[:40], HEAD[40:100], HEAD[100:]):
                s.sendall(part)
            tap.ok(s.recv(100).startswith(b'HTTP/1.1 101'), 'in three pieces: is fine')

        start = b'GET /push/ws?channel=a HTTP/1.1\r\nHost: x\r\n'
        floods = [
            ('20,000 headers', start + b'X: y\r\n' * 20000 + b'\r\n', b''),
            ('one header of 1 MB', start + b'X: ' + b'y' * 1000000 + b'\r\n\r\n', b''),
            ('a URL of 1 MB', b'GET /' + b'y' * 1000000 + b' HTTP/1.1\r\n\r\n', b''),
            ('a thousand cookies', start + b'Cookie: a=b\r\n' * 1000 + b'\r\n', b''),
            ('a header without end', start + b'X: ', b'y' * 65536),
            ('headers without end', start, b'X: y\r\n' * 10000),
            ('empty lines without end', b'', b'\r\n' * 30000),
            ('garbage without end', b'', bytes(range(256)) * 200),
        ]
        for name, head, more in floods:
            some = [flood(site, head, more) for _ in range(3 if more else 60)]
            tap.ok(all(ended for _, _, ended in some), name + ': it is not taken for ever',
                   [sent for _, sent, _ in some][:3])
            got = ends([s for s, _, _ in some])
            tap.ok(len(got) == len(some), name + ': all are ended', len(got))
            # A reset may take the answer with it.
            odd = [g[:100] for g in got if g and g.split()[1] not in (b'431', b'414', b'400')]
            tap.ok(not odd, name + ': 431, 414 or 400', odd[:2])
            tap.ok(served(site), name + ': another one is served')
            check(name, base)
        witness.check(tap, 'all of them')
        tap.equal(site.pid('wsd'), pid, 'the daemon lives')


run(main)
