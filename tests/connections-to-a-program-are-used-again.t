#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: many short polls and publishes over few connections, of clients
# and to the programs: each is answered with its own, and no descriptor is
# left behind.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
import threading


def descriptors(site, program):
    return len(os.listdir('/proc/%d/fd' % site.pid(program)))


def main(t):
    with Site() as site:
        for n in range(10):
            site.publish_sql('c%d' % n, 'only %d' % n)
        wrong, done = [], []

        def client(me):
            conn = http.client.HTTPConnection('127.0.0.1', site.port, timeout=30 * PATIENCE)
            for i in range(150):
                n = (me + i) % 10
                if i % 5 == 4:
                    conn.request('GET', '/push/poll?since=x&channel=c%d' % n)
                elif i % 5 == 3:
                    conn.request('POST', '/push/publish?channel=p%d' % me, 'x' * (i * 100))
                elif i % 5 == 2:
                    conn.request('POST', '/push/poll', 'since=0&channel=c%d' % n,
                                 {'Content-Type': 'application/x-www-form-urlencoded'})
                else:
                    conn.request('GET', '/push/poll?since=0&channel=c%d' % n)
                r = Response(conn.getresponse())
                if i % 5 == 4:
                    good = r.status == 400
                elif i % 5 == 3:
                    good = r.status == 201 and r.json['channel'] == 'p%d' % me
                else:
                    good = r.status == 200 and [m['data'] for m in r.json['messages']] == [
                        'only %d' % n]
                if not good:
                    wrong.append((me, i, repr(r)))
            conn.close()
            done.append(me)

        client(0)
        before = {p: descriptors(site, p) for p in ('poll', 'publish')}
        threads = [threading.Thread(target=client, args=(n,)) for n in range(1, 9)]
        for th in threads:
            th.start()
        for th in threads:
            th.join()
        t.equal(len(done), 9, 'nine clients, 150 requests each')
        t.ok(not wrong, 'each answer belongs to its request', *wrong[:5])
        for program, fds in before.items():
            # httpd keeps some connections open: at most one for each of its threads.
            wait_for(lambda: descriptors(site, program) <= fds + 64, 20, 'fewer descriptors')
            t.ok(True, program + ' holds few connections')
        site.sql("DELETE FROM changes WHERE channel LIKE 'p%'")
        r = site.get('/push/poll?channel=c1&since=0')
        t.equal([m['data'] for m in r.json['messages']], ['only 1'], 'all is well after it')

        # One connection of a client for all short answers.
        conn = http.client.HTTPConnection('127.0.0.1', site.port, timeout=30 * PATIENCE)
        socks = set()
        for n in range(20):
            for path in ('/push/poll?channel=c1', '/push/publish?channel=c1',
                         '/push/status?format=json', '/push/metrics', '/'):
                conn.request('GET', path)
                socks.add(conn.sock)
                r = conn.getresponse()
                r.read()
                if r.status != 200 or r.headers.get('Connection') == 'close':
                    wrong.append((path, r.status, n, str(r.headers)))
        # httpd itself ends one after MaxKeepAliveRequests = 100 answers.
        t.ok(not wrong[1:] and len(socks) <= 2, 'one connection serves all', wrong, socks)
        conn.close()
        with open(site.error_log) as f:
            log = f.read()
        t.ok('error' not in log.lower(), 'httpd has nothing to complain about', log)
        t.ok(site.lives(), 'the programs live')


run(main)
