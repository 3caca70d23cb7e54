#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: the function that an iframe calls is a name with dots between its
# parts and nothing else.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from urllib.parse import quote

GOOD = ['a', 'A', '_', '$', 'receive', 'app.receive', 'a.b.c', '$.x_1', 'a1', 'x' * 100,
        'tidings.receive', 'a.$', '__proto__']
BAD = ['', '1', '1a', '.', '.a', 'a.', 'a..b', 'a b', 'a-b', 'a()', 'a[0]', "a'b", 'a"b', 'a;b',
       'a=b', 'a/b', 'a\\b', '<', 'a<b', 'a>b', 'a&b', 'a\nb', 'a\0', '\0a', 'a\0b', 'é', 'a.é', 'a,b',
       'alert(1)//', '</script>', '</script><script>alert(1)//', 'a.1', 'x' * 101, ' a', 'a ',
       '\u2028', 'a\u2028b', '\ufeffa', 'a%62', '\\u0061', 'a`b`', 'a+b', 'a?b:c', 'a/**/', '@', '#a']


def main(t):
    with Site() as site:
        site.publish_sql('a', 'x')
        for name in GOOD:
            with site.stream('/push/iframe?channel=a&since=0&callback=' + quote(name)) as s:
                buf = s.wait('</script>\n').decode() if s.status == 200 else ''
                t.ok(s.status == 200 and '<script>parent.%s({' % name in
                     s.wait('parent.').decode() + s.wait('({').decode(), 'called: ' + name[:40], buf)
        for name in BAD:
            with site.stream('/push/iframe?channel=a&since=0&callback=' +
                             quote(name, safe='')) as s:
                body = s.wait_end().decode() if s.status != 200 else '200'
                t.ok(s.status == 400 and
                     s.headers['Content-Type'] == 'application/problem+json' and
                     (len(name) < 3 or name not in body), 'refused: %a' % name[:40], body)
        with site.stream('/push/iframe?channel=a&since=0') as s:
            t.ok(b'<script>parent.tidings.receive({"id":' in s.wait('({"id":'),
                 'without a name it is tidings.receive', s.buf)
        for query in ('callback=a&callback=%3Cx', 'callback=a%00%3Cx'):
            with site.stream('/push/iframe?channel=a&since=0&' + query) as s:
                buf = s.wait_end() if s.status != 200 else s.wait('"data":"x"')
                t.ok(b'<x' not in buf and b'<(' not in buf, 'no way around: ' + query, buf)
        t.ok(site.lives(), 'the programs live')


run(main)
