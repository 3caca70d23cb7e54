#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: over HTTP/2, whose output httpd would collect, every message of a
# stream still comes at once, and many streams share one connection.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


class Curl:
    """A stream over HTTP/2, as curl prints it."""

    def __init__(self, site, *paths):
        self.buf = b''
        self.child = subprocess.Popen(
            ['curl', '-sSN', '-i', '--parallel', '--parallel-immediate',
             '--http2-prior-knowledge', '--max-time', str(int(60 * PATIENCE))] +
            [site.url + p for p in paths],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def wait(self, text, seconds=10, count=1):
        end = deadline(seconds)
        while self.buf.count(text.encode()) < count:
            left = end - time.monotonic()
            ready = left > 0 and select.select([self.child.stdout], [], [], left)[0]
            data = os.read(self.child.stdout.fileno(), 65536) if ready else b''
            if not data:
                raise Failure('%r did not come; got %r' % (text, self.buf[-500:]))
            self.buf += data
        return self.buf

    def close(self):
        self.child.terminate()
        self.child.wait()
        self.child.stdout.close()


def main(t):
    need('curl', MODULES + '/mod_http2.so')
    version = subprocess.run(['curl', '--version'], capture_output=True, text=True).stdout
    if 'HTTP2' not in version:
        skip_all('needs curl with HTTP/2')
    with Site(modules=['http2'], httpd_extra='Protocols h2c http/1.1\nH2Direct on') as site:
        for program, begin in (('sse', 'retry: '), ('iframe', '-->\n')):
            curl = Curl(site, '/push/%s?channel=a' % program)
            try:
                curl.wait(begin)
                t.ok(curl.buf.startswith(b'HTTP/2 200'), program + ' over HTTP/2', curl.buf[:80])
                for n in range(5):
                    site.publish_sql('a', 'message %d' % n)
                    curl.wait('message %d' % n, 5)
                t.ok(True, program + ': every message comes at once')
                curl.wait(':\n\n' if program == 'sse' else '<!-- -->', 10, count=3)
                t.ok(True, program + ': it beats often, so that its end is noticed')
            finally:
                curl.close()
        curl = Curl(site, '/push/sse?channel=b', '/push/iframe?channel=b', '/push/sse?prefix=b',
                    '/push/longpoll?channel=b&wait=20')
        try:
            site.wait_subscribers('b', 4)
            site.publish_sql('b', 'to all')
            curl.wait('to all', count=4)
            t.ok(True, 'four held answers on one connection')
        finally:
            curl.close()
        r = subprocess.run(['curl', '-sS', '--http2-prior-knowledge', '-X', 'POST', '--data-binary',
                            'by HTTP/2', '-H', 'Content-Type: text/plain', '-w', '\n%{http_code}',
                            site.url + '/push/publish?channel=c'], capture_output=True, text=True)
        t.ok(r.stdout.endswith('\n201'), 'publishing', r.stdout, r.stderr)
        r = subprocess.run(['curl', '-sS', '--http2-prior-knowledge',
                            site.url + '/push/poll?channel=c&since=0'], capture_output=True, text=True)
        t.equal([m['data'] for m in json.loads(r.stdout)['messages']], ['by HTTP/2'],
                'and polling')
        t.ok(site.lives(), 'the programs live')


run(main)
