#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: who returns with an old cursor and reads as fast as it can gets
# two megabytes at once. It dripped once, a queue of 64 KB per check.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    need_websockets()
    with Site(settings={'tidings': {'check': '10s'}}) as site:
        db = site.connect()
        db.execute('BEGIN')
        for n in range(900):
            db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)",
                       ('%d ' % n + 'x' * 2000,))
        db.execute("INSERT INTO changes(channel, data) VALUES ('a', 'the end')")
        db.execute('COMMIT')
        db.close()
        for program in ('sse', 'iframe'):
            start = time.monotonic()
            with site.stream('/push/%s?channel=a&since=0' % program) as s:
                buf = s.wait('the end', 60)
            took = time.monotonic() - start
            t.ok(took < 8 * PATIENCE, program + ' gives all without a pause', took)
            t.equal(len(re.findall(rb'\b(\d+) xxx', buf)), 900, 'every message')
        for form in (None, 'tidings.json'):
            start = time.monotonic()
            with WebSocket(site, '/push/ws?channel=a&since=0', form) as ws:
                n = 1
                while 'the end' not in ws.recv(60):
                    n += 1
            took = time.monotonic() - start
            t.ok(took < 8 * PATIENCE, 'ws %s too' % (form or 'raw'), took)
            t.equal(n, 901, 'every message')
        t.ok(site.lives(), 'the programs live')


run(main)
