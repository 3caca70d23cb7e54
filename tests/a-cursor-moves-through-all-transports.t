#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: a client that goes from any transport to any other in the middle
# of a stream, with the one cursor, has every message once and in order.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
import random

WRITER = '''
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
for n in range(1500):
    db.execute("INSERT INTO changes(channel, data) VALUES (?, ?)",
               ("a" if n % 3 else "b.x" if n % 2 else "c", str(n)))
    if n % 5 == 0:
        time.sleep(0.001)
'''
QUERY = 'channel=a&prefix=b.'
STEP = 25  # messages on one transport, about


def by_poll(site, cursor, form=False, program='poll'):
    if form:
        r = site.post('/push/' + program, QUERY + '&wait=1&since=' + cursor,
                      'application/x-www-form-urlencoded')
    else:
        r = site.get('/push/%s?wait=1&%s' % (program, QUERY), {'If-None-Match': '"%s"' % cursor})
    if r.status == 304:
        return [], cursor
    if r.json['reset']:
        raise Failure('a reset')
    return [m['data'] for m in r.json['messages']], r.json['cursor']


def by_stream(site, cursor, program, pattern):
    """Reads some messages and leaves, perhaps in the middle of one."""
    headers = {'Last-Event-ID': cursor} if program == 'sse' else {}
    query = '' if headers else '&since=' + cursor
    with site.stream('/push/%s?%s%s' % (program, QUERY, query), headers) as s:
        end = deadline(0.5)
        while len(pattern.findall(s.buf)) < STEP and time.monotonic() < end:
            s.read_some(0.05)
        got = pattern.findall(s.buf)
    if b'reset' in s.buf:
        raise Failure('a reset')
    return [g[1].decode() for g in got], got[-1][0].decode() if got else cursor


def by_ws(site, cursor, port):
    got = []
    with WebSocket(site, '/push/ws?%s&since=%s' % (QUERY, cursor), 'tidings.json',
                   port=port) as ws:
        while len(got) < STEP:
            try:
                m = ws.recv_json(0.5)
            except Exception:  # nothing more for now
                break
            if 'op' in m:
                raise Failure(m)
            got.append(m['data'])
            cursor = m['id']
    return got, cursor


def by_raw_ws(site, cursor):
    """Without ids: the cursor is asked for when all has come."""
    got = []
    with WebSocket(site, '/push/ws?%s&since=%s' % (QUERY, cursor)) as ws:
        r = site.get('/push/poll?%s&since=%s' % (QUERY, cursor))
        for m in r.json['messages']:
            got.append(ws.recv())
    return got, r.json['cursor']


SSE = re.compile(rb'id: (\S+)\ndata: (.*)\n\n')
FRAME = re.compile(rb'receive\(\{"id":"([^"]+)".*?"data":"(\d+)".*?\}\)</script>\n')


def main(t):
    need_websockets()
    with Site(settings={'retention': {'count': '100000'}, 'tidings': {'max_messages': '30'}}) as site:
        moves = {
            'poll': lambda c: by_poll(site, c),
            'poll by form': lambda c: by_poll(site, c, True),
            'longpoll': lambda c: by_poll(site, c, False, 'longpoll'),
            'longpoll by form': lambda c: by_poll(site, c, True, 'longpoll'),
            'iframe': lambda c: by_stream(site, c, 'iframe', FRAME),
            'sse': lambda c: by_stream(site, c, 'sse', SSE),
            'ws': lambda c: by_ws(site, c, None),
            'ws directly': lambda c: by_ws(site, c, site.ws_port),
            'ws raw': lambda c: by_raw_ws(site, c),
        }
        rng = random.Random(7)
        cursor = site.get('/push/poll?' + QUERY).json['cursor']
        writer = subprocess.Popen([sys.executable, '-c', WRITER, site.db])
        want = [str(n) for n in range(1500) if n % 3 or n % 2]
        got, used, path = [], {}, []
        last, order = None, []
        end = deadline(60)
        while len(got) < len(want) and time.monotonic() < end:
            if not order:
                order = rng.sample(list(moves), len(moves))
            name = order.pop()
            some, cursor = moves[name](cursor)
            got += some
            used[name] = used.get(name, 0) + len(some)
            if some:
                path.append(name)
        t.equal(writer.wait(60 * PATIENCE), 0, 'the writer is done')
        t.equal(len(got), len(want), 'as many as were published for us')
        wrong = [i for i, (g, w) in enumerate(zip(got, want)) if g != w]
        t.ok(not wrong, 'each once and in order', 'from message %s on' % wrong[:1], path)
        t.ok(len(used) == len(moves) and all(used.values()),
             'over every transport', used)
        t.ok(len(path) > 18, 'with many moves', len(path))
        t.ok(site.lives(), 'the programs live')


run(main)
