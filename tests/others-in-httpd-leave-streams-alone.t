#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# others-in-httpd-leave-streams-alone.t - the rules of a front controller in the same
# server do not swallow /push, mod_security does not collect a stream, and a service
# worker that puts all it sees into its cache is told not to.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

DEFINES = ('TIDINGS_FRONT_CONTROLLER',)
FRONT = '''
RewriteEngine On
RewriteCond %{REQUEST_URI} !^/real
RewriteRule . /index.html [L]
FallbackResource /index.html
'''
SECURITY = '''
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/event-stream text/html text/plain application/json
SecDataDir "/tmp"
'''


def streams(t, site, what):
    for name, mark in (('sse', 'data: %s\n'), ('iframe', '"data":"%s"')):
        with site.stream('/push/%s?channel=a' % name) as s:
            t.ok(s.status == 200 and s.headers['Content-Type'].startswith(
                'text/event-stream' if name == 'sse' else 'text/html'), what + name, s.headers)
            for n in range(3):
                site.publish_sql('a', '%s %d' % (name, n))
                s.wait(mark % ('%s %d' % (name, n)), 5)
            t.ok(True, what + name + ': each message comes at once')
            control = s.headers['Cache-Control']
            t.ok('no-store' in control and 'no-transform' in control and
                 '*' in s.headers.get_all('Vary'), what + name + ': nobody is to keep it',
                 s.headers)


def main(t):
    for handover in (False, True):
        with Site(httpd_extra=FRONT, modules=['rewrite'], handover=handover,
                  defines=DEFINES) as site:
            what = 'front controller%s: ' % (', mod_tidings' if handover else '')
            t.ok('<html' in site.get('/any/page').text, what + 'it has the site')
            streams(t, site, what)
            for path in ('poll?channel=a', 'longpoll?channel=a&since=-1', 'publish?channel=a',
                         'status?format=json', 'metrics'):
                r = site.get('/push/' + path)
                t.ok(r.status == 200 and '<html' not in r.text, what + path, r)
            r = site.get('/push/ws')
            t.equal(r.status, 426, what + 'ws')
            t.ok('<html' in site.get('/pushy').text, what + 'what only looks so is its own')
    with Site(cgi=True, httpd_extra=FRONT, modules=['rewrite'], defines=DEFINES) as site:
        r = site.get('/push/poll?channel=a')
        t.ok(r.status == 200 and 'messages' in r.json, 'front controller, CGI: poll', r)
    if not os.path.exists(MODULES + '/mod_security2.so'):
        t.skip_rest('needs libapache2-mod-security2')
        return
    with Site(httpd_extra=SECURITY, modules=['unique_id', 'security2']) as site:
        streams(t, site, 'mod_security: ')


run(main)
