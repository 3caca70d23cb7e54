#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: /push/status is a page for people and JSON for programs,
# /push/metrics parses as Prometheus text format 0.0.4; the numbers are those
# of what happened.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from html.parser import HTMLParser

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
SAMPLE = re.compile(r'(%s)(?:\{(.*)\})? (-?\d+(?:\.\d+)?)$' % NAME)


def parse(t, text):
    """Samples by (name, labels); complains about whatever is not the format."""
    samples, kinds, helps, family, bad = {}, {}, {}, None, []
    for line in text.split('\n')[:-1]:
        if line.startswith('# HELP '):
            _, _, family, help_ = line.split(' ', 3)
            if family in helps or not help_:
                bad.append(line)
            helps[family] = help_
        elif line.startswith('# TYPE '):
            _, _, name, kind = line.split(' ')
            if name != family or kind not in ('gauge', 'counter') or name in kinds:
                bad.append(line)
            kinds[name] = kind
        else:
            m = SAMPLE.match(line)
            if not m or m.group(1) not in kinds or m.group(1) != family:
                bad.append(line)
                continue
            labels = m.group(2) or ''
            if labels and not re.fullmatch(r'(%s="[^"\\\n]*",?)+' % NAME, labels):
                bad.append(line)
            if (m.group(1), labels) in samples:
                bad.append('twice: ' + line)
            samples[m.group(1), labels] = float(m.group(3))
    t.ok(not bad and text.endswith('\n'), 'every line is of the format', *bad)
    t.ok(all(k.endswith('_total') for k in kinds if kinds[k] == 'counter'),
         'counters are named as counters', kinds)
    return samples


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack, self.bad, self.cells = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ('meta', 'link', 'br'):
            self.stack.append(tag)
        for name, value in attrs:
            if value and re.match('https?:|//', value):
                self.bad.append(value)

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.bad.append('/' + tag)

    def handle_data(self, data):
        if self.stack and self.stack[-1] == 'td':
            self.cells.append(data)


def main(t):
    with Site() as site:
        one = site.get('/push/status?format=json').json['programs']
        for n in range(7):
            site.post('/push/publish?channel=a', str(n))
        site.publish_sql('b', 'x')
        s = site.stream('/push/sse?channel=a&since=0')
        s.wait('data: 6')
        r = site.get('/push/status?format=json')
        t.equal((r.status, r.headers['Content-Type']), (200, 'application/json'), 'JSON')
        t.equal((r.json['messages'], r.json['channels']), (8, 2), 'messages and channels')
        cursor = site.get('/push/poll?channel=a').json['cursor']
        t.equal((r.json['cursor'], r.json['epoch']), (cursor, cursor.split('-')[0]), 'the cursor')
        t.ok(abs(r.json['time'] - time.time() * 1000) < 60000 and
             r.json['database_bytes'] > 4096, 'time and size', r)
        t.equal(sorted(r.json['programs']), sorted(PROGRAMS + ('wsd',)), 'every program')
        wait_for(lambda: site.get('/push/status?format=json').json['programs']['sse']['delivered']
                 == 7, 10, 'the count of deliveries')
        two = site.get('/push/status?format=json').json['programs']
        t.equal((two['publish']['published'], two['sse']['clients'], two['sse']['delivered']),
                (7, 1, 7), 'published, held, delivered')
        t.equal(two['sse']['requests'] - one['sse']['requests'], 1, 'and the requests')
        t.ok(two['sse']['bytes'] > 100, 'and bytes', two['sse'])
        site.get('/push/longpoll?channel=b&since=no-such-1'.replace('no-such', 'abc'))
        wait_for(lambda: site.get('/push/status?format=json').json['programs']['longpoll']['resets']
                 == 1, 10, 'the count of resets')
        t.ok(True, 'and resets')

        r = site.get('/push/metrics')
        t.ok(re.match(r'text/plain; version=0\.0\.4', r.headers['Content-Type']), 'metrics',
             r.headers)
        samples = parse(t, r.text)
        t.equal([samples.get(k) for k in (
            ('tidings_messages', ''), ('tidings_channels', ''), ('tidings_newest_id', ''),
            ('tidings_published_total', 'program="publish"'),
            ('tidings_clients', 'program="sse"'), ('tidings_delivered_total', 'program="sse"'),
            ('tidings_resets_total', 'program="longpoll"'))], [8, 2, 8, 7, 1, 7, 1],
            'the same numbers')
        t.equal(site.get('/push/metrics?x=y').status, 200, 'with a query too')
        s.close()

        r = site.get('/push/status')
        t.ok(r.headers['Content-Type'].startswith('text/html'), 'a page')
        page = Balanced()
        page.feed(r.text)
        t.ok(not page.stack and not page.bad, 'well-formed, and nothing from elsewhere',
             page.stack, page.bad)
        t.ok(set(PROGRAMS + ('wsd',)) <= set(page.cells), 'with a row for every program',
             page.cells)
        t.ok(cursor in r.text, 'and the cursor')
        for path in ('/push/status', '/push/metrics', '/push/status?format=json'):
            r = site.request('HEAD', path)
            t.equal((r.status, r.body), (200, b''), 'HEAD ' + path)
            t.equal(site.post(path, '').status, 405, 'no POST to ' + path)
        t.ok(site.lives(), 'the programs live')


run(main)
