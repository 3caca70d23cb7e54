#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: mod_deflate set for all of the site, with everything: streams come
# at once and are not compressed, short answers are right either way.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
import gzip

DEFLATE = '''
SetOutputFilter DEFLATE
AddOutputFilterByType DEFLATE text/html text/plain text/event-stream application/json
DeflateBufferSize 65536
'''
GZIP = {'Accept-Encoding': 'gzip, deflate, br'}


def main(t):
    for name, kw in (('FastCGI', {}), ('CGI', {'cgi': True})):
        with Site(httpd_extra=DEFLATE, **kw) as site:
            r = site.get('/', GZIP)
            t.equal(r.headers['Content-Encoding'], 'gzip',
                    name + ': the site itself is compressed')
            for program, begin in (('sse', '\n\n'), ('iframe', '-->\n')):
                with site.stream('/push/%s?channel=a' % program, GZIP) as s:
                    s.wait(begin, 5)
                    t.equal(s.headers['Content-Encoding'], None,
                            '%s: %s is not' % (name, program))
                    for n in range(3):
                        site.publish_sql('a', 'message %d' % n)
                        s.wait('message %d' % n, 5)
                    t.ok(True, '%s: every message comes at once' % name)
            cursor = site.get('/push/poll?channel=a').json['cursor']
            conn = http.client.HTTPConnection('127.0.0.1', site.port, timeout=20 * PATIENCE)
            conn.request('GET', '/push/longpoll?channel=a&wait=15', headers=GZIP)
            wait_for(lambda: site.subscribers('a') >= 1, 15, 'the long poll')
            site.publish_sql('a', 'held')
            r = Response(conn.getresponse())
            conn.close()
            body = gzip.decompress(r.body) if r.headers['Content-Encoding'] else r.body
            t.equal([m['data'] for m in json.loads(body)['messages']], ['held'],
                    name + ': a long poll arrives')
            r = site.get('/push/poll?channel=a&since=' + cursor, GZIP)
            body = gzip.decompress(r.body) if r.headers['Content-Encoding'] else r.body
            t.equal([m['data'] for m in json.loads(body)['messages']], ['held'],
                    name + ': a short poll too')
            r = site.get('/push/poll?channel=a', dict(GZIP, **{'If-None-Match': r.headers['ETag']}))
            t.equal(r.status, 304, name + ': and its ETag is good, whatever became of it')
            t.ok(site.lives(), name + ': the programs live')


run(main)
