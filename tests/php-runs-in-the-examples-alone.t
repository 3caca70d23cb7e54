#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 4: apache/tidings-php.conf.in runs *.php in the folder of the examples by
# php-cgi, and makes nothing else reachable: not php-cgi itself, no other file
# through it, no PHP elsewhere.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

CGI = '/.tidings-php'
# Address and what is answered.  The page says what it was called with.
ROWS = (
    ('/examples/probe.php?a=b', 200, 'ran:a=b'),
    ('/examples/deep/probe.php', 200, 'ran:'),
    ('/examples/probe.php/', 403, ''),
    ('/examples/probe.php/more', 403, ''),
    ('/examples/deep/probe.php/more/probe.php?a=b', 403, ''),
    ('/examples/none.php', 404, ''),
    ('/examples/none.php/probe.php', 403, ''),
    ('/examples/plain.txt', 200, '<?php echo "ran"'),
    ('/examples/plain.txt/probe.php', 404, ''),
    ('/examples/probe.php.txt', 200, '<?php echo "ran"'),
    ('/probe.php', 200, '<?php echo "ran"'),
    (CGI, 403, ''),
    (CGI + '/', 403, ''),
    (CGI + '/examples/probe.php', 403, ''),
    (CGI + '/probe.php', 403, ''),
    (CGI + '/examples/plain.txt', 403, ''),
    (CGI + '?-s', 403, ''),
    (CGI + '/examples/probe.php?-s', 403, ''),
    ('/%2etidings-php/examples/plain.txt', 403, ''),
    ('//.tidings-php/examples/plain.txt', 403, ''),
    ('/examples/../.tidings-php/examples/plain.txt', 403, ''),
    (CGI + 'x', 404, ''),
    ('/.tidings-php8.2', 404, ''),
    ('/usr/bin/php-cgi', 404, ''),
    # What makes php-cgi print its source or its settings on a command line.
    ('/examples/probe.php?-s', 200, 'ran:-s'),
    ('/examples/probe.php?-d+auto_prepend_file%3dphp://input', 200, 'ran:-d'),
)


def main(t):
    need('/usr/bin/php-cgi')
    with Site(php=True) as site:
        htdocs = os.path.join(site.dir, 'htdocs')
        os.mkdir(os.path.join(htdocs, 'examples', 'deep'))
        for name in ('examples/probe.php', 'examples/deep/probe.php', 'probe.php',
                     'examples/plain.txt', 'examples/probe.php.txt'):
            with open(os.path.join(htdocs, name), 'w') as f:
                f.write('<?php echo "ran", ":", $_SERVER["QUERY_STRING"], " ", '
                        'getenv("TIDINGS_DB"), " ", $_SERVER["SCRIPT_NAME"];')
        for path, status, text in ROWS:
            r = site.get(path)
            t.ok(r.status == status and (not text or r.text.startswith(text)),
                 '%s is %d' % (path, status), r)
        t.ok('%s /examples/probe.php' % site.db in site.get('/examples/probe.php').text,
             'it knows the database and its own address')
        for headers in ({'REDIRECT_STATUS': '200'}, {'Redirect-Status': '200'}):
            t.equal(site.get(CGI + '/examples/plain.txt', headers).status, 403,
                    'a header opens nothing')
        # The helpers are there to be included.
        for name in ('tidings.php', 'demo.php', 'login-table.php',
                     'wordpress/tidings-live.php'):
            r = site.get('/examples/' + name)
            t.equal((r.status, r.body), (200, b''), name + ' by itself is empty')
        r = site.post('/examples/news.php', b'x' * 70000,
                      'application/x-www-form-urlencoded')
        t.equal(r.status, 413, 'a form that is too long is refused')
        t.ok(site.lives(), 'the programs live')


run(main)
