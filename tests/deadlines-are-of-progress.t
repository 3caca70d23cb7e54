#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# deadlines-are-of-progress.t - who takes an answer slowly, or sends a body slowly,
# is waited for as long as bytes move; who moves next to nothing is not.  Answers
# and bodies were cut after 30 s in all, and the timer of an answer stayed on the
# connection that was kept behind it.  All at once, as each takes half a minute.
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, pairs, record
from fake_httpd import Link

SECONDS = 36  # longer than any of them was given
SIZE = 3 << 20


def publish_head(length):
    variables = {'REQUEST_METHOD': 'POST', 'QUERY_STRING': 'channel=b',
                 'SCRIPT_NAME': '/push/publish', 'REMOTE_ADDR': '127.0.0.1',
                 'CONTENT_TYPE': 'text/plain', 'CONTENT_LENGTH': str(length)}
    return record(1, b'\0\1\1' + bytes(5)) + record(4, pairs(variables)) + record(4)


class Case(threading.Thread):
    """One that is slow, in a thread of its own; `result` tells what came of it."""

    def __init__(self, site, what, how, want):
        super().__init__(daemon=True)
        self.site, self.what, self.how, self.want = site, what, how, want
        self.result = None
        self.start()

    def run(self):
        try:
            self.result = self.how(self)
        except Exception as e:  # told by the test
            self.result = repr(e)

    def peer(self, program, rcvbuf=None):
        return FcgiPeer(os.path.join(self.site.run_dir, program + '.sock'), rcvbuf)

    def over(self, seconds, step):
        """Whether the time has passed; some of it does."""
        self.began = getattr(self, 'began', None) or time.monotonic()
        time.sleep(step)
        return time.monotonic() - self.began > seconds


def answer_by_fastcgi(program, keep):
    def how(case):
        with case.peer(program, 4096) as peer:
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.send(peer.request('channel=a&since=earliest', keep=keep))
            got = 0
            while not case.over(SECONDS, 0.2):
                got += len(peer.sock.recv(10000))
            tail = b''
            while not tail.endswith(record(3, bytes(8))):
                data = peer.sock.recv(1 << 18)
                if not data:
                    return 'cut behind %d bytes' % got
                got += len(data)
                tail = (tail + data)[-16:]
            if got < SIZE:
                return '%d bytes' % got
            if keep:  # and the connection is as good as any
                peer.send(peer.request('channel=a', 'OPTIONS', keep=True))
                return peer.sock.recv(4096)[8:19]
            return 'all'
    return how


def answer_to_handed(case):
    with Link(case.site, 'longpoll') as link:
        client = link.hand_over('/push/longpoll?channel=a&since=earliest')
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        got = 0
        while not case.over(SECONDS, 0.2):
            got += len(client.sock.recv(10000))
        while True:
            data = client.sock.recv(1 << 18)
            if not data:
                return 'all' if got > SIZE else '%d bytes' % got
            got += len(data)


def reads_nothing(case):
    with case.peer('poll') as peer:
        peer.send(peer.request('channel=a&since=earliest', keep=True))
        while not case.over(SECONDS, 0.5):
            pass
        got = 0
        while True:
            data = peer.sock.recv(1 << 18)
            if not data:
                return 'cut' if got < SIZE else 'all'
            got += len(data)


def kept_idle(case):
    """Behind an answer that it took slowly at first."""
    with case.peer('poll', 4096) as peer:
        peer.send(peer.request('channel=a&since=earliest', keep=True))
        time.sleep(0.5)
        peer.wait('"messages"')
        wait_for(lambda: (3, 1) in peer.records or not peer.read_some(1), 10, 'the end')
        while not case.over(SECONDS, 0.5):
            pass
        peer.out = b''
        peer.send(peer.request('channel=a', 'OPTIONS', keep=True))
        peer.wait('Status: 204')
        return 'served'


def body(rate, seconds=SECONDS):
    def how(case):
        with case.peer('publish') as peer:
            n = int(rate * seconds)
            peer.send(publish_head(n))
            sent = 0
            while sent < n and not peer.read_some(0) and not peer.ended:
                piece = max(1, int(rate / 2))
                peer.send(record(5, b'x' * min(piece, n - sent)))
                sent += piece
                time.sleep(piece / rate)
            peer.send(record(5))
            peer.wait('Status: ')
            return peer.out[:11].decode()
    return how


def head_slowly(case):
    with case.peer('publish') as peer:
        whole = publish_head(1)
        for at in range(len(whole)):
            if peer.ended or at == len(whole) - 1:
                break
            with contextlib.suppress(OSError):
                peer.send(whole[at:at + 1])
            peer.read_some(1)
        return 'closed' if peer.ended and time.monotonic() else 'open'


CASES = [
    ('an answer of poll', answer_by_fastcgi('poll', False), 'all'),
    ('the same on a kept connection', answer_by_fastcgi('poll', True), b'Status: 204'),
    ('an answer of longpoll', answer_by_fastcgi('longpoll', True), b'Status: 204'),
    ('an answer of longpoll, handed over', answer_to_handed, 'all'),
    ('an answer that nobody reads', reads_nothing, 'cut'),
    ('a kept connection behind a slow answer', kept_idle, 'served'),
    ('a body at 1000 bytes a second', body(1000), 'Status: 201'),
    ('a body at 200 bytes a second', body(200), 'Status: 201'),
    ('a body at 40 bytes a second', body(40), 'Status: 408'),
    ('a byte in 8 seconds', body(0.125, 600), 'Status: 408'),
    ('a head, byte by byte', head_slowly, 'closed'),
]


def main(tap):
    with Site({'tidings': {'stall': '5s'}, 'retention': {'age': '1h'}}) as site:
        site.publish_sql('a', '\x01' * (SIZE // 6))  # "\u0001" in JSON
        cases = [Case(site, *row) for row in CASES]
        for case in cases:
            case.join(90 * PATIENCE)
            tap.equal(case.result, case.want, case.what)
        tap.ok(site.lives(), 'the programs live')


run(main)
