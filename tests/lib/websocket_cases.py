# SPDX-License-Identifier: MIT
"""Cases of RFC 6455: what a client sends to the echo, and what must come back.

A case is a script: bytes are sent, Want tuples are expected in this order.
Where a script does not end in a close the player closes with 1000.  Texts,
their encoding and its errors are in websocket_text_cases, compression in
websocket_deflate_cases.
"""
from websocket_client import *

MAX_MESSAGE = 16 << 20          # what the tests set in [wsd]
DATA_OPCODES = ((TEXT, text, 'text'), (BINARY, binary, 'binary'))


class Case:
    def __init__(self, rfc, name, *script, offers=(), once=False, make=None):
        """make    returns the script, where it is too large to be kept
        once    sent only as a whole: how it is cut is its own matter"""
        self.rfc, self.name, self.offers = rfc, name, offers
        self.once = once or make is not None
        self.make = make or (lambda: script)

    def __str__(self):
        return 'RFC %s: %s' % (self.rfc, self.name)


def pattern(n):
    """n bytes that show where something was lost; ASCII."""
    return (b'0123456789abcdefghijklmnopqrstuvwxyz-' * (n // 37 + 1))[:n]


def bytes_of(n):
    """n bytes of all values."""
    return (bytes(range(256)) * (n // 256 + 1))[:n]


def framing():
    """Section 5.2: lengths in their three forms, masks."""
    for n in (0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 124, 125, 126, 127, 128, 129, 255, 256,
              1023, 4096, 65534, 65535, 65536, 65537):
        yield Case('6455 5.2', 'text of %d bytes' % n, frame(TEXT, pattern(n)), text(pattern(n)))
        yield Case('6455 5.2', 'binary of %d bytes' % n, frame(BINARY, bytes_of(n)),
                   binary(bytes_of(n)))
    for key in (bytes(4), b'\xff' * 4, b'\0\0\0\x01', b'\x80\0\0\0', b'abcd'):
        yield Case('6455 5.3', 'the mask %s' % key.hex(), frame(TEXT, pattern(11), key=key),
                   frame(BINARY, bytes_of(300), key=key), frame(PING, 'x', key=key),
                   text(pattern(11)), binary(bytes_of(300)), pong('x'))
    yield Case('6455 5.3', 'a mask that makes the text bytes of a close frame',
               frame(TEXT, 'ab', key=bytes([0x61 ^ 0x88, 0x62 ^ 0x80, 0, 0])), text('ab'))
    for n, form in ((0, 16), (5, 16), (125, 16), (0, 64), (125, 64), (126, 64), (65535, 64)):
        for opcode, _, name in DATA_OPCODES:
            yield Case('6455 5.2', '%s: %d bytes told in %d bits are not minimal' % (name, n, form),
                       frame(opcode, pattern(n), form=form), closed(1002))
    yield Case('6455 5.2', 'a ping of 5 bytes told in 16 bits is not minimal',
               frame(PING, 'hello', form=16), closed(1002))
    for top in (1 << 63, (1 << 64) - 1):
        yield Case('6455 5.2', 'a length of %#x has its highest bit set' % top,
                   frame(BINARY, 'x', announce=top, form=64), closed(1002, 1009))
    for opcode, name in ((TEXT, 'text'), (BINARY, 'binary'), (PING, 'ping'), (PONG, 'pong'),
                         (CLOSE, 'close')):
        for payload in (b'', b'\x03\xe8'):
            yield Case('6455 5.1', 'an unmasked %s of %d bytes' % (name, len(payload)),
                       frame(opcode, payload, key=b''), closed(1002))
    yield Case('6455 5.1', 'an unmasked continuation',
               frame(TEXT, 'a', fin=False), frame(CONT, 'b', key=b''), closed(1002))
    yield Case('6455 5.1', 'unmasked behind one that is masked',
               frame(TEXT, 'a'), frame(TEXT, 'b', key=b''), text('a'), closed(1002))
    yield Case('6455 5.6', 'text and binary in turn',
               *[frame((TEXT, BINARY)[i % 2], 'n%d' % i) for i in range(10)],
               *[(text, binary)[i % 2]('n%d' % i) for i in range(10)])
    yield Case('6455 5.6', 'one at a time, each when the last is back',
               *[step for i in range(20) for step in (frame(TEXT, str(i)), text(str(i)))])


def pings():
    """Section 5.5.2 and 5.5.3."""
    for n in (0, 1, 2, 5, 124, 125):
        yield Case('6455 5.5.2', 'a ping of %d bytes' % n, frame(PING, pattern(n)),
                   pong(pattern(n)))
    for payload in (b'\0', b'\xff\xfe\xfd', b'\x00\xff' * 62, bytes(125), b'\xed\xa0\x80'):
        yield Case('6455 5.5.2', 'a ping of bytes %s' % payload[:3].hex(), frame(PING, payload),
                   pong(payload))
    for opcode, name in ((PING, 'ping'), (PONG, 'pong')):
        for n in (126, 127, 200, 65535, 65536):
            yield Case('6455 5.5', 'a %s of %d bytes is too long' % (name, n),
                       frame(opcode, pattern(n)), closed(1002))
        yield Case('6455 5.5', 'a %s that is announced too long' % name,
                   frame(opcode, 'x', announce=126), closed(1002))
        for n in (0, 3):
            yield Case('6455 5.4', 'a %s in fragments, the first of %d bytes' % (name, n),
                       frame(opcode, pattern(n), fin=False), closed(1002))
    yield Case('6455 5.5.2', 'ten pings at once', *[frame(PING, 'n%d' % i) for i in range(10)],
               *[pong('n%d' % i) for i in range(10)])
    yield Case('6455 5.5.2', 'ten pings in turn',
               *[step for i in range(10) for step in (frame(PING, 'n%d' % i), pong('n%d' % i))])
    yield Case('6455 5.5.2', 'a hundred pings between texts',
               *[frame(PING, 'p%d' % i) + frame(TEXT, 't%d' % i) for i in range(100)],
               *[want for i in range(100) for want in (pong('p%d' % i), text('t%d' % i))])
    for payload in ('', 'unasked', bytes_of(125)):
        yield Case('6455 5.5.3', 'an unasked pong of %d bytes' % len(payload),
                   frame(PONG, payload), frame(TEXT, 'after'), text('after'))
        yield Case('6455 5.5.3', 'an unasked pong of %d bytes before a ping' % len(payload),
                   frame(PONG, payload), frame(PING, 'asked'), pong('asked'))
    yield Case('6455 5.5.3', 'ten unasked pongs, ten pings',
               *[frame(PONG, 'u%d' % i) for i in range(10)],
               *[frame(PING, 'n%d' % i) for i in range(10)],
               *[pong('n%d' % i) for i in range(10)])
    yield Case('6455 5.5.3', 'nothing but a pong', frame(PONG, 'x'))


def reserved_bits():
    """Section 5.2: no extension has given them a meaning."""
    for rsv in range(1, 8):
        for opcode, name in ((TEXT, 'text'), (BINARY, 'binary'), (PING, 'ping'),
                             (PONG, 'pong'), (CLOSE, 'close')):
            payload = b'\x03\xe8' if opcode == CLOSE else pattern(rsv)
            yield Case('6455 5.2', 'reserved bits %d in a %s' % (rsv, name),
                       frame(opcode, payload, rsv=rsv), closed(1002))
        yield Case('6455 5.2', 'reserved bits %d in a continuation' % rsv,
                   frame(TEXT, 'a', fin=False), frame(CONT, 'b', rsv=rsv), closed(1002))
        yield Case('6455 5.2', 'reserved bits %d behind a good text and ping' % rsv,
                   frame(TEXT, 'good'), frame(PING, 'p'), frame(TEXT, 'bad', rsv=rsv),
                   frame(PING, 'q'), text('good'), pong('p'), closed(1002))


def opcodes():
    """Section 5.2: 3 to 7 and 11 to 15 are reserved."""
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Case('6455 5.2', 'opcode %d' % opcode, frame(opcode), closed(1002))
        yield Case('6455 5.2', 'opcode %d with a payload' % opcode,
                   frame(opcode, 'reserved'), closed(1002))
        yield Case('6455 5.2', 'opcode %d, unfinished' % opcode,
                   frame(opcode, 'x', fin=False), closed(1002))
        yield Case('6455 5.2', 'opcode %d behind a text, a ping behind it' % opcode,
                   frame(TEXT, 'good'), frame(opcode, 'x'), frame(PING), text('good'), closed(1002))
        yield Case('6455 5.2', 'opcode %d between fragments' % opcode,
                   frame(TEXT, 'a', fin=False), frame(opcode, 'x'), frame(CONT, 'b'), closed(1002))


def fragmentation():
    """Section 5.4."""
    for opcode, want, name in DATA_OPCODES:
        for parts in (['a', 'b'], ['one ', 'two ', 'three'], ['', ''], ['', '', ''], ['', 'x'],
                      ['x', ''], ['', 'x', '', 'y', ''], ['z' * 200, 'y' * 70000], list('letters')):
            sizes = ', '.join(str(len(part)) for part in parts)
            yield Case('6455 5.4', '%s in fragments of %s' % (name, sizes),
                       fragments(opcode, parts), want(''.join(parts)))
        yield Case('6455 5.4', name + ' in fragments, a ping between all',
                   fragments(opcode, list('abcd'), between=frame(PING, 'p')),
                   pong('p'), pong('p'), pong('p'), want('abcd'))
        yield Case('6455 5.4', name + ' in fragments, pongs between all',
                   fragments(opcode, list('abcd'), between=frame(PONG, 'p')), want('abcd'))
        yield Case('6455 5.5', name + ' in fragments, a ping is answered before the last',
                   frame(opcode, 'a', fin=False), frame(PING, 'now'), pong('now'),
                   frame(CONT, 'b', fin=False), frame(PING, 'again'), pong('again'),
                   frame(CONT, 'c'), want('abc'))
        yield Case('6455 5.4', name + ': two messages in fragments',
                   fragments(opcode, ['a', 'b']), fragments(opcode, ['c', 'd']),
                   want('ab'), want('cd'))
        yield Case('6455 5.4', name + ' inside a text in fragments',
                   frame(TEXT, 'a', fin=False), frame(opcode, 'b'), closed(1002))
        yield Case('6455 5.4', name + ' inside a binary in fragments, unfinished as well',
                   frame(BINARY, 'a', fin=False), frame(opcode, 'b', fin=False), closed(1002))
        yield Case('6455 5.4', name + ' inside fragments, behind a ping',
                   frame(TEXT, 'a', fin=False), frame(PING, 'p'), frame(opcode, 'b'),
                   pong('p'), closed(1002))
        yield Case('6455 5.4', name + ' in fragments that end, and one continuation more',
                   fragments(opcode, ['a', 'b']), frame(CONT, 'c'), want('ab'), closed(1002))
        yield Case('6455 5.4', name + ', then a continuation of nothing',
                   frame(opcode, 'a'), frame(CONT, 'b'), want('a'), closed(1002))
        yield Case('6455 5.4', name + ', unfinished, then a close',
                   frame(opcode, 'a', fin=False), close_frame(1000), closed(1000))
    for fin in (False, True):
        for payload in ('', 'x'):
            yield Case('6455 5.4', 'a continuation of nothing: fin %d, %d bytes'
                       % (fin, len(payload)), frame(CONT, payload, fin=fin), closed(1002))
    yield Case('6455 5.4', 'a continuation of nothing, then a good text',
               frame(CONT, 'x', fin=False), frame(TEXT, 'y'), closed(1002))
    yield Case('6455 5.4', 'a continuation of a ping',
               frame(PING, 'p'), frame(CONT, 'x'), pong('p'), closed(1002))


VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
               3000, 3001, 3999, 4000, 4001, 4999)
INVALID_CODES = (0, 1, 125, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1100, 1999, 2000, 2001,
                 2999, 5000, 5001, 9999, 32768, 65535)


def closes():
    """Sections 5.5.1, 7.1 and 7.4."""
    yield Case('6455 5.5.1', 'a close without a code', close_frame(), closed(None, 1000))
    yield Case('6455 5.5.1', 'a close of one byte', frame(CLOSE, b'\x03'), closed(1002))
    yield Case('6455 5.5.1', 'a close of one byte, which is zero', frame(CLOSE, b'\0'), closed(1002))
    for code in VALID_CODES:
        yield Case('6455 7.4', 'close %d' % code, close_frame(code), closed(code))
        yield Case('6455 7.4', 'close %d with a reason' % code,
                   close_frame(code, 'reason \u20ac'), closed(code))
    for code in INVALID_CODES:
        yield Case('6455 7.4', 'close %d may not be sent' % code, close_frame(code), closed(1002))
        yield Case('6455 7.4', 'close %d may not be sent, with a reason' % code,
                   close_frame(code, 'why'), closed(1002))
    for n in (1, 2, 122, 123):
        yield Case('6455 5.5.1', 'a reason of %d bytes' % n, close_frame(1000, pattern(n)),
                   closed(1000))
    yield Case('6455 5.5.1', 'a reason of 123 bytes in letters of three',
               close_frame(1000, '\u20ac' * 41), closed(1000))
    for n in (124, 125, 1000, 70000):
        yield Case('6455 5.5', 'a reason of %d bytes is too long' % n,
                   close_frame(1000, pattern(n)), closed(1002))
    yield Case('6455 5.5', 'a close in fragments', close_frame(1000, 'x', fin=False), closed(1002))
    yield Case('6455 5.5.1', 'two closes, one answer', close_frame(1000), close_frame(1001),
               closed(1000))
    yield Case('6455 5.5.1', 'two empty closes', close_frame(), close_frame(), closed(None, 1000))
    for what, behind in (('a ping', frame(PING, 'p')), ('a text', frame(TEXT, 't')),
                         ('a text in fragments', fragments(TEXT, ['a', 'b'])),
                         ('a pong', frame(PONG)), ('a bad frame', frame(3, 'x', rsv=7)),
                         ('bad text', frame(TEXT, b'\xff')), ('no frames', b'\x16\x03\x01' * 100),
                         ('64 KiB', frame(BINARY, bytes_of(65536))),
                         ('4 MiB', frame(BINARY, bytes_of(4 << 20))),
                         ('half a frame', frame(TEXT, 'half', announce=1000))):
        yield Case('6455 5.5.1', 'behind a close, %s is ignored' % what,
                   close_frame(1000) + behind, closed(1000))
    yield Case('6455 5.5.1', 'a text, then a close', frame(TEXT, 'x'), close_frame(1000),
               text('x'), closed(1000))
    yield Case('6455 5.5.1', 'a ping, then a close', frame(PING, 'x'), close_frame(1000),
               pong('x'), closed(1000))
    for n in (256 << 10, 4 << 20):
        yield Case('6455 5.5.1', 'a message of %d KiB and at once a close' % (n >> 10),
                   make=lambda n=n: (frame(BINARY, bytes_of(n)) + close_frame(1000, 'done'),
                                     binary(bytes_of(n)), closed(1000)))
    yield Case('6455 7.1.7', 'behind a frame that fails the connection nothing counts',
               frame(TEXT, 'x', rsv=1), frame(TEXT, 'y'), close_frame(1000), closed(1002))
    yield Case('6455 7.1.7', 'nor do 4 MiB', frame(TEXT, 'x', rsv=1),
               frame(BINARY, bytes_of(4 << 20)), closed(1002))


def large(opcode, want, n):
    data = pattern(n) if opcode == TEXT else bytes_of(n)
    return data, want(data)


def limits():
    """Section 10.4, and sizes that the RFC leaves open."""
    for opcode, want, name in DATA_OPCODES:
        def whole(n, opcode=opcode, want=want):
            data, wanted = large(opcode, want, n)
            return frame(opcode, data), wanted

        def cut(n, size, opcode=opcode, want=want):
            data, wanted = large(opcode, want, n)
            return fragments(opcode, split(data, size)), wanted

        for n in (64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, MAX_MESSAGE):
            yield Case('6455 5.2', '%s of %d KiB' % (name, n >> 10), make=lambda n=n: whole(n))
        for size in (64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10):
            yield Case('6455 5.4', '%s of 1 MiB in fragments of %d' % (name, size),
                       make=lambda size=size: cut(1 << 20, size))
        yield Case('6455 5.4', name + ' of 16 MiB in fragments of 1 MiB',
                   make=lambda: cut(MAX_MESSAGE, 1 << 20))
        yield Case('6455 5.4', name + ' of 64 KiB in fragments of 1300',
                   make=lambda: cut(65536, 1300))
        for size in (64, 128, 256, 512, 1000):
            yield Case('6455 5.4', '%s of 256 KiB in writes of %d' % (name, size),
                       make=lambda size=size: tuple(split(whole(256 << 10)[0], size))
                       + whole(256 << 10)[1:])
        for n in (0, 16, 64, 256, 1024, 4096):
            yield Case('6455 5.6', '%s of %d bytes, 500 times' % (name, n),
                       make=lambda n=n: (b''.join([whole(n)[0]] * 500), *whole(n)[1:] * 500))
        yield Case('6455 10.4', name + ': one byte above max_message',
                   make=lambda: (whole(MAX_MESSAGE + 1)[0], closed(1009)))
        yield Case('6455 10.4', name + ': above max_message in fragments',
                   make=lambda: (cut(MAX_MESSAGE + 1, 4 << 20)[0], closed(1009)))
        for power in (32, 40, 62):
            yield Case('6455 10.4', '%s: 2^%d bytes are refused when announced' % (name, power),
                       frame(opcode, 'x', announce=1 << power), closed(1009))
        yield Case('6455 10.4', name + ': the fragment that will be too much is refused at once',
                   frame(opcode, 'x' * 100, fin=False),
                   frame(CONT, 'x', announce=MAX_MESSAGE - 99), closed(1009))
        yield Case('6455 10.4', name + ': max_message counts each message for itself',
                   make=lambda: 2 * (cut(9 << 20, 3 << 20) + (frame(PING, 'p'), pong('p'))))


def cases():
    for part in (framing, pings, reserved_bits, opcodes, fragmentation, closes, limits):
        yield from part()
