# SPDX-License-Identifier: MIT
"""Cases of RFC 6455, section 8.1: text is UTF-8 as RFC 3629 has it, and what is
not fails the connection with 1007 as soon as its bytes tell.

Most rows are made from the table in section 4 of RFC 3629: each form of a
character is a range for each of its bytes.
"""
from websocket_cases import Case
from websocket_client import *

TAIL = (0x80, 0xbf)
FORMS = (
    ((0x00, 0x7f),),
    ((0xc2, 0xdf), TAIL),
    ((0xe0, 0xe0), (0xa0, 0xbf), TAIL),
    ((0xe1, 0xec), TAIL, TAIL),
    ((0xed, 0xed), (0x80, 0x9f), TAIL),
    ((0xee, 0xef), TAIL, TAIL),
    ((0xf0, 0xf0), (0x90, 0xbf), TAIL, TAIL),
    ((0xf1, 0xf3), TAIL, TAIL, TAIL),
    ((0xf4, 0xf4), (0x80, 0x8f), TAIL, TAIL),
)
NEVER = (0x80, 0xbf, 0xc0, 0xc1, 0xf5, 0xf7, 0xf8, 0xfb, 0xfc, 0xfd, 0xfe, 0xff)

SAMPLES = (
    ('of one to four bytes', 'a\u00df\u20ac\U0001f600z'),
    ('Greek', '\u03ba\u1f79\u03c3\u03bc\u03b5'),
    ('Chinese', '\u4f60\u597d\uff0c\u4e16\u754c'),
    ('Hebrew and Arabic', '\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627'),
    ('an emoji of several characters', '\U0001f469\u200d\U0001f4bb\U0001f3f4\ufe0f'),
    ('NUL', 'a\0b'),
    ('all of ASCII', ''.join(map(chr, range(128)))),
    ('the controls of Latin-1', ''.join(map(chr, range(0x80, 0xa0)))),
    ('a byte order mark', '\ufeffx'),
    ('a combining mark first', '\u0301e'),
    ('private use', '\ue000\uf8ff\U000f0000\U0010fffd'),
    ('the replacement character', '\ufffd'),
    ('the neighbours of the surrogates', '\ud7ff\ue000'),
    ('U+10FFFF', '\U0010ffff'),
    ('U+FDD0 to U+FDEF', ''.join(map(chr, range(0xfdd0, 0xfdf0)))),
    ('line ends', '\r\n\u2028\u2029\x85'),
)

# What other encoders make, or what was UTF-8 before RFC 3629.
NAMED_ERRORS = (
    ('a slash in two bytes', b'\xc0\xaf'),
    ('a slash in three bytes', b'\xe0\x80\xaf'),
    ('a slash in four bytes', b'\xf0\x80\x80\xaf'),
    ('a slash in five bytes', b'\xf8\x80\x80\x80\xaf'),
    ('a slash in six bytes', b'\xfc\x80\x80\x80\x80\xaf'),
    ('NUL in two bytes', b'\xc0\x80'),
    ('NUL in three bytes', b'\xe0\x80\x80'),
    ('U+007F in two bytes', b'\xc1\xbf'),
    ('U+07FF in three bytes', b'\xe0\x9f\xbf'),
    ('U+FFFF in four bytes', b'\xf0\x8f\xbf\xbf'),
    ('the surrogate D800', b'\xed\xa0\x80'),
    ('the surrogate DB7F', b'\xed\xad\xbf'),
    ('the surrogate DBFF', b'\xed\xaf\xbf'),
    ('the surrogate DC00', b'\xed\xb0\x80'),
    ('the surrogate DFFF', b'\xed\xbf\xbf'),
    ('a pair of surrogates', b'\xed\xa0\xbd\xed\xb8\x80'),
    ('surrogates the wrong way round', b'\xed\xb8\x80\xed\xa0\xbd'),
    ('U+110000', b'\xf4\x90\x80\x80'),
    ('U+13FFFF', b'\xf4\xbf\xbf\xbf'),
    ('U+140000', b'\xf5\x80\x80\x80'),
    ('U+1FFFFF', b'\xf7\xbf\xbf\xbf'),
    ('U+200000 in five bytes', b'\xf8\x88\x80\x80\x80'),
    ('U+4000000 in six bytes', b'\xfc\x84\x80\x80\x80\x80'),
    ('two tails', b'\x80\xbf'),
    ('a tail behind a whole character', b'\xc3\xa4\xa4'),
    ('two leads of two', b'\xc3\xc3\xa4'),
    ('a lead of three before one of two', b'\xe2\x82\xc3\xa4'),
    ('Latin-1', b'gr\xfc\xdfe'),
    ('UTF-16', b'\xff\xfea\0'),
    ('FE and FF', b'\xfe\xfe\xff\xff'),
)


def lows(form):
    return bytes(low for low, _ in form)


def highs(form):
    return bytes(high for _, high in form)


def whole_characters():
    for form in FORMS:
        for char in (lows(form), highs(form)):
            yield Case('3629 4', 'the character %s, U+%04X' % (char.hex(), ord(char.decode())),
                       frame(TEXT, char), frame(TEXT, b'a' + char + b'z'),
                       text(char), text(b'a' + char + b'z'))
    for plane in range(17):
        last = chr(plane << 16 | 0xfffe) + chr(plane << 16 | 0xffff)
        yield Case('3629 3', 'the last two of plane %d are no characters, but UTF-8' % plane,
                   frame(TEXT, last), text(last))
    for name, sample in SAMPLES:
        yield Case('6455 8.1', 'text with ' + name, frame(TEXT, sample), text(sample))
        yield Case('6455 8.1', 'text with %s, a byte in each fragment' % name,
                   fragments(TEXT, split(sample, 1)), text(sample))


def cut_characters():
    """Fragments may end inside a character (section 5.6)."""
    data = SAMPLES[0][1].encode()
    for at in range(1, len(data)):
        yield Case('6455 5.6', 'text cut before byte %d of 11' % at,
                   fragments(TEXT, [data[:at], data[at:]]), text(data))
        yield Case('6455 5.6', 'text cut before byte %d of 11, a ping is answered there' % at,
                   frame(TEXT, data[:at], fin=False), frame(PING, 'p'), pong('p'),
                   frame(CONT, '', fin=False), frame(CONT, data[at:]), text(data))
    long = ('\u20ac\U0001f600' * 20000).encode()
    yield Case('6455 5.6', '140 KB of such characters in fragments of 997',
               fragments(TEXT, split(long, 997)), text(long))


def outside():
    """Each byte just outside of its range, the others in theirs."""
    for form in FORMS[1:]:
        for i in range(1, len(form)):
            for byte in (form[i][0] - 1, form[i][1] + 1):
                bad = lows(form[:i]) + bytes([byte]) + highs(form[i + 1:])
                yield bad.hex(), bad
    for byte in NEVER:
        yield '%02x alone' % byte, bytes([byte])


def errors():
    for name, bad in list(outside()) + list(NAMED_ERRORS):
        yield Case('6455 8.1', 'text with ' + name, frame(TEXT, b'good ' + bad + b' good'),
                   closed(1007))
        yield Case('6455 8.1', 'text with %s, found in an unfinished frame' % name,
                   frame(TEXT, b'good ' + bad + b' good', fin=False, announce=1000), closed(1007))
        yield Case('6455 8.1', 'text with %s in the second of three fragments' % name,
                   frame(TEXT, 'good', fin=False), frame(CONT, bad + b'x', fin=False),
                   closed(1007))


def ends():
    """A message may not end inside a character."""
    for form in FORMS[1:]:
        for n in range(1, len(form)):
            part = highs(form)[:n]
            yield Case('6455 8.1', 'text that ends with ' + part.hex(),
                       frame(TEXT, b'x' + part), closed(1007))
            yield Case('6455 8.1', 'text whose last fragment ends with ' + part.hex(),
                       fragments(TEXT, [b'x', part[:1], part[1:]]), closed(1007))
    yield Case('6455 8.1', 'text that ends inside a character, in an empty last fragment',
               fragments(TEXT, [b'\xe2\x82', b'']), closed(1007))
    yield Case('6455 8.1', 'the character does not go on in the next message',
               frame(TEXT, b'\xe2\x82'), frame(TEXT, b'\xac'), closed(1007))


def at_once():
    """The first byte that cannot be right is enough, whatever is to follow."""
    for bad in (b'\x80', b'\xc0', b'\xc1', b'\xc3A', b'\xe0\x9f', b'\xed\xa0', b'\xe2\x82A',
                b'\xe2A', b'\xf0\x8f', b'\xf4\x90', b'\xf1\x80A', b'\xf1\x80\x80A', b'\xf5',
                b'\xf8', b'\xff'):
        yield Case('6455 8.1', 'an unfinished frame is failed at the last byte of ' + bad.hex(),
                   frame(TEXT, b'good' + bad, announce=100), closed(1007))
        yield Case('6455 8.1', 'the last byte of %s fails a fragment that begins with it'
                   % bad.hex(),
                   frame(TEXT, b'good' + bad[:-1], fin=False),
                   frame(CONT, bad[-1:], announce=100), closed(1007))
    for n in (100, 65536, 1 << 20):
        yield Case('6455 8.1', 'a bad byte behind %d good ones of an unfinished frame' % n,
                   frame(TEXT, b'x' * n + b'\xff', announce=n + 1000), closed(1007))


def elsewhere():
    """What is not text need not be UTF-8; a reason must be."""
    for name, bad in NAMED_ERRORS[::3]:
        yield Case('6455 5.6', 'binary with ' + name, frame(BINARY, bad), binary(bad))
        yield Case('6455 5.5.2', 'a ping with ' + name, frame(PING, bad), pong(bad))
        yield Case('6455 5.6', 'binary in fragments with ' + name,
                   fragments(BINARY, split(bad, 1)), binary(bad))
    for name, bad in NAMED_ERRORS:
        yield Case('6455 5.5.1', 'a reason with ' + name, close_frame(1000, bad), closed(1007))
    for name, sample in SAMPLES:
        yield Case('6455 5.5.1', 'a reason with ' + name,
                   close_frame(1000, sample.encode()[:123] if sample.isascii() else sample),
                   closed(1000))
    yield Case('6455 5.5.1', 'a reason that ends inside a character',
               close_frame(1000, b'x\xe2\x82'), closed(1007))
    yield Case('6455 5.4', 'bad text behind a ping between fragments',
               frame(TEXT, b'\xe2\x82', fin=False), frame(PING, b'\xac'), frame(CONT, b'\xff'),
               pong(b'\xac'), closed(1007))
    yield Case('6455 5.4', 'a ping does not disturb a character that is cut',
               frame(TEXT, b'\xe2\x82', fin=False), frame(PING, b'\xff'), frame(CONT, b'\xac'),
               pong(b'\xff'), text('\u20ac'))


def cases():
    for part in (whole_characters, cut_characters, errors, ends, at_once, elsewhere):
        yield from part()
