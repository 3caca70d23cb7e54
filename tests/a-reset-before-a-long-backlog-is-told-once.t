#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A client that missed something and has more to get than one feeding holds is
# told so once, before the first message; a fault made it seven times, and no test
# had both together.  On each transport that holds, at the start and by subscribe.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import Ops, WebSocket

N = 6000


def fill(site):
    """Some that are gone, and many that are left; the cursor behind the first."""
    db = site.connect()
    with contextlib.closing(db):
        db.execute('BEGIN IMMEDIATE')
        db.executemany('INSERT INTO changes(channel, data) VALUES (?, ?)',
                       (('a', 'gone%d' % i) for i in range(10)))
        db.executemany('INSERT INTO changes(channel, data) VALUES (?, ?)',
                       (('a', 'm%d %s' % (i, 'x' * 300)) for i in range(N)))
        db.execute('COMMIT')
        first = db.execute('SELECT min(id) FROM changes').fetchone()[0]
        db.execute("DELETE FROM changes WHERE data LIKE 'gone%'")
        db.commit()
    return first


def check(tap, name, frames):
    """What came, as "reset" and the words of the messages."""
    wanted = ['reset'] + ['m%d' % i for i in range(N)]
    tap.ok(frames == wanted, name + ': one reset, then all of it in order',
           frames.count('reset'), len(frames), frames[:3])


def websocket(site, port, since, protocol):
    with WebSocket(port, '/push/ws?channel=a&since=%d' % since, protocol, rcvbuf=65536) as ws:
        heard = ['reset'] if 'Tidings-Reset: true' in ws.head and protocol is None else []
        while len([h for h in heard if h != 'reset']) < N:
            frame = ws.read(20)
            if frame is None:
                break
            if frame[0] != 1:
                continue
            text = frame[1].decode()
            m = json.loads(text) if protocol else {'data': text}
            if m.get('op') == 'reset':
                heard.append('reset')
            elif 'data' in m:
                heard.append(m['data'].split()[0])
        return heard


def subscribed(site, port, since):
    ops = Ops(port)
    ops.queue(op='subscribe', channel='a', since=since, ref=1)
    answers = ops.flush(1)
    ops.wait(lambda: len(ops.messages) >= N, 'the backlog')
    heard = [m['op'] for m in answers + ops.answers if m['op'] == 'reset']
    ops.ws.close()
    return heard + [m['data'].split()[0] for m in ops.messages]


def sse(site, since):
    with site.stream('/push/sse?channel=a&since=%d' % since) as s:
        text = s.wait('m%d ' % (N - 1), 60).decode()
    return [('reset' if 'event: tidings.reset' in event else
             event.split('data: ')[1].split()[0])
            for event in text.split('\n\n') if 'data: ' in event]


def main(tap):
    for handover in (False, True):
        with Site({'retention': {'count': '0', 'every': '1d'}}, handover=handover) as site:
            how = 'handed over' if handover else 'through httpd'
            since = fill(site)
            ways = [('tidings.json', lambda: websocket(site, site.port, since, 'tidings.json')),
                    ('subscribe', lambda: subscribed(site, site.port, since)),
                    ('raw', lambda: websocket(site, site.port, since, None)),
                    ('sse', lambda: sse(site, since))]
            if not handover:
                ways += [('directly', lambda: websocket(site, site.ws_port, since, 'tidings.json')),
                         ('subscribe, directly', lambda: subscribed(site, site.ws_port, since))]
            for name, way in ways:
                check(tap, '%s, %s' % (name, how), way())
            tap.ok(site.lives(), 'the programs live')


run(main)
