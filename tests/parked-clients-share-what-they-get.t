#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# parked-clients-share-what-they-get.t - clients that a child of httpd keeps: a
# message to thousands is one packet, each gets every byte in its order whatever
# is mixed with it, END comes once for every number, and numbers are used again.
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket as Ws
from fake_httpd import *

MANY = 3000


def head_and_body(data):
    head, _, body = bytes(data).partition(b'\r\n\r\n')
    return head.decode(), body


def one_packet(tap, site):
    with Link(site, 'sse') as link:
        for i in range(MANY):
            link.park(i, '/push/sse?channel=many')
            link.read_some(0)
        link.wait(lambda: len(link.data) == MANY and all(
            b'\nid: ' in d for d in link.data.values()), 30, 'the heads')
        head, body = head_and_body(link.data[7])
        tap.ok(head.startswith('HTTP/1.1 200 OK\r\nDate: ') and 'Connection: close' in head and
               'Transfer-Encoding' not in head and body.startswith(b': tidings'),
               'the answer is the HTTP that a client gets', head)
        for text in ('first', 'second'):
            link.packets = 0
            link.shared.clear()
            site.publish_sql('many', text)
            link.wait(lambda: all(text.encode() in link.data[i] for i in (0, MANY - 1)))
            tap.equal((link.packets, link.shared), (1, [MANY]), 'a message to all is one packet')
        site.publish_sql('many', 'x' * 200000)
        link.takes = True
        link.wait(lambda: all(d.endswith(b'x\n\n') for d in link.data.values()), 60, 'a large one')
        tap.equal(len({bytes(d).partition(b'data: first')[2] for d in link.data.values()}), 1,
                  'a message that fits into no packet comes in slices, the same to all')
        tap.ok(len(link.shared) < 60, 'which they share too', len(link.shared))
        # Every number ends once, and may be used anew.
        link.gone(*range(0, MANY, 3))
        link.wait_over(*range(0, MANY, 3))
        link.gone(0, 3, 3, MANY + 5)  # over, or never there
        for i in (0, 3):
            link.again(i)
            link.park(i, '/push/sse?channel=again')
        site.wait_subscribers('again', 2)
        site.publish_sql('again', 'anew')
        link.wait_data(0, 'anew')
        link.wait_data(3, 'anew')
        tap.equal(site.subscribers('many'), MANY - len(range(0, MANY, 3)), 'who is gone is gone')
        link.leave()
        link.wait(lambda: len(link.over) == MANY, 20, 'END of each')
        tap.equal(sorted(link.over), list(range(MANY)), 'LEAVE ends every one, once')
        link.park(9000, '/push/sse?channel=many')
        link.wait_over(9000)
        tap.ok(True, 'and one that comes behind it')


def mixed(tap, site, seed):
    """Several channels, forms and sizes at once, taken in small steps."""
    rnd = random.Random(seed)
    with Link(site, 'wsd') as link:
        link.takes = True
        wants = {}
        for i in range(60):
            channels = rnd.sample('abcde', rnd.randrange(1, 4))
            protocol = {'Sec_WebSocket_Protocol': 'tidings.json'} if i % 3 == 0 else {}
            link.park(i, '/push/ws?' + '&'.join('channel=' + c for c in channels),
                      headers=websocket_headers(**protocol))
            wants[i] = channels
        link.wait(lambda: len(link.data) == 60, 20, 'the heads')
        sent = {c: [] for c in 'abcde'}
        order = []
        for n in range(300):
            channel = rnd.choice('abcde')
            text = '%s%05d.' % (channel, n) + 'y' * rnd.choice((0, 5, 700, 9000))
            site.publish_sql(channel, text)
            sent[channel].append(text)
            order.append((channel, text))
            link.read_some(0)
        last = {i: [t for c, t in order if c in wants[i]] for i in wants}

        def frames(data):
            ws = Ws.__new__(Ws)
            ws.buf = bytes(data).partition(b'\r\n\r\n')[2]
            out = []
            while True:
                frame = ws.take()
                if frame is None:
                    return out
                text = frame[1].decode()
                out.append(json.loads(text)['data'] if text.startswith('{') else text)
        link.wait(lambda: all(last[i][-1].encode() in link.data[i] for i in wants), 30, 'all')
        wrong = [i for i in wants if frames(link.data[i]) != last[i]]
        tap.equal(wrong, [], 'each of 60 gets all of its channels, once, in order')
        tap.note('%d packets for %d deliveries' % (
            len(link.shared), sum(len(v) for v in last.values())))


def every_transport(tap, site):
    with Link(site, 'iframe') as link:
        link.park(0, '/push/iframe?channel=t', response='X-A: 1\r\nUpgrade: x\r\n')
        link.wait_data(0, '<body>')
        site.publish_sql('t', 'to the page')
        link.wait_data(0, 'to the page')
        tap.ok(b'\r\nX-A: 1\r\n' in link.data[0] and b'Upgrade' not in link.data[0], 'iframe')
    with Link(site, 'longpoll') as link:
        link.park(0, '/push/longpoll?channel=t&since=earliest')
        link.park(1, '/push/longpoll?channel=t')
        link.park(2, '/push/longpoll?channel=t&wait=bad')
        link.park(3, '/push/longpoll?channel=t', method='HEAD')
        link.wait_over(0, 2, 3)
        tap.equal([head_and_body(link.data[i])[0].split()[1] for i in (0, 2, 3)],
                  ['200', '400', '200'], 'longpoll: answers and END')
        site.wait_subscribers('t', 1)
        site.publish_sql('t', 'for who waits')
        link.wait_over(1)
        tap.ok(b'for who waits' in link.data[1], 'longpoll: one that waits')
        body = head_and_body(link.data[0])
        tap.ok('Content-Length: %d' % len(body[1]) in body[0], 'longpoll: the whole body')
    with Link(site, 'wsd') as link:
        json_protocol = websocket_headers(Sec_WebSocket_Protocol='tidings.json')
        for i in range(3):
            link.park(i, '/push/ws?channel=t', headers=json_protocol, REMOTE_ADDR='127.0.0.1')
        link.park(3, '/push/ws?channel=t', headers={})
        link.park(4, '/push/ws/echo', headers=websocket_headers())
        link.wait_over(3)
        tap.equal(head_and_body(link.data[3])[0].split()[1], '426', 'ws: a refusal and END')
        for i in range(3):
            link.wait_data(i, '\r\n\r\n')
        whole = Ws.frame(1, '{"op":"publish","channel":"t","data":"spoken","ref":1}')
        for at in range(0, len(whole), 7):
            link.input(0, whole[at:at + 7])
        for i in range(3):
            link.wait_data(i, '"data":"spoken"')
        link.wait_data(0, '"ref":1')
        tap.ok(True, 'ws: what a client sends is read, in any pieces')
        text = 'e' * 20000
        for _ in range(4):
            link.input(4, Ws.frame(1, text))
            link.takes = True
            link.wait(lambda: link.data.get(4, b'').endswith(b'e' * 20000), 10, 'the echo')
            link.data[4].clear()
        tap.ok(4 * 20000 - REPORT < link.used[4] <= 4 * len(Ws.frame(1, text)),
               'ws: READ tells what was used', link.used)
        link.input(1, Ws.frame(8, b'\x03\xe8bye'))
        link.wait_over(1)
        tap.ok(link.data[1].endswith(b'\x88\x02\x03\xe8'),
               'ws: a close frame is answered, then END', link.data[1][-10:])
        link.input(0, b'\xff\xff')
        link.wait_over(0)
        tap.ok(b'\x03\xea' in link.data[0], 'ws: nonsense is closed with 1002', link.data[0][-80:])
        link.leave()
        link.wait_over(2, 4)
        tap.ok(b'\x88\x15\x03\xf4' in link.data[2], 'ws: LEAVE is 1012', link.data[2][-80:])


def main(tap):
    seed = int(os.environ.get('TIDINGS_SEED', '0')) or random.randrange(1 << 30)
    tap.note('TIDINGS_SEED=%d' % seed)
    with Site() as site:
        one_packet(tap, site)
        mixed(tap, site, seed)
        every_transport(tap, site)
        for channel in ('many', 'again', 't', 'a'):
            with contextlib.suppress(Failure):
                wait_for(lambda: site.subscribers(channel) == 0, 10, 'nobody')
            tap.equal(site.subscribers(channel), 0, channel + ': nobody is left')
        tap.ok(site.lives(), 'the programs live', site.programs_log()[-2000:])


run(main)
