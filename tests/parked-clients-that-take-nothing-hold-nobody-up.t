#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# parked-clients-that-take-nothing-hold-nobody-up.t - a parked client has at most
# a window of bytes on their way, in both directions, and is fed from the table
# when it takes again; one that never does is cut.  A child of httpd that does not
# read its link delays its own clients and nobody else, and costs no memory.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket as Ws, percentile, rss_kb
from fake_httpd import *

LINES = 60
SIZE = 8000


def publish(site, channel, n=LINES):
    """Messages that can be told apart; together more than two windows."""
    texts = ['%04d' % i + 'z' * SIZE for i in range(n)]
    for text in texts:
        site.publish_sql(channel, text)
    return texts


def lines(data):
    return [l[6:] for l in bytes(data).decode().split('\n') if l.startswith('data: ')]


def windows(tap, site):
    with Link(site, 'sse') as link:
        for i in range(3):
            link.park(i, '/push/sse?channel=w')
        site.wait_subscribers('w', 3)
        link.wait(lambda: len(link.data) == 3)
        # 0 takes nothing, 1 all, 2 takes and then stops for a while.
        told = {1: 0, 2: 0}

        def take(*numbers):
            for i in numbers:
                n = len(link.data[i]) - told[i]
                if n >= REPORT:
                    link.taken((i, n))
                    told[i] += n
        texts = publish(site, 'w', 20)
        end = deadline(20)
        while len(lines(link.data[2])) < 20 and time.monotonic() < end:
            link.read_some(0.2)
            take(1, 2)
        texts += [t for t in publish(site, 'w')]
        while lines(link.data[1]) != texts and time.monotonic() < end:
            link.read_some(0.2)
            take(1)
        tap.ok(lines(link.data[1]) == texts, 'who takes gets all of it',
               len(lines(link.data[1])))
        tap.ok(WINDOW - SIZE - 5000 < len(link.data[0]) <= WINDOW,
               'who takes nothing has a window of bytes', len(link.data[0]))
        on_way = len(link.data[2]) - told[2]
        tap.ok(on_way <= WINDOW, 'and so has who stops to', on_way)
        tap.equal(link.over, [], 'nobody is cut for being behind')
        # They go on where they were.
        while (lines(link.data[2]) != texts) and time.monotonic() < end:
            link.read_some(0.2)
            take(2)
        tap.ok(lines(link.data[2]) == texts, 'who takes again gets the rest, in order')
        told[0] = 0
        while (lines(link.data[0]) != texts) and time.monotonic() < end:
            take(0)
            link.read_some(0.2)
        tap.ok(lines(link.data[0]) == texts, 'the other one too')


def cut(tap, site):
    """stall is 2 s here."""
    with Link(site, 'sse') as link:
        link.takes = True
        link.park(0, '/push/sse?channel=c')
        link.wait(lambda: 0 in link.data)
        link.takes = False
        site.wait_subscribers('c', 1)
        publish(site, 'c', 12)
        link.wait_over(0, seconds=15)
        tap.ok(len(link.data[0]) <= WINDOW, 'who takes nothing for long is cut',
               len(link.data[0]))
        link.gone(0)
        link.again(0)
        link.park(0, '/push/sse?channel=c')
        link.wait(lambda: 0 in link.data)
        tap.ok(True, 'and its number may be used')


def slow_child(tap, site):
    with Link(site, 'sse') as slow, Link(site, 'sse') as quick:
        quick.takes = slow.takes = True
        slow.sock.setblocking(True)
        for i in range(200):
            slow.park(i, '/push/sse?channel=s&format=json' if i % 2 else '/push/sse?channel=s')
            slow.read_some(0)
        slow.wait(lambda: len(slow.data) == 200)
        quick.park(0, '/push/sse?channel=s')
        plain = quick.hand_over('/push/sse?channel=s')
        site.wait_subscribers('s', 202)
        memory = rss_kb(site.pid('sse'))
        took, texts = [], []
        for n in range(400):  # the slow one reads none of this
            texts.append('%04d' % n + 's' * 3000)
            began = time.monotonic()
            site.publish_sql('s', texts[-1])
            quick.wait_data(0, texts[-1])
            plain.wait(texts[-1])
            took.append(time.monotonic() - began)
        # The machine may stand still for a moment, now and then.
        tap.ok(percentile(took, 95) < 0.5 * PATIENCE, 'others get every message at once', took)
        grown = rss_kb(site.pid('sse')) - memory
        if not os.environ.get('TIDINGS_CHECKED'):
            tap.ok(grown < 30000, 'what it does not read is not kept for it', '%d KB' % grown)
        tap.note('%d KB for 200 clients that are 1200 KB behind; worst %.1f ms' % (
            grown, max(took) * 1000))
        slow.wait(lambda: all(texts[-1].encode() in slow.data[i] for i in range(0, 200)), 60,
                  'all of it')
        want = [t for t in texts]
        wrong = [i for i in range(0, 200, 2) if lines(slow.data[i]) != want]
        tap.equal(wrong, [], 'when it reads, its clients get all of it, in order')
        wrong = [i for i in range(1, 200, 2)
                 if [json.loads(l)['data'] for l in lines(slow.data[i])] != want]
        tap.equal(wrong, [], 'those of another form too')


def input_window(tap, site):
    with Link(site, 'wsd') as link:
        link.park(0, '/push/ws/echo', headers=websocket_headers())
        link.park(1, '/push/ws/echo', headers=websocket_headers())
        link.wait(lambda: len(link.data) == 2)
        frame = Ws.frame(2, bytes(1000))
        sent = used = 0
        # It sends and never takes its answers; as the module, within the window.
        end = deadline(20)
        quiet = 0
        while quiet < 5 and time.monotonic() < end:
            if sent + len(frame) - link.used.get(0, 0) <= INPUT:
                link.input(0, frame)
                sent += len(frame)
                quiet = 0
            elif not link.read_some(0.2):
                quiet += 1
        used = link.used.get(0, 0)
        tap.ok(quiet == 5 and 0 < used < 1 << 20, 'who takes no answers is not read from', sent)
        tap.ok(len(link.data[0]) <= WINDOW, 'and has a window of them', len(link.data[0]))
        link.input(1, Ws.frame(1, 'another'))
        link.wait_data(1, 'another')
        tap.ok(True, 'another one is served')
        head = link.data[0].index(b'\r\n\r\n') + 4
        want = sent // len(frame) * (len(frame) - 4)  # no mask in what comes back
        told = 0
        while len(link.data[0]) - head < want and time.monotonic() < end:
            if len(link.data[0]) > told:
                link.taken((0, len(link.data[0]) - told))
                told = len(link.data[0])
            link.read_some(0.2)
        tap.equal(len(link.data[0]) - head, want, 'when it takes, all that it sent is answered')
    for name in ('sse', 'iframe'):
        with Link(site, name) as link:
            link.park(0, '/push/%s?channel=a' % name)
            for _ in range(50):
                while link.used.get(0, 0) + INPUT < _ * 10000:
                    link.wait(lambda: link.used.get(0, 0) + INPUT >= _ * 10000)
                link.input(0, bytes(10000))
            link.wait(lambda: link.used.get(0, 0) > 500000 - REPORT, 10, 'READ')
            tap.ok(link.used[0] <= 500000, name + ': input is passed over and READ')
        with Link(site, name) as link:
            link.park(0, '/push/%s?channel=a' % name)
            link.wait(lambda: 0 in link.data)


def main(tap):
    with Site({'tidings': {'stall': '60s'}}) as site:
        windows(tap, site)
        slow_child(tap, site)
        input_window(tap, site)
        tap.ok(site.lives(), 'the programs live', site.programs_log()[-2000:])
    with Site({'tidings': {'stall': '2s'}}) as site:
        cut(tap, site)
        tap.ok(site.lives(), 'the programs live', site.programs_log()[-2000:])


run(main)
