#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: the same binaries as plain CGI, under mod_cgid (event) and mod_cgi
# (prefork): short answers, publishing, and answers that are held.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

FORM = 'application/x-www-form-urlencoded'


def rows(t, mpm):
    name = lambda text: mpm + ': ' + text
    limits = {'tidings': {'heartbeat': '300ms', 'life_min': '30s', 'life_max': '40s'}}
    with Site(cgi=True, mpm=mpm, settings=limits) as site:
        r = site.get('/push/poll?channel=a')
        t.equal((r.status, r.json['messages']), (200, []), name('poll'))
        start = r.json['cursor']
        t.equal(r.headers['ETag'], '"%s"' % start, name('its ETag'))
        r = site.get('/push/poll?channel=a', {'If-None-Match': '"%s"' % start})
        t.equal((r.status, r.body), (304, b''), name('304'))
        r = site.request('HEAD', '/push/poll?channel=a')
        t.equal((r.status, r.body), (200, b''), name('HEAD'))
        r = site.request('OPTIONS', '/push/poll?channel=a')
        t.ok(r.status in (200, 204) and 'GET' in r.headers.get('Allow', ''), name('OPTIONS'),
             r, r.headers)
        r = site.request('PUT', '/push/poll?channel=a', b'')
        t.equal(r.status, 405, name('PUT'))
        for path in ('/push/poll', '/push/sse', '/push/longpoll', '/push/iframe', '/push/publish',
                     '/push/poll?word', '/push/poll?-c+/etc/passwd'):
            r = site.get(path)
            t.ok(r.status == 400 and r.headers['Content-Type'] == 'application/problem+json',
                 name('a problem: ' + path), r)

        r = site.post('/push/publish?channel=a', 'häm\n\0', 'text/plain', {'Event-Type': 'e'})
        t.ok(r.status == 201 and r.json['channel'] == 'a', name('publish, raw'), r)
        m = site.get('/push/poll?channel=a&since=' + start).json['messages']
        t.equal([(x['data'], x['event'], x['content_type']) for x in m],
                [('häm\n\0', 'e', 'text/plain')], name('and it is there'))
        r = site.post('/push/publish', 'channel=a&channel=b&data=form', FORM)
        t.equal(r.status, 201, name('publish, a form'))
        r = site.post('/push/publish?batch=1', json.dumps(
            [{'channel': 'c', 'data': str(n)} for n in range(50)]), 'application/json')
        t.ok(r.status == 201 and len(r.json) == 50, name('publish, a batch'), r)
        r = site.post('/push/publish?batch=1', json.dumps(
            [{'channel': 'd', 'data': 'x'}, {'channel': '', 'data': 'x'}]), 'application/json')
        t.equal(r.status, 400, name('publish, a bad batch'))
        t.equal(site.get('/push/publish?channel=d').json['count'], 0, name('whole or not at all'))
        one = [site.post('/push/publish?channel=k', 'x', None, {'Idempotency-Key': 'k'})
               for _ in range(2)]
        t.ok(one[0].json == one[1].json, name('publish twice is one'), one)
        r = site.post('/push/publish?channel=a', b'x' * (2**20), 'text/plain')
        t.equal(r.status, 201, name('a mebibyte'))
        for size in (2**20 + 1, 9 * 2**20):
            r = site.post('/push/publish?channel=a', b'x' * size, 'text/plain')
            t.equal(r.status, 413, name('%d bytes' % size))
        r = site.post('/push/publish?channel=a', 'x', None, {'Authorization': 'Bearer wrong'})
        t.equal(r.status, 403, name('a wrong key'))
        r = site.request('DELETE', '/push/publish?channel=c')
        t.equal(r.status, 204, name('DELETE'))
        r = site.get('/push/longpoll?channel=c&wait=0&since=' + start)
        t.equal((r.json['reset'], r.json['messages']), (True, []), name('a reset'))
        t.ok(site.get('/push/status?format=json').json['messages'] > 3, name('status, JSON'))
        t.ok('<h1>' in site.get('/push/status').text, name('status, a page'))
        r = site.get('/push/metrics')
        t.ok('# TYPE tidings_messages gauge\n' in r.text, name('metrics'), r)

        # Held.
        r = site.get('/push/longpoll?channel=l&wait=0.2')
        t.equal((r.status, r.json['messages']), (200, []), name('longpoll, to the end of wait'))
        r = site.get('/push/longpoll?channel=l&wait=0.1', {'If-None-Match': r.headers['ETag']})
        t.equal(r.status, 304, name('longpoll, 304'))
        conn = http.client.HTTPConnection('127.0.0.1', site.port, timeout=30 * PATIENCE)
        conn.request('POST', '/push/longpoll', 'channel=l&wait=20', {'Content-Type': FORM})
        sse = site.stream('/push/sse?channel=l')
        frame = site.stream('/push/iframe?channel=l&callback=f')
        sse.wait('\n\n')
        frame.wait('-->\n')
        t.ok('text/event-stream' in sse.headers['Content-Type'], name('sse'), sse.headers)
        site.wait_subscribers('l', 3)
        t.ok(True, name('three are held and counted'))
        site.publish_sql('l', 'one\ntwo', 'ev')
        sse.wait('event: ev\ndata: one\ndata: two\n\n')
        t.ok(True, name('sse: a message by SQL, at once'))
        frame.wait('<script>parent.f({')
        t.ok(b'one\\ntwo' in frame.wait(')</script>\n'), name('iframe: the same'), frame.buf)
        r = Response(conn.getresponse())
        conn.close()
        t.equal([m['data'] for m in r.json['messages']], ['one\ntwo'], name('longpoll: the same'))
        site.post('/push/publish?channel=l', 'by HTTP')
        sse.wait('data: by HTTP\n\n')
        frame.wait('"by HTTP"')
        t.ok(True, name('and one by HTTP'))
        sse.wait('\n\n:\n\n')
        frame.wait('<!-- -->\n')
        t.ok(True, name('both beat'))
        last = re.findall(rb'id: (\S+)', sse.buf)[-1].decode()
        sse.close()
        site.publish_sql('l', 'meanwhile')
        with site.stream('/push/sse?channel=l', {'Last-Event-ID': last}) as again:
            again.wait('data: meanwhile\n\n')
            t.equal(again.buf.count(b'data: '), 1, name('sse resumes'))
        frame.close()
        wait_for(lambda: site.subscribers('l') == 0, 20, 'the end of those held')
        t.ok(True, name('who leaves is noticed'))
        t.ok(site.lives(), name('httpd lives'))

    with Site(cgi=True, mpm=mpm, settings={
            'tidings': {'life_min': '200ms', 'life_max': '400ms'}}) as site:
        for program in ('sse', 'iframe'):
            with site.stream('/push/%s?channel=a' % program) as s:
                s.wait_end()
                t.ok(not s.cut, name(program + ' ends by itself, whole'))


def main(t):
    for mpm in ('event', 'prefork'):
        rows(t, mpm)


run(main)
