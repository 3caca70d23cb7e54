# SPDX-License-Identifier: MIT
"""A child of httpd as the programs see one: the other end of a hand-over link,
made from shared/wire/handover.h alone.

    with Link(site, 'sse') as link:
        client = link.hand_over('/push/sse?channel=a')
        client.wait('retry:')
"""
import contextlib
import os
import pwd
import select
import socket
import struct
import time

from tidings_test import Failure, deadline

HELLO, CLIENT, PARK, INPUT_OF, TAKEN, GONE, LEAVE, DATA, END, READ, STOP = range(1, 12)
GREETING = b'tidings 1'
PACKET_MAX, WINDOW, INPUT, REPORT = 65536, 65536, 32768, 16384


@contextlib.contextmanager
def as_user(name):
    """Root acts as somebody else: that is what the peer is told."""
    if os.geteuid() != 0 or name == 'root':
        yield
        return
    os.seteuid(pwd.getpwnam(name).pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def socket_of(site, program):
    return os.path.join(site.run_dir, program + '.sock.handover')


def packet(type, numbers=(), data=b''):
    return struct.pack('=II%dI' % len(numbers), type, len(numbers), *numbers) + data


def pairs_packet(type, pairs):
    flat = [n for pair in pairs for n in pair]
    return struct.pack('=II%dI' % len(flat), type, len(pairs), *flat)


def variables(target, method='GET', headers=None, response='', **more):
    """What the module tells of a request, as the bytes of a packet."""
    path, _, query = target.partition('?')
    env = {'REQUEST_METHOD': method, 'SERVER_PROTOCOL': 'HTTP/1.1',
           'SCRIPT_NAME': path, 'QUERY_STRING': query, 'REMOTE_ADDR': '192.0.2.7',
           'HTTP_HOST': 'www.example.org'}
    for name, value in (headers or {}).items():
        env['HTTP_' + name.upper().replace('-', '_')] = value
    if response:
        env['RESPONSE_HEADERS'] = response
    env.update(more)
    return b''.join(b'%s\0%s\0' % (k.encode(), v.encode()) for k, v in env.items())


def websocket_headers(**more):
    headers = {'Upgrade': 'websocket', 'Connection': 'Upgrade',
               'Sec-WebSocket-Version': '13',
               'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='}
    headers.update({k.replace('_', '-'): v for k, v in more.items()})
    return headers


def tcp_pair():
    """Both ends of a connection over loopback: the client's, the server's."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return client, server


class Client:
    """The far end of a client that was handed over: HTTP, closed at the end."""

    def __init__(self, sock):
        self.sock, self.buf, self.ended, self.reset = sock, b'', False, False

    @property
    def head(self):
        return self.buf.partition(b'\r\n\r\n')[0].decode('latin-1')

    @property
    def body(self):
        return self.buf.partition(b'\r\n\r\n')[2]

    @property
    def status(self):
        return int(self.head.split()[1])

    def header(self, name):
        found = [line.partition(':')[2].strip() for line in self.head.split('\r\n')[1:]
                 if line.lower().startswith(name.lower() + ':')]
        return ', '.join(found) if found else None

    def read_some(self, seconds):
        if self.ended or not select.select([self.sock], [], [], max(0, seconds))[0]:
            return False
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data, self.reset = b'', True
        self.ended = not data
        self.buf += data
        return bool(data)

    def wait(self, text, seconds=10):
        want = text.encode() if isinstance(text, str) else text
        end = deadline(seconds)
        while want not in self.buf:
            if not self.read_some(end - time.monotonic()) and \
                    (self.ended or time.monotonic() > end):
                raise Failure('%r did not come; got %r' % (want, self.buf[-600:]))
        return self

    def wait_end(self, seconds=10):
        end = deadline(seconds)
        while not self.ended and time.monotonic() < end:
            self.read_some(end - time.monotonic())
        if not self.ended:
            raise Failure('no end; got %r' % self.buf[-600:])
        return self

    def send(self, data):
        self.sock.sendall(data)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Link:
    """One link.  What comes by it is taken apart as it is read."""

    def __init__(self, site, program, user='www-data', hello=True, path=None):
        self.told_to_stop = False
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with as_user(user):
            self.sock.connect(path or socket_of(site, program))
        self.ended = self.greeted = False
        self.packets = 0     # that came, but for the greeting
        self.shared = []     # how many clients each DATA packet was for
        self.data = {}       # by number: bytes
        self.over = []       # numbers, as END came
        self.used = {}       # by number: bytes of READ
        self.takes = False   # tells TAKEN by itself, as the module does
        self.untold = {}     # by number: bytes of which TAKEN is to be told
        if hello:
            self.greet()

    # -- to the program

    def greet(self):
        """Both say the same; before that nobody is given away."""
        self.send(packet(HELLO, data=GREETING))
        self.wait(lambda: self.greeted, 15, 'the greeting')

    def send(self, data, fds=()):
        if fds:
            socket.send_fds(self.sock, [data], fds)
        else:
            self.sock.send(data)

    def hand_over(self, target, pair=tcp_pair, **how):
        client, server = pair()
        with server:
            self.send(packet(CLIENT, data=variables(target, **how)), [server.fileno()])
        return Client(client)

    def park(self, number, target, **how):
        self.send(packet(PARK, [number], variables(target, **how)))

    def input(self, number, data):
        self.send(packet(INPUT_OF, [number], data))

    def taken(self, *pairs):
        self.send(pairs_packet(TAKEN, pairs))

    def gone(self, *numbers):
        self.send(packet(GONE, numbers))

    def leave(self):
        self.send(packet(LEAVE))

    # -- from the program

    def read_some(self, seconds):
        """Takes one packet apart; False if none came in the time."""
        if self.ended or not select.select([self.sock], [], [], max(0, seconds))[0]:
            return False
        try:
            got = self.sock.recv(PACKET_MAX + 1)
        except ConnectionResetError:
            got = b''
        if not got:
            self.ended = True
            return False
        if len(got) > PACKET_MAX:
            raise Failure('a packet of more than %d bytes' % PACKET_MAX)
        if not self.greeted:
            if got != packet(HELLO, data=GREETING):
                raise Failure('%r comes before the greeting' % got[:100])
            self.greeted = True
            return True
        self.packets += 1
        type, count = struct.unpack_from('=II', got)
        if type in (DATA, END, STOP):
            numbers = struct.unpack_from('=%dI' % count, got, 8)
            rest = got[8 + 4 * count:]
        elif type == READ:
            flat = struct.unpack_from('=%dI' % (2 * count), got, 8)
            numbers, rest = flat[0::2], got[8 + 8 * count:]
            for number, n in zip(flat[0::2], flat[1::2]):
                self.used[number] = self.used.get(number, 0) + n
        else:
            raise Failure('a packet of type %d' % type)
        if not count or bool(rest) != (type == DATA):
            raise Failure('a packet of type %d for %d with %d bytes' % (type, count, len(rest)))
        if type == DATA:
            self.shared.append(count)
            if len(set(numbers)) != count:
                raise Failure('a number stands twice in a packet')
            for number in numbers:
                if number in self.over:
                    raise Failure('data for %d, which is over' % number)
                self.data.setdefault(number, bytearray()).extend(rest)
                self.take(number, len(rest))
        elif type == END:
            for number in numbers:
                if number in self.over:
                    raise Failure('END of %d comes twice' % number)
                self.over.append(number)
        elif type == STOP:
            self.told_to_stop = True
        return True

    def take(self, number, n):
        if not self.takes:
            return
        self.untold[number] = self.untold.get(number, 0) + n
        if self.untold[number] >= REPORT:
            self.taken((number, self.untold.pop(number)))

    def wait(self, condition, seconds=10, what='what is to come'):
        end = deadline(seconds)
        while not condition():
            if not self.read_some(end - time.monotonic()) and not condition() and \
                    (self.ended or time.monotonic() > end):
                raise Failure('%s did not come by the link' % what)
        return self

    def wait_data(self, number, text, seconds=10):
        want = text.encode() if isinstance(text, str) else text
        self.wait(lambda: want in self.data.get(number, b''), seconds, repr(want))
        return self.data[number]

    def wait_over(self, *numbers, seconds=10):
        return self.wait(lambda: set(numbers) <= set(self.over), seconds,
                         'END of %r' % (numbers,))

    def wait_end(self, seconds=10):
        return self.wait(lambda: self.ended, seconds, 'the end')

    def again(self, number):
        """The number may be parked once more."""
        self.over.remove(number)
        for books in (self.data, self.used, self.untold):
            books.pop(number, None)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
