#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# busy-database-delays-publish-alone.t - another process holds the write lock:
# publishing waits for it and succeeds, or is refused with 503 and Retry-After
# when busy_timeout is over; everything else goes on at its usual speed.
import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import RawStream, SseFollower, WebSocket, cpu_seconds, is_503


class Later(threading.Thread):
    """Runs f() beside us; `.result` and `.took` then."""

    def __init__(self, f):
        super().__init__(daemon=True)
        self.f, self.result, self.took = f, None, None
        self.start()

    def run(self):
        began = time.monotonic()
        try:
            self.result = self.f()
        except Exception as e:
            self.result = e
        self.took = time.monotonic() - began

    def get(self, seconds=30):
        self.join(seconds * PATIENCE)
        return self.result


def timed(f):
    began = time.monotonic()
    result = f()
    return result, time.monotonic() - began


def undisturbed(tap, site, what, stream, seconds):
    """Asks everything that does not write, for a while; beats go on."""
    slowest, wrong, end = {}, [], time.monotonic() + seconds
    beats = stream.body.count(b':\n\n')
    while time.monotonic() < end:
        for name, path in (('info', '/push/publish?channel=a'),
                           ('poll', '/push/poll?channel=a&since=earliest'),
                           ('status', '/push/status?format=json'),
                           ('longpoll', '/push/longpoll?channel=a&since=earliest')):
            r, took = timed(lambda: site.get(path))
            if r.status != 200:
                wrong.append((name, r))
            slowest[name] = max(took, slowest.get(name, 0))
        stream.read_some(0.01)
    tap.ok(not wrong, what + ': reading is not refused', wrong[:5])
    tap.ok(max(slowest.values()) < 3 * PATIENCE, what + ': reading does not wait',
           {k: '%.3f' % v for k, v in slowest.items()})
    tap.ok(stream.body.count(b':\n\n') > beats, what + ': heartbeats go on')


def main(tap):
    with Site({'tidings': {'busy_timeout': '10s', 'heartbeat': '500ms'}}) as site:
        follower = SseFollower(site)
        site.publish_sql('a', 'first')
        follower.wait_data('first')
        stream = RawStream(site.port, '/push/sse?channel=other').read_head()
        for begin in ('BEGIN IMMEDIATE', 'BEGIN EXCLUSIVE'):
            ws = WebSocket(site.port, '/push/ws?channel=other', 'tidings.json')
            locker = site.connect()
            locker.execute(begin)
            cpu = cpu_seconds(site.pid('publish'))
            posts = [Later(lambda i=i: site.post('/push/publish?channel=a',
                                                 '%s %d' % (begin, i))) for i in range(5)]
            ws.send(1, json.dumps({'op': 'publish', 'channel': 'a', 'ref': 1,
                                   'data': begin + ' ws'}))
            ws.send(1, json.dumps({'op': 'ping', 'ref': 2}))
            replies = []
            while not replies or replies[-1].get('ref') != 2:
                frame = ws.read(5)
                if frame is None:
                    break
                if frame[0] == 1:
                    replies.append(json.loads(frame[1]))
            tap.ok(replies and replies[-1].get('op') == 'ok' and len(replies) == 1,
                   begin + ': a WebSocket is answered other things meanwhile', replies)
            undisturbed(tap, site, begin, stream, 1.1)
            tap.ok(all(p.is_alive() for p in posts), begin + ': publishing waits')
            used = cpu_seconds(site.pid('publish')) - cpu
            tap.ok(used < 0.6 * PATIENCE, begin + ': and does not spin', used)
            locker.execute('ROLLBACK')
            locker.close()
            answers = [p.get() for p in posts]
            tap.ok([getattr(a, 'status', a) for a in answers] == [201] * 5,
                   begin + ': then it succeeds', answers)
            tap.ok(all(1.0 < p.took < 8 * PATIENCE for p in posts),
                   begin + ': as soon as the lock is gone', [p.took for p in posts])
            while not replies or replies[-1].get('ref') != 1:
                frame = ws.read(5)
                if frame is None:
                    break
                if frame[0] == 1:
                    replies.append(json.loads(frame[1]))
            tap.ok(replies and replies[-1].get('op') == 'ok',
                   begin + ': so does publishing by WebSocket', replies)
            site.publish_sql('a', 'end of ' + begin)
            follower.wait_data('end of ' + begin)
            ws.close()
        want = [d for d, in site.sql("SELECT data FROM changes WHERE channel = 'a' "
                                     "ORDER BY id")]
        tap.ok(follower.data == want and len(want) == 15, 'each came once, in order',
               follower.data, want)
        follower.stop()
        stream.close()

    with Site({'tidings': {'busy_timeout': '300ms', 'heartbeat': '150ms'}}) as site:
        follower = SseFollower(site)
        site.publish_sql('a', 'first')
        follower.wait_data('first')
        stream = RawStream(site.port, '/push/sse?channel=other').read_head()
        locker = site.connect()
        locker.execute('BEGIN IMMEDIATE')
        locker.execute("INSERT INTO changes(channel, data) VALUES ('a', 'locker')")
        for i in range(3):
            r, took = timed(lambda: site.post('/push/publish?channel=a', 'refused'))
            tap.ok(is_503(r), 'longer than busy_timeout: 503 with Retry-After', r)
            tap.ok(0.2 < took < 3 * PATIENCE, 'after about that time', took)
        r = site.request('DELETE', '/push/publish?channel=a')
        tap.ok(is_503(r), 'DELETE likewise', r)
        done = subprocess.run([os.path.join(BUILD, 'tools', 'tidings'), '-c', site.conf,
                               'publish', 'a', 'refused'], capture_output=True, text=True)
        tap.ok(done.returncode != 0 and 'locked' in done.stderr,
               'the command line says that it is locked', done)
        posts = [Later(lambda: site.post('/push/publish?channel=a', 'refused'))
                 for _ in range(20)]
        undisturbed(tap, site, 'many wait', stream, 0.5)
        answers = [p.get() for p in posts]
        tap.ok(all(is_503(a) for a in answers), 'all that waited are refused',
               answers[:3])
        tap.ok(max(p.took for p in posts) < 5 * PATIENCE, 'together, not in turn',
               max(p.took for p in posts))
        locker.execute('COMMIT')
        locker.close()
        r = site.post('/push/publish?channel=a', 'last')
        tap.ok(r.status == 201, 'publishing works at once afterwards', r)
        follower.wait_data('last')
        tap.equal(follower.data, ['first', 'locker', 'last'],
                  'what was refused was not stored')
        follower.stop()
        stream.close()


run(main)
