# SPDX-License-Identifier: MIT
"""Cases of RFC 7692: permessage-deflate as it is offered, spoken and broken.

deflated() of websocket_client makes the payload of a compressed message; what
no encoder would make is put together here, bit by bit.
"""
import functools
import random
import zlib

from websocket_cases import DATA_OPCODES, MAX_MESSAGE, Case, bytes_of, pattern
from websocket_client import *
from websocket_text_cases import NAMED_ERRORS, SAMPLES

PLAIN_BELOW = 64                # deflate_min, its default
OFFER = ('permessage-deflate',)
FULL = ('permessage-deflate; client_max_window_bits',)

OFFERS = (
    'permessage-deflate; server_no_context_takeover',
    'permessage-deflate; client_no_context_takeover',
    'permessage-deflate; client_no_context_takeover; server_no_context_takeover',
    *['permessage-deflate; server_max_window_bits=%d' % n for n in range(9, 16)],
    *['permessage-deflate; client_max_window_bits=%d' % n for n in range(8, 16)],
    'permessage-deflate; client_max_window_bits; server_max_window_bits=9',
    'permessage-deflate; client_max_window_bits=9; server_max_window_bits=9; '
    'client_no_context_takeover; server_no_context_takeover',
    'permessage-deflate; server_max_window_bits=8, permessage-deflate',
    'permessage-bzip2, permessage-deflate; server_max_window_bits=10',
    'permessage-deflate; server_max_window_bits=12, permessage-deflate',
)


def case(rfc, name, *script, offers=OFFER, **kw):
    return Case(rfc, name, *script, offers=offers, **kw)


# -- kinds of payload

def prose(n):
    """Text that a compressor likes, with its repetitions near."""
    rnd = random.Random(n)
    words = []
    size = 0
    while size < n:
        words.append(rnd.choice(('tide', 'channel', 'cursor', 'EUR 12.50', '"price":', 'the')))
        size += len(words[-1]) + 1
    return ' '.join(words)[:n]


def far(n):
    """Hexadecimal digits that come again at distances from 300 to 20000: with
    a small window only the alphabet can be compressed."""
    rnd = random.Random(n)
    out = ''
    while len(out) < n:
        for distance in (300, 700, 1500, 5000, 9000, 20000):
            out += ''.join(rnd.choices('0123456789abcdef', k=distance)) * 2
    return out[:n]


def noise(n):
    return random.Random(n).randbytes(n)


KINDS = (
    ('prose', TEXT, text, prose),
    ('far repetitions', TEXT, text, far),
    ('zeros', BINARY, binary, bytes),
    ('noise', BINARY, binary, noise),
)


def worth(kind, n):
    """Whether the server is to compress it; None where that is its choice."""
    if n < PLAIN_BELOW or kind == 'noise':
        return False
    return True if 256 <= n <= 65536 else None


def sizes():
    """Sections 6 and 7.2: messages of all sizes, one by one and many."""
    for kind, opcode, want, make in KINDS:
        for n in (0, 1, 16, 63, 64, 65, 125, 126, 127, 256, 1024, 4096, 32768, 65535, 65536, 131072):
            data = make(n)
            yield case('7692 7.2.1', '%s of %d bytes' % (kind, n),
                       deflate_message(opcode, data), want(data, worth(kind, n)))
        for n in (16, 256, 4096):
            yield case('7692 7.2.1', '%s of %d bytes, 200 times' % (kind, n),
                       make=lambda n=n, make=make, opcode=opcode, want=want, kind=kind: (
                           deflate_message(opcode, make(n)) * 200,
                           *[want(make(n), worth(kind, n))] * 200))
        yield case('7692 7.2.1', '%s: 60 different messages' % kind,
                   make=lambda make=make, opcode=opcode, want=want: (
                       b''.join(deflate_message(opcode, make(i * 97)) for i in range(60)),
                       *[want(make(i * 97)) for i in range(60)]))
    for name, sample in SAMPLES:
        data = sample * 20
        yield case('7692 6', 'text with %s, many times' % name, deflate_message(TEXT, data),
                   text(data, True if len(data.encode()) > 256 else None))


def offers():
    """Section 7.1: what is agreed on is kept to, the server's window above all."""
    for offer in OFFERS:
        bits = 9 if 'client_max_window_bits' in offer else 15
        for kind, opcode, want, make in KINDS[:2]:
            for n in (100, 3000, 40000):
                data = make(n)
                yield case('7692 7.1', '%s of %d bytes with "%s"' % (kind, n, offer),
                           deflate_message(opcode, data, bits=bits),
                           want(data, worth(kind, n)), offers=(offer,))
        yield case('7692 7.1', 'plain, compressed and in fragments with "%s"' % offer,
                   frame(TEXT, 'plain'), deflate_message(TEXT, prose(900), bits=bits),
                   deflate_message(BINARY, prose(900), 7, bits=bits),
                   text('plain'), text(prose(900), True), binary(prose(900), True),
                   offers=(offer,))


def blocks():
    """Section 7.2.3 and RFC 1951: any block is a block."""
    data = prose(600)
    for level in range(10):
        yield case('7692 7.2.1', 'level %d' % level,
                   deflate_message(TEXT, data, level=level), text(data, True))
    for name in ('Z_FIXED', 'Z_HUFFMAN_ONLY', 'Z_RLE', 'Z_FILTERED'):
        yield case('7692 7.2.3.3', name[2:].lower() + ' blocks',
                   deflate_message(TEXT, data, strategy=getattr(zlib, name)), text(data, True))
    for bits in range(9, 16):
        yield case('7692 7.1.2.2', 'a window of %d bits' % bits,
                   deflate_message(TEXT, far(5000), bits=bits), text(far(5000), True), offers=FULL)
    for name in ('Z_SYNC_FLUSH', 'Z_FULL_FLUSH', 'Z_PARTIAL_FLUSH', 'Z_BLOCK'):
        payload = in_blocks(data, getattr(zlib, name))
        yield case('7692 7.2.1', 'many blocks by ' + name,
                   frame(TEXT, payload, rsv=RSV1), text(data, True))
        yield case('7692 7.2.1', 'many blocks by %s, in many fragments' % name,
                   fragments(TEXT, split(payload, 5), RSV1), text(data, True))
    for n in (1, 2, 5):
        payload = b''.join(final(data[i * 100:i * 100 + 100]) for i in range(n)) + b'\0'
        yield case('7692 7.2.3.4', '%d blocks with BFINAL' % n,
                   frame(TEXT, payload, rsv=RSV1), text(data[:n * 100]))
    yield case('7692 7.2.3.4', 'a block with BFINAL, then one without',
               frame(TEXT, final('first ') + deflated('second'), rsv=RSV1), text('first second'))
    yield case('7692 7.2.3.4', 'a block without BFINAL, then one with',
               frame(TEXT, deflated('first ') + TAIL + final('second') + b'\0', rsv=RSV1),
               text('first second'))
    yield case('7692 7.2.3.4', 'blocks with BFINAL, in fragments of a byte',
               fragments(TEXT, split(final('one ') + final('two') + b'\0', 1), RSV1),
               text('one two'))
    yield case('7692 7.2.3.4', 'a block may look back into the one before',
               frame(TEXT, looking_back('abcdefghij', 0), rsv=RSV1), text('abcdefghij' * 2))
    yield case('7692 7.2.3.4', 'and, or not, into one with BFINAL',
               frame(TEXT, looking_back('abcdefghij', 1), rsv=RSV1),
               either(text('abcdefghij' * 2), closed(1007)))
    yield case('7692 7.2.3.3', 'a stored block',
               frame(TEXT, stored('hello') + b'\0', rsv=RSV1), text('hello'))
    yield case('7692 7.2.3.3', 'two stored blocks and an empty one',
               frame(TEXT, stored('one ') + stored('two') + stored('') + b'\0', rsv=RSV1),
               text('one two'))
    yield case('7692 7.2.3.3', 'a stored block of 65535 bytes',
               frame(BINARY, stored(bytes_of(65535)) + b'\0', rsv=RSV1),
               binary(bytes_of(65535), True))
    yield case('7692 7.2.3.3', 'a thousand empty blocks',
               frame(TEXT, stored('') * 1000 + deflated('x'), rsv=RSV1), text('x', False))
    for name, payload in (('one zero byte', b'\0'), ('a fixed block', b'\x02\0'),
                          ('a fixed block with BFINAL', b'\x03\0\0'),
                          ('two empty blocks', b'\0' + TAIL + b'\0')):
        yield case('7692 7.2.3.6', 'an empty text as ' + name,
                   frame(TEXT, payload, rsv=RSV1), text('', False))
        yield case('7692 7.2.3.6', 'an empty binary as %s, in fragments' % name,
                   fragments(BINARY, split(payload, 1), RSV1), binary(b'', False))
    yield case('7692 7.2.2', 'a compressed frame of no bytes is no deflate',
               frame(TEXT, '', rsv=RSV1), either(closed(1007), text('')))


def in_blocks(data, flush):
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    out = b''.join(z.compress(part) + z.flush(flush) for part in split(data, 50))
    return (out + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def final(data):
    """A whole stream of deflate: its last block has BFINAL."""
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    return z.compress(as_bytes(data)) + z.flush()


def stored(data, told=None):
    data = as_bytes(data)
    n = len(data) if told is None else told
    return b'\0' + struct.pack('<HH', n, n ^ 0xffff) + data


def bits(*fields):
    """(value, number of bits), the lowest first, as deflate packs them."""
    out = at = 0
    for value, n in fields:
        out |= value << at
        at += n
    return out.to_bytes(-(-at // 8), 'little')


def copy_block(distance_code, extra=(0, 0)):
    """A fixed block: a copy of 10 bytes from so far, then its end."""
    # Length 10 is code 264, seven bits 0001000, which go the highest first;
    # distance codes have five.
    code = int(format(distance_code, '05b')[::-1], 2)
    return bits((0, 1), (1, 2), (0b0001000, 7), (code, 5), extra, (0, 7))


def looking_back(data, is_final):
    """`data` stored, with BFINAL or not, then a copy of its 10 bytes."""
    first = bytearray(stored(data))
    first[0] = is_final
    # Distance 10: code 6 is 9 to 12, in two more bits.
    return bytes(first) + copy_block(6, (1, 2)) + b'\0'


def fragmentation():
    """Section 6.1: RSV1 is on the first fragment alone; the rest is as ever."""
    data = prose(300)
    payload = deflated(data)
    for opcode, want, name in DATA_OPCODES:
        for size in (1, 2, 3, 10, 50):
            yield case('7692 6.1', '%s in fragments of %d' % (name, size),
                       fragments(opcode, split(payload, size), RSV1), want(data, True))
        for at in range(1, len(payload), 8):
            yield case('7692 6.1', '%s cut behind %d bytes' % (name, at),
                       fragments(opcode, [payload[:at], payload[at:]], RSV1), want(data, True))
        yield case('7692 6.1', name + ' with empty fragments in all places',
                   fragments(opcode, ['', payload[:20], '', '', payload[20:], ''], RSV1),
                   want(data, True))
        yield case('7692 6.1', name + ' in fragments with pings between all',
                   fragments(opcode, split(payload, 40), RSV1, frame(PING, 'p')),
                   *[pong('p')] * (len(split(payload, 40)) - 1), want(data, True))
        yield case('7692 6.1', name + ' in fragments, a ping is answered before the last',
                   frame(opcode, payload[:9], fin=False, rsv=RSV1), frame(PING, 'now'),
                   pong('now'), frame(CONT, payload[9:]), want(data, True))
        yield case('7692 6.1', name + ' in fragments, a close between them',
                   frame(opcode, payload[:9], fin=False, rsv=RSV1), close_frame(1001),
                   closed(1001))
        yield case('7692 6.1', name + ': compressed inside a compressed one',
                   frame(opcode, payload[:9], fin=False, rsv=RSV1),
                   deflate_message(opcode, data), closed(1002))
        yield case('7692 6', name + ' plain on a compressed connection',
                   frame(opcode, data), want(data, True))
        yield case('7692 6', name + ' plain in fragments on a compressed connection',
                   fragments(opcode, split(data, 17)), want(data, True))
        yield case('7692 6', name + ', plain and compressed in turn',
                   (frame(opcode, data) + deflate_message(opcode, data)) * 5,
                   *[want(data, True)] * 10)
        yield case('7692 6', name + ': plain bytes that look compressed stay as they are',
                   frame(BINARY, payload), binary(payload))
        for n in (64 << 10, 1 << 20):
            yield case('7692 6.1', '%s of %d KiB in fragments of 64' % (name, n >> 10),
                       make=lambda n=n, opcode=opcode, want=want: (
                           fragments(opcode, split(deflated(far(n), level=1), 64), RSV1),
                           want(far(n))))


def reserved_bits():
    """Section 6: RSV1 is for the first frame of a message, the others for nobody."""
    payload = deflated('hello')
    for opcode, name in ((PING, 'ping'), (PONG, 'pong'), (CLOSE, 'close')):
        for rsv in (4, 2, 6):
            yield case('7692 6', 'reserved bits %d in a %s' % (rsv, name),
                       frame(opcode, b'\x03\xe8', rsv=rsv), closed(1002))
    for rsv in (1, 2, 3, 5, 6, 7):
        yield case('7692 6', 'reserved bits %d in a text' % rsv,
                   frame(TEXT, payload, rsv=rsv), closed(1002))
        yield case('7692 6', 'reserved bits %d in a binary' % rsv,
                   frame(BINARY, payload, rsv=rsv), closed(1002))
    for first, name in ((RSV1, 'compressed'), (0, 'plain')):
        for rsv in (4, 2, 1):
            yield case('7692 6.1', 'reserved bits %d in a continuation of a %s text' % (rsv, name),
                       frame(TEXT, payload[:1], fin=False, rsv=first),
                       frame(CONT, payload[1:], rsv=rsv), closed(1002))
    yield case('7692 6', 'RSV1 in a continuation of nothing',
               frame(CONT, payload, rsv=RSV1), closed(1002))
    yield case('6455 5.2', 'RSV1 where nothing was offered',
               frame(TEXT, payload, rsv=RSV1), closed(1002), offers=())
    for opcode in (3, 7, 11, 15):
        yield case('6455 5.2', 'RSV1 in opcode %d' % opcode,
                   frame(opcode, payload, rsv=RSV1), closed(1002))
    yield case('7692 6', 'an unmasked compressed text',
               frame(TEXT, payload, rsv=RSV1, key=b''), closed(1002))


# What RFC 1951 does not allow.
DAMAGED = (
    ('the reserved block type', bits((0, 1), (3, 2), (0, 5))),
    ('the reserved block type behind a good block', stored('good') + b'\x06'),
    ('a stored length without its complement', b'\0\x05\0\x05\0hello'),
    ('a copy from before the beginning', copy_block(0)),
    ('a copy from 32768 bytes before', stored('x' * 300) + copy_block(29, (8191, 13))),
    ('distance code 30', stored('x' * 300) + copy_block(30)),
    ('distance code 31', stored('x' * 300) + copy_block(31)),
    ('literal code 286', bits((0, 1), (1, 2), (0b01100011, 8), (0, 20))),
    ('287 literal codes', bits((0, 1), (2, 2), (30, 5), (0, 5), (15, 4)) + bytes(20)),
    ('code lengths that are all zero', bits((0, 1), (2, 2), (0, 5), (0, 5), (15, 4)) + bytes(60)),
    ('too many short code lengths',
     bits((0, 1), (2, 2), (0, 5), (0, 5), (15, 4), *[(1, 3)] * 19) + bytes(20)),
    ('bytes that are all ones', b'\xff' * 40),
    ('text', b'no deflate at all, but text'),
    ('a zlib header', zlib.compress(b'hello')),
    ('a gzip header', b'\x1f\x8b\x08\0\0\0\0\0\0\x03' + deflated('hello')),
)
UNFINISHED = (
    ('a stored block of 100 bytes with 50', stored('x' * 50, 100)),
    ('a stored block that has no length', b'\0\x05'),
    ('a dynamic block without its codes', deflated(prose(3000))[:20]),
    ('a dynamic block without its end', deflated(prose(3000))[:-50]),
    ('a fixed block without its end', deflated('z' * 9 + 'hello', strategy=zlib.Z_FIXED)[:5]),
)


def damage():
    """Section 7.2.2 and RFC 6455, section 7.1.7: 1007, at once."""
    for name, payload in DAMAGED:
        yield case('7692 7.2.2', name, frame(BINARY, payload, rsv=RSV1), closed(1007))
        yield case('7692 7.2.2', name + ', in an unfinished message',
                   frame(BINARY, payload + b'\0' * 8, fin=False, rsv=RSV1), closed(1007))
        yield case('7692 7.2.2', name + ', behind a good message and a ping',
                   deflate_message(TEXT, 'good'), frame(PING, 'p'),
                   frame(BINARY, payload, rsv=RSV1), frame(PING, 'q'),
                   text('good'), pong('p'), closed(1007))
    for name, payload in UNFINISHED:
        yield case('7692 7.2.2', name, frame(BINARY, payload, rsv=RSV1), closed(1007))
        yield case('7692 7.2.2', name + ', in fragments',
                   fragments(BINARY, split(payload, 7), RSV1), closed(1007))
    yield case('7692 7.2.2', 'the tail that is to be taken off, and is not',
               frame(TEXT, deflated('hello') + TAIL, rsv=RSV1), either(closed(1007), text('hello')))


def contexts():
    """Sections 7.1.1 and 7.2.3.2: no message knows another."""
    first, second = prose(500), prose(500)[:400]
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    kept = []
    for data in (first, second):
        kept.append((z.compress(as_bytes(data)) + z.flush(zlib.Z_SYNC_FLUSH))[:-4])
    yield case('7692 7.1.1.2', 'a window kept over messages against the agreement',
               frame(TEXT, kept[0], rsv=RSV1), frame(TEXT, kept[1], rsv=RSV1),
               text(first, True), closed(1007))
    yield case('7692 7.1.1.1', 'the same message twice comes as the same bytes or with a new window',
               deflate_message(TEXT, first) * 3, *[text(first, True)] * 3)
    yield case('7692 7.1.1', 'texts and binaries of different sizes in turn',
               *[deflate_message((TEXT, BINARY)[i % 2], prose(50 * i)) for i in range(20)],
               *[(text, binary)[i % 2](prose(50 * i)) for i in range(20)])


def encoding():
    """RFC 6455, section 8.1, holds for what is inflated."""
    for name, bad in NAMED_ERRORS:
        yield case('6455 8.1', 'compressed text with ' + name,
                   deflate_message(TEXT, b'good ' + bad + b' good'), closed(1007))
        yield case('6455 8.1', 'compressed text with %s, found in an unfinished message' % name,
                   frame(TEXT, deflated(b'good ' + bad + b' good') + TAIL, fin=False, rsv=RSV1),
                   closed(1007))
        yield case('7692 6', 'compressed binary with ' + name,
                   deflate_message(BINARY, bad * 30), binary(bad * 30))
    for name, bad in NAMED_ERRORS[::4]:
        yield case('6455 8.1', 'plain text with %s on a compressed connection' % name,
                   frame(TEXT, bad), closed(1007))
    for n in (1, 1000, 100000, 5 << 20):
        yield case('6455 8.1', 'a bad byte behind %d good ones, in an unfinished message' % n,
                   frame(TEXT, deflated(b'x' * n + b'\xff') + TAIL, fin=False, rsv=RSV1),
                   closed(1007))
    for part in (b'\xc3', b'\xe2\x82', b'\xf0\x9f\x98'):
        yield case('6455 8.1', 'compressed text that ends with ' + part.hex(),
                   deflate_message(TEXT, b'x' * 100 + part), closed(1007))
    data = '\u20ac\U0001f600\u00df' * 20
    yield case('6455 8.1', 'characters cut by blocks and by fragments',
               fragments(TEXT, split(in_blocks(data, zlib.Z_SYNC_FLUSH), 3), RSV1), text(data, True))


@functools.cache
def zeros(n):
    """n zero bytes, compressed in little memory."""
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = b''.join(z.compress(bytes(min(1 << 20, n - at))) for at in range(0, n, 1 << 20))
    return (out + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def limits():
    """Section 8 and RFC 6455, section 10.4: what counts is what is inflated."""
    for kind, opcode, want, make in KINDS[:3]:
        for n in (256 << 10, 1 << 20):
            yield case('7692 7.2.2', '%s of %d KiB' % (kind, n >> 10),
                       make=lambda n=n, opcode=opcode, want=want, make=make: (
                           deflate_message(opcode, make(n), level=1), want(make(n))))
    for opcode, want, name in DATA_OPCODES:
        yield case('7692 7.2.2', name + ' of max_message',
                   make=lambda opcode=opcode, want=want: (
                       deflate_message(opcode, pattern(MAX_MESSAGE), level=1),
                       want(pattern(MAX_MESSAGE))))
        yield case('7692 7.2.2', name + ' of max_message in fragments of 1000',
                   make=lambda opcode=opcode, want=want: (
                       fragments(opcode, split(zeros(MAX_MESSAGE), 1000), RSV1),
                       want(bytes(MAX_MESSAGE))))
        yield case('7692 7.2.2', name + ' of max_message, plain on a compressed connection',
                   make=lambda opcode=opcode, want=want: (
                       frame(opcode, pattern(MAX_MESSAGE)), want(pattern(MAX_MESSAGE))))
        for n in (MAX_MESSAGE + 1, 20 << 20, 96 << 20):
            yield case('6455 10.4', '%s: %d bytes out of few' % (name, n),
                       make=lambda n=n, opcode=opcode: (
                           frame(opcode, zeros(n), rsv=RSV1), closed(1009)))
        yield case('6455 10.4', name + ': too many bytes out of an unfinished message',
                   make=lambda opcode=opcode: (
                       fragments(opcode, split(zeros(96 << 20), 5000), RSV1)[:-3000], closed(1009)))
        yield case('6455 10.4', name + ': too many bytes in stored blocks, in fragments',
                   make=lambda opcode=opcode: (
                       fragments(opcode, [stored('x' * 65535)] * 257 + [b'\0'], RSV1), closed(1009)))
        yield case('6455 10.4', name + ': a compressed frame is refused when announced',
                   frame(opcode, 'x', rsv=RSV1, announce=1 << 40), closed(1009))
    yield case('6455 10.4', 'a small bomb ten times: each counts for itself',
               make=lambda: (frame(BINARY, zeros(4 << 20), rsv=RSV1) * 10,
                             *[binary(bytes(4 << 20))] * 10))


def elsewhere():
    """Control frames are never compressed (section 6)."""
    for n in (0, 1, 100, 125):
        yield case('7692 6', 'a ping of %d bytes' % n, frame(PING, pattern(n)), pong(pattern(n)))
    for code in (1000, 1001, 3000, 4999):
        yield case('7692 6', 'close %d' % code, close_frame(code, 'x' * 100), closed(code))
    yield case('6455 5.5.1', 'a compressed text and at once a close',
               deflate_message(TEXT, prose(5000)), close_frame(1000), text(prose(5000), True),
               closed(1000))
    yield case('6455 5.5.1', 'behind a close a compressed text is ignored',
               close_frame(1000) + deflate_message(TEXT, prose(500)), closed(1000))


def cases():
    for part in (sizes, offers, blocks, fragmentation, reserved_bits, damage, contexts,
                 encoding, limits, elsewhere):
        yield from part()
