#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: a page for a hidden iframe: its head and padding, one script a
# message, and no message, channel, event or type that a browser would read
# as anything but data; resume by since.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from html.parser import HTMLParser
from urllib.parse import quote

NASTY = ['</script>', '</SCRIPT >', '<script>', '<!--', '<!-- <script>', '-->', ']]>', '"', "'",
         '\\', '\\u003c/script>', '"});alert(1);//', '\u2028alert(1)\u2029', '\0', '\r\n', '`${1}`',
         '&lt;/script&gt;', '<\u200b/script>', '</scr\0ipt>', '\ufeff', '\x7f\x80\x9f']


class Page(HTMLParser):
    """What a parser makes of it: the texts of its scripts, and all else."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.scripts, self.tags, self.text, self.open = [], [], '', False

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open = tag == 'script'
        if self.open:
            self.scripts.append('')

    def handle_endtag(self, tag):
        if tag == 'script':
            self.open = False

    def handle_data(self, data):
        if self.open:
            self.scripts[-1] += data
        else:
            self.text += data.strip()


def main(t):
    with Site() as site:
        want = []
        for n, bad in enumerate(NASTY):
            channel = 'c' + ''.join(c for c in bad if ord(c) > 31 and not 127 <= ord(c) < 160)
            kind = 'text/x' + ''.join(c for c in bad if 32 <= ord(c) < 127)
            event = channel + 'e'
            site.sql('INSERT INTO changes(channel, event, data, content_type)'
                     ' VALUES (?, ?, ?, ?)', channel, event, bad, kind)
            want.append((channel, event, bad, kind))
        site.sql("INSERT INTO changes(channel, data, content_type)"
                 " VALUES ('c', x'3c2f7363726970743e', '</script>')")
        site.publish_sql('c', 'the end')
        s = site.stream('/push/iframe?prefix=c&since=0')
        s.wait('"the end"')
        body = s.wait(')</script>\n', 10, behind='"the end"').decode()
        s.close()
        t.ok(s.headers['Content-Type'].lower() == 'text/html; charset=utf-8', 'HTML in UTF-8',
             s.headers)
        t.ok('no-cache' in s.headers['Cache-Control'] and
             s.headers['X-Content-Type-Options'] == 'nosniff', 'not cached, not guessed at',
             s.headers)
        head = body.split('<script>parent')[0]
        t.ok(head.lower().startswith('<!doctype html>'), 'a document', head[:60])
        t.ok(len(head) >= 1024, 'padded so that a browser begins with it', len(head))
        page = Page()
        page.feed(body)
        scripts = [x for x in page.scripts if 'parent.' in x]
        t.equal(len(scripts), len(NASTY) + 2, 'one script a message')
        t.ok(set(page.tags) <= {'html', 'head', 'meta', 'title', 'script', 'body'},
             'no other element', page.tags)
        t.equal(page.text.replace('tidings', ''), '', 'no text outside')
        for row, script in zip(want, scripts):
            m = re.fullmatch(r'parent\.tidings\.receive\((\{.*\})\)', script)
            got = json.loads(m.group(1)) if m else {}
            t.ok((got.get('channel'), got.get('event'), got.get('data'),
                  got.get('content_type')) == row, 'data stays data: %a' % row[2], script)
            t.ok(not re.search('[<>\u2028\u2029\n\r\0]', script), 'and has no sign that ends it',
                 ascii(script))
        got = json.loads(scripts[-2][len('parent.tidings.receive('):-1])
        t.ok(got['data'].startswith('data:') and got['data'].endswith('PC9zY3JpcHQ+'),
             'bytes as a data: URL', got)

        with site.stream('/push/iframe?channel=d') as s:
            m = re.search(r'\{"cursor":"([^"]+)"\}', s.wait('-->\n').decode())
            t.ok(m, 'the head tells the cursor', s.buf)
            for n in range(5):
                site.publish_sql('d', str(n))
            calls = [json.loads(x) for x in
                     re.findall(r'receive\((\{.*\})\)', s.wait('"data":"2"').decode())]
        with site.stream('/push/iframe?channel=d&since=' + calls[0]['id']) as s:
            s.wait('"data":"4"')
            got = re.findall(rb'"data":"(\d)"', s.buf)
            t.equal(got, [b'1', b'2', b'3', b'4'], 'since= goes on behind a message')
        with site.stream('/push/iframe?channel=d&since=' + m.group(1)) as s:
            s.wait('"data":"4"')
            t.equal(len(re.findall(rb'"data":', s.buf)), 5, 'or from the head on')
        r = site.request('HEAD', '/push/iframe?channel=d')
        t.ok(r.status == 200 and r.body == b'', 'HEAD ends', r.headers)
        r = site.post('/push/iframe', 'channel=d', 'application/x-www-form-urlencoded')
        t.equal(r.status, 405, 'an iframe is not loaded by POST')
        t.ok(site.lives(), 'the programs live')


run(main)
