#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A client that is fed from the table asks in between: each operation is answered
# once and in order, what it subscribes to comes from where it says, what it
# publishes with echo: false never, what others publish always; and nothing of the
# backlog is lost, doubled or out of order over that.  Both kinds of work waiting
# together were in no test.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket

OLD, SIDE, ROUNDS = 12000, 3000, 40
KEEP = {'retention': {'count': '0', 'every': '1d'}}


def fill(site, channel, n):
    db = site.connect()
    with contextlib.closing(db):
        db.execute('BEGIN IMMEDIATE')
        db.executemany('INSERT INTO changes(channel, data) VALUES (?, ?)',
                       ((channel, '%s%d %s' % (channel, i, 'x' * 200)) for i in range(n)))
        db.execute('COMMIT')


class Talk:
    """Reads in pieces, so that the backlog is never all there."""

    def __init__(self, port, query, rcvbuf):
        self.ws = WebSocket(port, '/push/ws' + query, 'tidings.json', rcvbuf=rcvbuf)
        self.heard, self.data, self.said = [], {}, []

    def ask(self, **members):
        self.ws.send(1, json.dumps(members))

    def read(self, frames):
        for _ in range(frames):
            frame = self.ws.read(20)
            if frame is None:
                raise Failure('nothing more came after %d frames' % len(self.heard))
            if frame[0] == 1:
                m = json.loads(frame[1])
                self.heard.append(m)
                if 'data' in m:
                    self.data.setdefault(m['channel'], []).append(m['data'].split()[0])
                elif m.get('op') in ('ok', 'error'):
                    self.said.append(m)

    def read_until(self, condition, what):
        end = deadline(60)
        while not condition():
            if time.monotonic() > end:
                raise Failure('%s: %d answers, %s' % (
                    what, len(self.said), {c: (len(d), d[-1]) for c, d in self.data.items()}))
            self.read(1)

    def messages(self, channel):
        return self.data.get(channel, [])


def mix(tap, site, name, port, rcvbuf):
    last = site.sql('SELECT coalesce(max(id), 0) FROM changes')[0][0]
    talk = Talk(port, '?channel=a%s&since=%d' % (name, last), rcvbuf)
    fill(site, 'a' + name, OLD)
    fill(site, 'b' + name, SIDE)
    asked = []

    def ask(op, **members):
        asked.append(op)
        talk.ask(op=op, ref=len(asked), **members)

    talk.read(20)  # it has begun
    for i in range(ROUNDS):
        ask('ping')
        ask('publish', channel='a' + name, data='mute%d' % i, echo=False)
        ask('publish', channel='a' + name, data='loud%d' % i)
        ask('subscribe', channel='c%d' % i)
        if i == 10:
            ask('subscribe', channel='b' + name, since=last)
        if i == 20:
            ask('subscribe', channel='not a cursor', since='x-y-z')
        if i % 2 == 1:
            ask('unsubscribe', channel='c%d' % i)
        site.publish_sql('a' + name, 'other%d' % i)
        talk.read(60)
    # What is asked late on a slow machine begins late.
    talk.read_until(lambda: len(talk.said) == len(asked), 'not all was answered')
    for i in range(ROUNDS):
        site.publish_sql('c%d' % i, 'fresh%d' % i)
    site.publish_sql('a' + name, 'end')
    talk.read_until(lambda: talk.messages('a' + name)[-1:] == ['end'] and
                    len(talk.said) == len(asked) and
                    len(talk.messages('b' + name)) >= SIDE and
                    talk.messages('c%d' % (ROUNDS - 2)), 'not all of it came')
    answers = talk.said
    publishes = [i + 1 for i, op in enumerate(asked) if op == 'publish']
    refs = [m.get('ref') for m in answers]
    tap.equal(sorted(refs), list(range(1, len(asked) + 1)), name + ': each operation is answered once')
    tap.equal([r for r in refs if r not in publishes],
              [i for i in range(1, len(asked) + 1) if i not in publishes],
              name + ': what needs no writer in order')
    tap.equal([r for r in refs if r in publishes], publishes, name + ': publishes in order')
    tap.equal([m.get('status') for m in answers if m['op'] == 'error'], [400], name + ': one was wrong')
    got = talk.messages('a' + name)
    tap.equal([d for d in got if d.startswith('a')], ['a%s%d' % (name, i) for i in range(OLD)],
              name + ': the backlog is whole and in order')
    tap.equal([d for d in got if d.startswith('loud')], ['loud%d' % i for i in range(ROUNDS)],
              name + ': so is what it published')
    tap.equal([d for d in got if d.startswith('mute')], [], name + ': but for what it does not want back')
    tap.equal([d for d in got if d.startswith('other')], ['other%d' % i for i in range(ROUNDS)],
              name + ': and what others did')
    ids = [m['id'] for m in talk.heard if m.get('channel') == 'a' + name and 'data' in m]
    tap.equal(ids, sorted(ids, key=lambda c: int(c.split('-')[1])), name + ': by their ids')
    tap.equal(talk.messages('b' + name), ['b%s%d' % (name, i) for i in range(SIDE)],
              name + ': a second backlog, once')
    tap.equal(sorted(m['channel'] for m in talk.heard if (m.get('channel') or '').startswith('c')),
              sorted('c%d' % i for i in range(0, ROUNDS, 2)),
              name + ': of those left again nothing, of the others all')
    tap.ok(not [m for m in talk.heard if m.get('op') == 'reset'], name + ': nothing was missed')
    talk.ws.close()


def main(tap):
    with Site(KEEP) as site:
        mix(tap, site, 'direct', site.ws_port, 8192)
        mix(tap, site, 'httpd', site.port, 8192)
        tap.ok(site.lives(), 'the programs live')
    with Site(KEEP, handover=True) as site:
        mix(tap, site, 'handed', site.port, 8192)
        tap.ok(site.lives(), 'the programs live')


run(main)
