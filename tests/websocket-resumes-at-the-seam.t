#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-resumes-at-the-seam.t - three foreign writers publish without pause
# while WebSocket clients come back again and again, abruptly, by since= and by
# the subscribe operation, and wsd is killed in between: each gets every message
# once and in order.  Without the subprotocol the handshake's Tidings-Cursor says
# where a connection begins.
import os
import random
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket

KILLS = 3
WRITER = r'''
import select, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
n = 0
print('ready', flush=True)
while not select.select([sys.stdin], [], [], 0.001 + n % 7 * 0.0005)[0]:
    if n % 10:
        db.execute("INSERT INTO changes(channel, data) VALUES (?, ?)",
                   ('ab'[n % 2], '%s %d' % (sys.argv[2], n)))
    else:
        db.execute('BEGIN IMMEDIATE')
        for i in range(5):
            db.execute("INSERT INTO changes(channel, data) VALUES (?, ?)",
                       ('ab'[i % 2], '%s %d.%d' % (sys.argv[2], n, i)))
        db.execute('COMMIT')
    n += 1
'''


class Client(threading.Thread):
    """Stays for a random number of messages and goes with RST or FIN."""

    def __init__(self, site, port, seed):
        super().__init__(daemon=True)
        self.site, self.port, self.rnd = site, port, random.Random(seed)
        self.got, self.turns, self.odd = [], 0, []
        self.cursor, self.last = site.first, None
        self.ws = None
        self.start()

    def run(self):
        while self.last is None or not self.got or self.got[-1][1] != self.last:
            try:
                self.connect()
                self.follow(self.rnd.choice((0, 1, 3, 10, 30, 100)))
                self.rnd.choice((self.ws.reset, self.ws.close))()
                self.turns += 1
            except OSError:  # killed in between
                time.sleep(0.01)
            except Exception as e:  # told by the test, not by a dead thread
                self.odd.append(repr(e))
                time.sleep(0.01)
            finally:
                if self.ws is not None:
                    self.ws.close()

    def open(self, query, form=None):
        self.ws = WebSocket(self.port, '/push/ws' + query, form)
        if self.ws.status != 101:
            raise ConnectionError(self.ws.status)

    def take(self, text):
        m = json.loads(text)
        if m.get('op') == 'reset':
            raise Failure(text)
        if m.get('channel') in ('a', 'b'):
            self.got.append((m['id'], m['data']))
            self.cursor = m['id']
        return m

    def next(self):
        """One frame of text, or None: the time is over, or the connection."""
        while True:
            frame = self.ws.read(0.2)
            if frame is None or frame[0] == 8:
                if self.ws.ended or frame:
                    raise ConnectionError('ended')
                return None
            if frame[0] == 1:
                return frame[1]

    def follow(self, n):
        end = len(self.got) + n
        while len(self.got) < end and (self.last is None or not self.got or
                                       self.got[-1][1] != self.last):
            text = self.next()
            if text is None and self.last is not None:
                return
            if text is not None:
                self.take(text)


class BySince(Client):
    def connect(self):
        self.open('?channel=a&channel=b&since=' + self.cursor, 'tidings.json')


class ByOp(Client):
    """Subscribes in each way that has to meet its last message exactly."""

    def ask(self, **members):
        """Its answer; messages that come before are of what it had before."""
        self.ws.send(1, json.dumps(members))
        before = []
        while True:
            text = self.next()
            if text is None:
                if self.last is not None and self.ws.ended:
                    raise ConnectionError('ended')
                continue
            m = json.loads(text)
            if m.get('op') == 'ok':
                return before
            if m.get('op') == 'error':
                raise Failure(text)
            before.append(text)

    def connect(self):
        self.open('', 'tidings.json')
        way = self.rnd.randrange(4)
        both = {'channels': ['a', 'b']}
        self.ask(op='subscribe', since=self.cursor, ref=1, **both)
        if way == 0:
            return
        self.follow(self.rnd.randrange(20))
        if way == 1:
            # Off and on again on one connection.
            for text in self.ask(op='unsubscribe', **both):
                self.take(text)
        # Else anew while it has them: what comes before the answer comes again.
        self.ask(op='subscribe', since=self.cursor, **both)
        if way == 3:
            # A third one, from far back, disturbs nothing.
            for text in self.ask(op='subscribe', channel='c', since='earliest'):
                self.take(text)


class Raw(Client):
    """Counts, since only these channels are written to."""
    base = 3

    def connect(self):
        base = self.base + len(self.got)
        self.open('?channels=a,b&since=%s-%d' % (self.site.epoch, base))
        line = [l for l in self.ws.head.split('\r\n') if l.startswith('Tidings-Cursor: ')]
        want = 'Tidings-Cursor: %s-%d' % (self.site.epoch, base)
        if line != [want] or 'Tidings-Reset' in self.ws.head:
            raise Failure('%r instead of %r' % (self.ws.head, want))

    def take(self, text):
        n = self.base + len(self.got) + 1
        self.got.append(('%s-%d' % (self.site.epoch, n), text.decode()))


class RawLatest(Raw):
    """Begins with nothing; the handshake tells where."""
    start_cursor = None

    def connect(self):
        if self.start_cursor is None:
            self.open('?channels=a,b')
            self.start_cursor = [l.split(': ')[1] for l in self.ws.head.split('\r\n')
                                 if l.startswith('Tidings-Cursor: ')][0]
            self.base = int(self.start_cursor.split('-')[1])
        else:
            super().connect()


def main(tap):
    with Site({'retention': {'count': '1000000', 'every': '1d'}}) as site:
        for n in range(3):
            site.publish_sql('c', 'old')
        site.epoch = site.tidings('epoch').split('-')[0]
        site.first = site.epoch + '-3'
        writers = [subprocess.Popen([sys.executable, '-c', WRITER, site.db, 'w%d' % n],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                   for n in range(3)]
        site.children += writers
        for w in writers:
            w.stdout.readline()
        kinds = [(BySince, 2), (ByOp, 3), (Raw, 2), (RawLatest, 1)]
        clients = [K(site, (site.ws_port, site.port)[(i + n) % 2], i * 10 + n)
                   for i, (K, count) in enumerate(kinds) for n in range(count)]
        clients.append(ByOp(site, site.ws_port, 99))

        def further(n):
            """Until everybody came back some more times."""
            before = [c.turns for c in clients]
            wait_for(lambda: all(c.turns >= b + n for c, b in zip(clients, before)), 40,
                     'more turns')

        further(5)
        for _ in range(KILLS):
            # Who dies young is not started again at once, by design.
            time_up = deadline(2.2)
            wait_for(lambda: time.monotonic() > time_up, 20)
            site.kill('wsd')
            further(3)
        for w in writers:
            w.stdin.close()
            w.wait(20 * PATIENCE)
        site.publish_sql('a', 'last')
        for c in clients:
            c.last = 'last'
        for c in clients:
            c.join(40 * PATIENCE)
        rows = [('%s-%d' % (site.epoch, i), d) for i, d in site.sql(
            "SELECT id, data FROM changes WHERE channel IN ('a', 'b') ORDER BY id")]
        tap.equal([int(i.split('-')[1]) for i, _ in rows], list(range(4, len(rows) + 4)),
                  'ids are in order of commit')
        tap.note('%d messages, %d connections' % (len(rows), sum(c.turns for c in clients)))
        for c in clients:
            want = rows
            if isinstance(c, RawLatest):
                want = rows[c.base - 3:]
            tap.ok(c.got == want and len(want) > 100, '%s %s: every message, once, in order (%d turns)'
                   % (type(c).__name__, 'directly' if c.port == site.ws_port else 'through httpd',
                      c.turns), 'got %d, want %d' % (len(c.got), len(want)),
                   'first difference: %r' % (next(
                       ((g, w) for g, w in zip(c.got, want) if g != w), None),))
            tap.ok(not c.odd, 'and nothing odd', *c.odd[:3])
        tap.ok(site.supervisor.poll() is None, 'the supervisor lives')


run(main)
