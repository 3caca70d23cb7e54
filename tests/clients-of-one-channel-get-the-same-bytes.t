#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: behind the head, which differs in retry, all streams of a channel
# are the same to the byte, live and from the table, however they are fed.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    need_websockets()
    with Site() as site:
        for program, mark, more in (('sse', b'\n\n', ''), ('iframe', b'-->\n', ''),
                                    ('sse', b'\n\n', '&format=json')):
            name = program + ' in JSON' * bool(more)
            path = '/push/%s?channel=a%s' % (program, more)
            start = site.get('/push/poll?channel=a').json['cursor']
            live = [site.stream(path) for _ in range(5)] + [
                site.stream('/push/%s?prefix=a&channel=b%s' % (program, more))]
            for s in live:
                s.wait(mark)
            for n in range(30):
                site.publish_sql('a', 'line\n%d \u2028 "<x>"' % n, 'ev' if n % 3 else None)
            site.sql("INSERT INTO changes(channel, data, content_type)"
                     " VALUES ('a', x'00ff', 'image/png')")
            site.publish_sql('a', 'the end of ' + name)
            late = [site.stream(path + '&since=' + start) for _ in range(2)]
            late.append(site.stream(path, {'Last-Event-ID': start}))
            bodies = []
            for s in live + late:
                s.wait('\n\n' if program == 'sse' else ')</script>\n', 10,
                       behind='the end of ' + name)
                bodies.append(s.buf.split(mark, 1)[1])
                s.close()
            t.equal(len(set(bodies)), 1, name + ': nine clients, one text')
            t.ok(bodies[0].count(b'the end') == 1 and len(bodies[0]) > 1000,
                 name + ': the whole of it', bodies[0][-200:])

        got = []
        with WebSocket(site, '/push/ws?channel=w') as one, \
                WebSocket(site, '/push/ws?channel=w', port=site.ws_port) as two:
            for n in range(20):
                site.publish_sql('w', str(n))
            for ws in (one, two):
                got.append([ws.recv() for _ in range(20)])
        t.equal(got[0], [str(n) for n in range(20)], 'ws: through httpd')
        t.equal(got[1], got[0], 'ws: directly, the same')
        t.ok(site.lives(), 'the programs live')


run(main)
