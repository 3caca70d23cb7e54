#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# malformed-hand-overs-end-that-link-alone.t - whatever a peer sends by a
# hand-over link, at worst that link ends: the clients of other links and those
# that were handed over by this one stay, no descriptor is kept, and the programs
# live.
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import sockets
from fake_httpd import *

TARGET = {'sse': '/push/sse?channel=a', 'iframe': '/push/iframe?channel=a',
          'longpoll': '/push/longpoll?channel=a', 'wsd': '/push/ws?channel=a'}
HELLO_PACKET = packet(HELLO, data=GREETING)


def how(name):
    return {'headers': websocket_headers()} if name == 'wsd' else {}


def table(name):
    """What, the packets, and how many sockets go with the last of them."""
    good = variables(TARGET[name], **how(name))
    park = packet(PARK, [0], good)
    yield 'no greeting', [packet(CLIENT, data=good)], 1
    yield 'no greeting, parked', [park], 0
    yield 'another version', [packet(HELLO, data=b'tidings 2')], 0
    yield 'a greeting with a descriptor', [HELLO_PACKET], 1
    yield 'a greeting twice', [HELLO_PACKET, HELLO_PACKET], 0
    hello = [HELLO_PACKET]
    yield 'half a head', hello + [b'\2\0\0\0\0'], 0
    yield 'type 0', hello + [packet(0)], 0
    yield 'type 8', hello + [packet(DATA, [1], b'x')], 0
    yield 'type 2^32 - 1', hello + [packet(2 ** 32 - 1)], 0
    yield 'CLIENT without a descriptor', hello + [packet(CLIENT, data=good)], 0
    yield 'CLIENT with two', hello + [packet(CLIENT, data=good)], 2
    yield 'CLIENT with nine', hello + [packet(CLIENT, data=good)], 9
    yield 'CLIENT with a number', hello + [packet(CLIENT, [1], good)], 1
    yield 'CLIENT without variables', hello + [packet(CLIENT)], 1
    yield 'more than a packet', hello + [packet(CLIENT, data=good + b'X\0' + bytes(70000))], 1
    yield 'PARK with a descriptor', hello + [park], 1
    yield 'PARK of two', hello + [packet(PARK, [0, 1], good)], 0
    yield 'PARK of a number in use', hello + [park, park], 0
    yield 'PARK of a large number', hello + [packet(PARK, [1000000], good)], 0
    yield 'a count that lies', hello + [park, struct.pack('=III', GONE, 7, 0)], 0
    yield 'a count that overflows', hello + [park, struct.pack('=III', GONE, 2 ** 30 + 1, 0)], 0
    yield 'TAKEN that was not sent', hello + [park, pairs_packet(TAKEN, [(0, 2 ** 31)])], 0
    yield 'TAKEN and a byte', hello + [park, pairs_packet(TAKEN, [(0, 0)]) + b'x'], 0
    yield 'GONE of none', hello + [park, packet(GONE)], 0
    yield 'too much input at once', hello + [park, packet(INPUT_OF, [0], bytes(INPUT + 1))], 0
    yield 'LEAVE with bytes', hello + [park, packet(LEAVE, data=b'x')], 0
    yield 'an empty packet', hello + [park, b''], 0


def bad_variables(tap, site, name):
    """What visitors and rules make of them costs one client its answer, and not
    all others of the link theirs."""
    good = variables(TARGET[name], **how(name))
    with Link(site, name) as link:
        link.park(7, TARGET[name], **how(name))
        if name != 'longpoll':
            link.wait_data(7, '\r\n\r\n')
        for number, bad in enumerate((good + b'X\0', good + b'X\0y', good + b'\0y\0',
                                      good[:-1])):
            ours, theirs = socket.socketpair()
            link.send(packet(CLIENT, data=bad), [theirs.fileno()])
            theirs.close()
            ours.settimeout(5)
            tap.equal(ours.recv(1), b'', name + ': a client with bad variables is closed')
            ours.close()
            link.send(packet(PARK, [number], bad))
            link.wait_over(number)
        link.park(8, TARGET[name] + '&wait=0', **how(name))
        link.wait_data(8, '\r\n\r\n')
        tap.ok(7 not in link.over and not link.ended, name + ': the link and its clients live')


def unknown_numbers(tap, site, name):
    """Of clients that ended meanwhile, as both ends may cross: nobody's."""
    with Link(site, name) as link:
        link.park(7, TARGET[name], **how(name))
        for bad in (pairs_packet(TAKEN, [(3, 10), (999999, 2 ** 31), (7, 0)]),
                    packet(GONE, [3, 999999]), packet(INPUT_OF, [3], b'x')):
            link.send(bad)
        link.park(8, TARGET[name] + '&wait=0', **how(name))
        link.wait_data(8, '\r\n\r\n')
        tap.ok(7 not in link.over and not link.ended,
               name + ': numbers that nobody has end no link')


def odd_descriptors(name):
    """Descriptors that are no connection of a client."""
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen()
    yield 'a datagram socket', a.fileno()
    yield 'a listening socket', listener.fileno()
    yield 'a file', os.open('/dev/null', os.O_RDWR)
    r, w = os.pipe()
    yield 'a pipe', r
    yield 'a UDP socket', socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno()
    del b, w


def try_one(tap, site, name, what, packets, nfds):
    with Link(site, name, hello=False) as link:
        pairs = [socket.socketpair() for _ in range(nfds)]
        for i, data in enumerate(packets):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                fds = [s.fileno() for _, s in pairs] if i == len(packets) - 1 else []
                if len(data) > 200000:
                    link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                link.send(data, fds)
        with contextlib.suppress(Failure):
            link.wait_end(5)
        ended = link.ended
        for ours, theirs in pairs:
            theirs.close()
            ours.settimeout(5)
            ended = ended and ours.recv(1) == b''
            ours.close()
        return ended


def noise(rnd, name):
    good = packet(PARK, [rnd.randrange(4)], variables(TARGET[name], **how(name)))
    kind = rnd.randrange(3)
    if kind == 0:
        return rnd.randbytes(rnd.randrange(1, 200))
    if kind == 1:
        b = bytearray(good)
        b[rnd.randrange(len(b))] = rnd.randrange(256)
        return bytes(b)
    type = rnd.randrange(1, 8)
    numbers = [rnd.randrange(5) for _ in range(rnd.randrange(4))]
    return packet(type, numbers, rnd.randbytes(rnd.randrange(20)))


def main(tap):
    seed = int(os.environ.get('TIDINGS_SEED', '0')) or random.randrange(1 << 30)
    tap.note('TIDINGS_SEED=%d' % seed)
    rnd = random.Random(seed)
    with Site() as site:
        for name in TARGET:
            with Link(site, name) as other, Link(site, name) as link:
                stays = other.hand_over(TARGET[name] + '-stays', **how(name))
                other.park(3, TARGET[name] + '-stays', **how(name))
                site.wait_subscribers('a-stays', 2)
                before = sockets(site.pid(name))
                bad = [what for what, packets, nfds in table(name)
                       if not try_one(tap, site, name, what, packets, nfds)]
                tap.equal(bad, [], name + ': each ends its link, and its sockets')
                bad_variables(tap, site, name)
                unknown_numbers(tap, site, name)
                for what, fd in odd_descriptors(name):
                    with Link(site, name) as odd:
                        odd.send(packet(CLIENT, data=variables(TARGET[name], **how(name))), [fd])
                        with contextlib.suppress(Failure):
                            odd.wait_end(5)
                        tap.ok(odd.ended, '%s: %s is no client' % (name, what))
                for _ in range(300):
                    with Link(site, name) as garbage:
                        with contextlib.suppress(OSError):
                            for _ in range(rnd.randrange(1, 8)):
                                garbage.send(noise(rnd, name))
                        garbage.read_some(0)

                # Handed over by a link that ends badly: it is not the link's.
                outlives = link.hand_over(TARGET[name] + '-outlives', **how(name))
                site.wait_subscribers('a-outlives', 1)
                link.send(packet(0))
                link.wait_end()
                site.publish_sql('a-outlives', 'outlives')
                outlives.wait('outlives')
                outlives.close()
                with contextlib.suppress(Failure):
                    wait_for(lambda: sockets(site.pid(name)) < before, 10, 'descriptors')
                tap.ok(sockets(site.pid(name)) < before, name + ': no descriptor is kept',
                       before, sockets(site.pid(name)))
                tap.equal(site.subscribers('a'), 0, name + ': nor a client')
                site.publish_sql('a-stays', 'stays')
                stays.wait('stays')
                other.wait_data(3, 'stays')
                tap.ok(True, name + ': the clients of another link are not disturbed')
                stays.close()
        log = at_last(lambda: [l for l in site.programs_log().splitlines()
                               if 'its link is closed' in l], lambda log: len(log) >= 4)
        tap.ok(4 <= len(log) < 40, 'there are lines in the log, but not one each', len(log),
               '\n'.join(log[:3]))
        tap.ok(site.lives(), 'the programs live', site.programs_log()[-2000:])


run(main)
