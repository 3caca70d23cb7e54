#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# an-iframe-fills-an-element-by-itself.t - /push/iframe?element=ID writes the data
# of each message into that element of the page around it, which needs no script:
# at first the newest message, as text whatever is in it, and on after the frame
# has ended or its program was killed.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, run  # noqa: E402
from tidings_test import Site, wait_for  # noqa: E402

PAGE = '''<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>still</title></head>
<body><b id="a-1:x.y">nothing</b><p id="other">untouched</p>
<iframe src="/push/iframe?since=%s&amp;channel=a&amp;element=a-1:x.y" hidden></iframe>
<iframe src="/push/iframe?channel=a&amp;element=missing" hidden></iframe></body></html>'''
NASTY = ['</script><script>parent.document.title="gone"</script>',
         '<img src=x onerror="parent.document.title=\'gone\'">', '");parent.document.title="gone";("',
         "'\\u0027);//", 'line\u2028end\u2029', '<!--<script>', ' &amp; &lt;b&gt; ']
SETTINGS = {'tidings': {'heartbeat': '1s', 'life_min': '3s', 'life_max': '4s', 'retry': '200ms'}}


def refused(t, site):
    for name in ('', '%27', 'a%20b', 'a%3Cb', 'a%22', 'a%5C', 'a%00', 'n' * 101, 'ä', "a')//",
                 'a%0A', 'a/b', 'a;b'):
        r = site.get('/push/iframe?channel=a&element=' + name.replace('ä', '%C3%A4'))
        t.ok(r.status == 400 and r.json['site'] == 1302, 'element=%s is refused' % name, r)
    r = site.get('/push/iframe?channel=a&element=x&callback=f')
    t.equal(r.status, 400, 'a callback as well is one too many')
    r = site.request('HEAD', '/push/iframe?channel=a&element=' + 'n' * 100)
    t.equal(r.status, 200, '100 bytes are taken')


def shows(t, browser, site):
    text = lambda: browser.js('return document.getElementById("a-1:x.y").textContent')
    t.soon(lambda: text() == 'before', 'the newest message stands there at first', 20, text)
    for bad in NASTY:
        site.publish_sql('a', bad)
        t.soon(lambda: text() == bad, 'as it is: %r' % bad, 20, text)
    t.equal(browser.js('return document.title'), 'still', 'nothing of it runs')
    t.equal(browser.js('return document.getElementById("a-1:x.y").children.length'), 0,
            'and none is markup')
    t.equal(browser.js('return document.getElementById("other").textContent'), 'untouched',
            'nothing else is touched')
    loads = lambda: sum('GET /push/iframe' in l for l in open(site.dir + '/access.log'))
    before = loads()
    wait_for(lambda: loads() >= before + 2, 40, 'frames that are loaded again')
    site.publish_sql('a', 'behind the end')
    t.soon(lambda: text() == 'behind the end', 'it goes on when a frame has ended', 20, text)
    site.kill('iframe')
    site.publish_sql('a', 'behind a kill')
    t.soon(lambda: text() == 'behind a kill', 'and when the program was killed', 40, text)


def test(t):
    with Site(SETTINGS) as site:
        refused(t, site)
        site.publish_sql('a', 'before')
        for name, since in (('page', ''), ('since', 'earliest')):
            path = os.path.join(site.dir, 'htdocs', name + '.html')
            with open(path, 'w') as f:
                f.write(PAGE % since)
        with Browser() as browser:
            browser.open(site.url + '/page.html')
            shows(t, browser, site)
            browser.open(site.url + '/since.html')
            t.soon(lambda: browser.js('return document.getElementById("a-1:x.y").textContent') ==
                   'behind a kill', 'from a cursor on as well')


run(test)
