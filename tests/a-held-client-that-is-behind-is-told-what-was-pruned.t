#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 12: at the defaults an SSE client that read nothing for 23 s lost 2,154
# of 7,600 messages to retention and was never told: whether something was
# pruned was asked only when a client attached. Every transport that holds a
# client, every kind of pruning; and what is removed in the moment of its commit.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS, RawStream, WebSocket

N, SIZE = 1600, 8000  # more than all buffers on the way take
PAD = 'x' * SIZE


class Slow:
    """Reads nothing until it is told to, and then everything: what came is a
    list of numbers and of 'reset'."""

    def __init__(self, site, name, channel='a'):
        self.name, self.got, self.end = name, [], False
        if name == 'ws':
            self.ws = WebSocket(site.ws_port, '/push/ws?channel=' + channel, 'tidings.json',
                                rcvbuf=32768)
        else:
            self.stream = RawStream(site.port, '/push/%s?channel=%s' % (name, channel),
                                    rcvbuf=32768).read_head()
            self.stream.wait({'sse': 'id: ', 'iframe': '-->'}[name])

    def note(self, data):
        self.got.append('reset' if data is None else int(data.split()[0]))
        self.end = self.end or data == '%d the end' % N

    def read_ws(self):
        frame = self.ws.read(1)
        if frame is not None and frame[0] == 1:
            m = json.loads(frame[1])
            if m.get('reset'):
                self.note(None)
            elif 'data' in m:
                self.note(m['data'])
        return not self.ws.ended

    def read_stream(self):
        s = self.stream
        s.read_some(1)
        mark = b'\n\n' if self.name == 'sse' else b'</script>'
        blocks = s.body.split(mark)
        s.body = blocks.pop()
        for b in blocks:
            if b'tidings.reset' in b or b'"reset":true' in b:
                self.note(None)
            elif self.name == 'sse' and b'data: ' in b:
                self.note(b.split(b'data: ')[1].decode())
            elif b'receive(' in b:
                self.note(json.loads(b.split(b'receive(')[1].rsplit(b')', 1)[0])['data'])
        return s.end is None

    def read_on(self):
        end = deadline(40)
        while not self.end and time.monotonic() < end:
            if not (self.read_ws() if self.name == 'ws' else self.read_stream()):
                break
        (self.ws if self.name == 'ws' else self.stream).close()
        return self

    def check(self, tap, what):
        numbers = [n for n in self.got if n != 'reset']
        resets = self.got.count('reset')
        missing = N + 1 - len(numbers)
        at = self.got.index('reset') if resets else None
        tap.ok(self.end and numbers == sorted(set(numbers)), what + ': it comes to the end, in '
               'order', len(numbers), numbers[-1:])
        tap.ok(bool(missing) == bool(resets), '%s: %d missing, %d resets' % (
            what, missing, resets))
        if missing and resets == 1:
            tap.equal(self.got[:at], list(range(at)), what + ': the reset stands at the hole')
        return missing


def fill(site):
    db = site.connect()
    db.execute('BEGIN')
    # Of yesterday: retention by age takes them and not what comes later.
    db.executemany("INSERT INTO changes(channel, data, created_ms) VALUES ('a', ?, ?)",
                   [('%d %s' % (n, PAD), int(time.time() - 86400) * 1000)
                    for n in range(N)])
    db.execute('COMMIT')
    db.close()


def rest(site):
    return site.sql("SELECT count(*) FROM changes WHERE channel = 'a'")[0][0]


KINDS = [
    # what prunes, settings, how, resets: one or any number of losses
    ('nothing', {}, lambda site: None),
    ('DELETE in SQL', {}, lambda site: site.sql(
        "DELETE FROM changes WHERE channel = 'a' AND id < (SELECT max(id) FROM changes) - 20")),
    ('DELETE over HTTP', {}, lambda site: site.request('DELETE', '/push/publish?channel=a')),
    ('count', {'every': '100ms', 'count': '20'},
     lambda site: wait_for(lambda: rest(site) == 20, 30, 'the pruning')),
    ('age', {'every': '100ms', 'age': '1h'},
     lambda site: wait_for(lambda: rest(site) == 0, 30, 'the pruning')),
    ('total', {'every': '100ms', 'total': '1M'},
     lambda site: wait_for(lambda: rest(site) < 200, 30, 'the pruning')),
]


def behind(tap, handover):
    by = ', handed over' if handover else ''
    for what, settings, prune in KINDS:
        settings = dict({'count': '1000000', 'total': '0', 'age': '0'}, **settings)
        # Cut for being stuck is another matter.
        with Site({'retention': settings, 'tidings': {'queue_bytes': '1G', 'stall': '2m'}},
                  handover=handover) as site:
            slow = [Slow(site, name) for name in ('sse', 'iframe', 'ws')]
            others = [Slow(site, name, 'other') for name in ('sse', 'iframe', 'ws')]
            fill(site)
            prune(site)
            for channel in ('a', 'other'):
                site.publish_sql(channel, '%d the end' % N)
            for one in slow:
                missing = one.read_on().check(tap, '%s, %s%s' % (one.name, what, by))
                tap.ok((missing > 0) == (what != 'nothing'), 'it lost something to it, or not')
            for one in others:
                tap.equal(one.read_on().got, [N], '%s, %s%s: other channels hear nothing of it' % (
                    one.name, what, by))
            tap.ok(site.lives(), 'the programs live')


def at_once(tap):
    """Those who read normally, while others publish and remove."""
    with Site() as site:
        followers = [F(site, 'channel=a') for F in FOLLOWERS]
        others = [F(site, 'channel=b') for F in FOLLOWERS]
        for f in followers + others:
            wait_for(lambda: f.connects, 10, 'a connection')
        db = site.connect()
        lost = 0
        for n in range(60):
            for f in followers + others:
                f.seen = len(f.resets)
            # In one transaction, or one right behind the other.
            whole = n % 3 > 0
            if whole:
                db.execute('BEGIN')
            db.execute("INSERT INTO changes(channel, data) VALUES ('a', 'gone')")
            db.execute("DELETE FROM changes WHERE data = 'gone'")
            if whole:
                db.execute('COMMIT')
            lost += whole
            for channel in 'ab':
                db.execute('INSERT INTO changes(channel, data) VALUES (?, ?)', (channel, str(n)))
            for f in followers + others:
                f.wait_data(str(n))
            if whole:
                wrong = [(type(f).__name__, f.seen, f.resets) for f in followers
                         if len(f.resets) != f.seen + 1]
                if wrong:
                    tap.ok(False, 'a message that was removed at once, %d' % n, *wrong)
        for f in followers:
            got = f.data.count('gone')
            tap.ok(len(f.resets) + got >= 60 and len(f.resets) >= lost and not f.odd,
                   '%s: %d lost, %d resets, %d seen' % (type(f).__name__, lost, len(f.resets),
                                                        got), f.odd)
            numbers = [d for d in f.data if d != 'gone']
            tap.equal(numbers, [str(n) for n in range(60)], 'and all others, once')
        for f in others:
            tap.ok(not f.resets, type(f).__name__ + ': of another channel, none', f.resets)
        for f in followers + others:
            f.stopping = True
        for f in followers + others:
            f.stop()
        db.close()
        tap.ok(site.lives(), 'the programs live')


def main(tap):
    at_once(tap)
    behind(tap, False)
    if os.path.exists(MOD_TIDINGS):
        behind(tap, True)
    else:
        tap.skip_rest('needs mod_tidings')


run(main)
