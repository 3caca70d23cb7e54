# SPDX-License-Identifier: MIT
"""A WebSocket client made from RFC 6455 and RFC 7692 alone: a socket, frames
and raw deflate.  It sends whatever bytes a test wants, and believes nothing of
what the server sends: every frame is checked before it becomes an event.

    with Peer(port, offers=['permessage-deflate']) as peer:
        peer.send(frame(TEXT, 'hello'))
        peer.expect(text('hello'))
        peer.finish()
"""
import base64
import collections
import hashlib
import os
import random
import select
import socket
import struct
import time
import zlib

from tidings_test import PATIENCE

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {TEXT: 'text', BINARY: 'binary', CLOSE: 'close', PING: 'ping', PONG: 'pong'}
RSV1, RSV2, RSV3 = 4, 2, 1
TAIL = b'\x00\x00\xff\xff'      # what RFC 7692, section 7.2.1 takes off
WAIT = 20                       # seconds for anything that is to come
TURN = 0.0002                   # between pieces: the server shall see them apart
GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
keys = random.Random(6455)      # of masks: any will do, the same in every run

Want = collections.namedtuple('Want', 'kind payload deflated codes')


class Broken(Exception):
    """The server did something else than what is expected of it."""


# -- what is expected

def text(data, deflated=None):
    """A text message; with `deflated` it must (True) or must not have RSV1."""
    return Want('text', as_bytes(data), deflated, None)


def binary(data, deflated=None):
    return Want('binary', as_bytes(data), deflated, None)


def pong(data=b''):
    return Want('pong', as_bytes(data), None, None)


def closed(*codes):
    """A close frame with one of the codes; None is one without."""
    return Want('close', None, None, codes)


def either(*wants):
    """Any of these, where the RFC leaves it open."""
    return Want('either', wants, None, None)


# -- what is sent

def as_bytes(data):
    return data.encode() if isinstance(data, str) else bytes(data)


def masked(data, key):
    if key == bytes(4):
        return data
    n = len(data)
    stream = (key * (n // 4 + 1))[:n]
    mixed = int.from_bytes(data, 'big') ^ int.from_bytes(stream, 'big')
    return mixed.to_bytes(n, 'big')


def length_bytes(n, form, bit):
    if form is None:
        form = 7 if n < 126 else 16 if n < 65536 else 64
    if form == 7:
        return bytes([bit | n])
    if form == 16:
        return bytes([bit | 126]) + struct.pack('>H', n)
    return bytes([bit | 127]) + struct.pack('>Q', n)


def frame(opcode, payload=b'', fin=True, rsv=0, key=None, announce=None, form=None):
    """The bytes of a frame, well-formed or not.

    key        four bytes; b'' leaves the frame unmasked
    announce   length that is told, if not the true one
    form       bits that hold the length: 7, 16 or 64, whatever is needed"""
    payload = as_bytes(payload)
    if key is None:
        key = keys.randbytes(4)
    n = len(payload) if announce is None else announce
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    head += length_bytes(n, form, 0x80 if key else 0) + key
    return head + (masked(payload, key) if key else payload)


def fragments(opcode, parts, rsv=0, between=b''):
    """A message in these parts, with bytes between each two frames."""
    last = len(parts) - 1
    return between.join(
        frame(CONT if i else opcode, part, fin=i == last, rsv=0 if i else rsv)
        for i, part in enumerate(parts))


def split(data, size):
    data = as_bytes(data)
    return [data[i:i + size] for i in range(0, len(data), size)] or [b'']


def close_frame(code=None, reason=b'', **kw):
    payload = b'' if code is None else struct.pack('>H', code) + as_bytes(reason)
    return frame(CLOSE, payload, **kw)


# -- RFC 7692

def deflated(data, bits=15, level=6, strategy=zlib.Z_DEFAULT_STRATEGY):
    """The payload of a compressed message (section 7.2.1)."""
    z = zlib.compressobj(level, zlib.DEFLATED, -bits, 8, strategy)
    out = z.compress(as_bytes(data)) + z.flush(zlib.Z_SYNC_FLUSH)
    assert out.endswith(TAIL)
    return out[:-len(TAIL)]


def byte_by_byte(z, data):
    for piece in split(data, 64):
        while piece and not z.eof:
            yield z.decompress(piece, 1)
            piece = z.unconsumed_tail
        more = z.decompress(b'', 1)
        while more:
            yield more
            more = z.decompress(b'', 1)


def inflated(payload, bits):
    """A message of the server, which keeps no context and needs no more than
    a window of so many bits (section 7.2.2)."""
    z = zlib.decompressobj(-bits)
    try:
        if bits == 15:
            out = z.decompress(payload + TAIL)
        else:
            # zlib looks back into the output of the same call, however far:
            # only byte by byte it keeps to the window.
            out = b''.join(byte_by_byte(z, payload + TAIL))
    except zlib.error as e:
        raise Broken('what came does not inflate with %d bits: %s' % (bits, e))
    if z.eof or z.unused_data:
        raise Broken('what came ends its stream inside the message')
    return bytes(out)


def deflate_message(opcode, data, parts=1, between=b'', **kw):
    """A whole compressed message, in one or more fragments."""
    payload = deflated(data, **kw)
    size = -(-len(payload) // parts)
    return fragments(opcode, split(payload, size), RSV1, between)


def parse_extension(value):
    """{name: value or None} of the only extension that an answer may name."""
    parts = [part.strip() for part in value.split(';')]
    if parts[0] != 'permessage-deflate':
        raise Broken('extension of the answer: %r' % value)
    params = {}
    for part in parts[1:]:
        name, sign, number = part.partition('=')
        if name in params:
            raise Broken('twice in the answer: %r' % value)
        params[name] = number if sign else None
    return params


class Peer:
    """One connection.  Events are Want tuples, in the order they came.

    For a socket of another kind there is `connect`, which takes the port."""

    def __init__(self, port, path='/push/ws/echo', offers=(), headers=(), connect=None):
        self.inbox, self.at = bytearray(), 0
        self.events = collections.deque()
        self.opcode, self.parts, self.rsv1 = None, [], False
        self.close_seen = self.ended = self.reset = False
        self.closing_took = None
        if connect:
            self.sock = connect(port)
        else:
            self.sock = socket.create_connection(('127.0.0.1', port), WAIT * PATIENCE)
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.shake(port, path, offers, headers)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    # -- handshake

    def shake(self, port, path, offers, headers):
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ['GET %s HTTP/1.1' % path, 'Host: 127.0.0.1:%d' % port,
                 'Connection: Upgrade', 'Upgrade: websocket',
                 'Sec-WebSocket-Key: ' + key, 'Sec-WebSocket-Version: 13']
        lines += ['Sec-WebSocket-Extensions: ' + offer for offer in offers]
        lines += headers
        self.sock.sendall(('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1'))
        while b'\r\n\r\n' not in self.inbox:
            data = self.sock.recv(65536)
            if not data:
                raise Broken('no answer to the handshake: %r' % bytes(self.inbox))
            self.inbox += data
        head, _, rest = bytes(self.inbox).partition(b'\r\n\r\n')
        self.inbox = bytearray(rest)
        first, *rest = head.decode('latin-1').split('\r\n')
        self.status = int(first.split()[1])
        self.headers = [tuple(line.split(': ', 1)) for line in rest]
        self.answers = self.header('sec-websocket-extensions')
        self.params = None
        if self.status == 101:
            self.check_answer(key)

    def header(self, name):
        return [value for n, value in self.headers if n.lower() == name]

    def check_answer(self, key):
        want = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        if self.header('sec-websocket-accept') != [want]:
            raise Broken('Sec-WebSocket-Accept: %r' % self.headers)
        if len(self.answers) > 1:
            raise Broken('extensions in several lines: %r' % self.answers)
        if self.answers:
            self.params = parse_extension(self.answers[0])
        self.bits = int((self.params or {}).get('server_max_window_bits') or 15)
        self.sock.setblocking(False)
        self.take_frames()

    # -- in

    def take_frames(self):
        while True:
            found = self.take_frame()
            if found is None:
                break
            self.check_frame(*found)
        if self.at > 1 << 20 or self.at == len(self.inbox):
            del self.inbox[:self.at]
            self.at = 0

    def take_frame(self):
        b, at = self.inbox, self.at
        if self.close_seen and len(b) > at:
            raise Broken('behind the close frame: %r' % bytes(b[at:at + 40]))
        if len(b) - at < 2:
            return None
        if b[at + 1] & 0x80:
            raise Broken('a masked frame: %r' % bytes(b[at:at + 40]))
        first, n, start = b[at], b[at + 1], at + 2
        if n > 125:
            size = 2 if n == 126 else 8
            if len(b) < start + size:
                return None
            least = 126 if n == 126 else 65536
            n = int.from_bytes(b[start:start + size], 'big')
            start += size
            if n < least or n >> 63:
                raise Broken('a length of %d in %d bytes' % (n, size))
        if len(b) < start + n:
            return None
        self.at = start + n
        return first, bytes(memoryview(b)[start:start + n])

    def check_frame(self, first, payload):
        fin, rsv, opcode = first >> 7, first >> 4 & 7, first & 15
        if opcode in (CLOSE, PING, PONG):
            if not fin or rsv or len(payload) > 125:
                raise Broken('a control frame %#x of %d bytes' % (first, len(payload)))
            self.events.append(self.control(opcode, payload))
            return
        if opcode not in (CONT, TEXT, BINARY) or (opcode == CONT) != (self.opcode is not None):
            raise Broken('opcode %d where it may not be' % opcode)
        if rsv & ~RSV1 or rsv and (opcode == CONT or self.params is None):
            raise Broken('reserved bits %d with opcode %d' % (rsv, opcode))
        if opcode != CONT:
            self.opcode, self.rsv1, self.parts = opcode, bool(rsv), []
        self.parts.append(payload)
        if fin:
            data = b''.join(self.parts)
            if self.rsv1:
                data = inflated(data, self.bits)
            self.events.append(Want(NAMES[self.opcode], data, self.rsv1, None))
            self.opcode = None

    def control(self, opcode, payload):
        if opcode != CLOSE:
            return Want(NAMES[opcode], payload, None, None)
        self.close_seen = time.monotonic()
        if len(payload) == 1:
            raise Broken('a close frame of one byte')
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            raise Broken('a close reason that is not UTF-8: %r' % payload)
        code = int.from_bytes(payload[:2], 'big') if payload else None
        return Want('close', payload[2:], None, (code,))

    def read(self):
        """Takes in what is there."""
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionError:
            self.reset = self.ended = True
            return
        if data:
            self.inbox += data
            self.take_frames()
        else:
            self.ended = True

    # -- out

    def send(self, data, piece=None):
        """Sends, and takes in meanwhile; `piece` bytes at a time if given.
        Stops where the server has said that it reads no more."""
        view, at = memoryview(data), 0
        end = time.monotonic() + WAIT * PATIENCE
        while at < len(view) and not self.close_seen and not self.ended:
            readable, writable, _ = select.select([self.sock], [self.sock], [], 1)
            if readable:
                self.read()
            if writable and not self.ended:
                try:
                    at += self.sock.send(view[at:at + (piece or 1 << 20)])
                except BlockingIOError:
                    continue
                except ConnectionError:
                    self.drain()
                    return
                end = time.monotonic() + WAIT * PATIENCE
                if piece and select.select([self.sock], [], [], TURN)[0]:
                    self.read()
            elif time.monotonic() > end:
                raise Broken('the server takes nothing, %d bytes are left' % (len(view) - at))

    def drain(self):
        while not self.ended and select.select([self.sock], [], [], 0)[0]:
            self.read()
        self.ended = True

    # -- what is expected

    def next_event(self):
        end = time.monotonic() + WAIT * PATIENCE
        while True:
            while self.events and self.events[0].kind == 'ping':
                self.events.popleft()  # a heartbeat
            if self.events:
                return self.events.popleft()
            if self.ended:
                return None
            if not select.select([self.sock], [], [], max(0, end - time.monotonic()))[0]:
                raise Broken('nothing came')
            self.read()

    def expect(self, want):
        try:
            got = self.next_event()
        except Broken as e:
            raise Broken('%s, where there should be %s' % (e, describe(want)))
        if got is None:
            raise Broken('%s, where there should be %s' % (
                'a reset' if self.reset else 'the end', describe(want)))
        if not fits(got, want):
            raise Broken('%s, where there should be %s' % (describe(got), describe(want)))

    def finish(self):
        """Closes if that has not been done; nothing may come but the end."""
        if not self.close_seen:
            self.send(close_frame(1000))
            self.expect(closed(1000))
        elif self.events:
            raise Broken('more than expected: ' + describe(self.events[0]))
        end = time.monotonic() + WAIT * PATIENCE
        while not self.ended:
            if not select.select([self.sock], [], [], max(0, end - time.monotonic()))[0]:
                raise Broken('the server does not end the connection')
            self.read()
        if self.reset:
            raise Broken('the connection was reset, not ended')
        self.closing_took = time.monotonic() - self.close_seen


def fits(got, want):
    if want.kind == 'either':
        return any(fits(got, one) for one in want.payload)
    if got.kind != want.kind:
        return False
    if want.kind == 'close':
        return got.codes[0] in want.codes
    return got.payload == want.payload and want.deflated in (None, got.deflated)


def describe(event):
    if event.kind == 'either':
        return ' or '.join(describe(one) for one in event.payload)
    if event.kind == 'close':
        return 'close ' + ' or '.join(str(code) for code in event.codes)
    how = {None: '', True: ' (compressed)', False: ' (plain)'}[event.deflated]
    return '%s of %d bytes%s %r' % (event.kind, len(event.payload), how, event.payload[:40])
