#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: all of Unicode, control characters, numbers, bytes and ill-formed
# text: what is stored is what arrives, in each of six encodings. A BLOB is
# a data: URL where text is needed.
import base64, re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def sse_data(value):
    """What EventSource makes of it: all line ends are line feeds."""
    return value.replace('\r\n', '\n').replace('\r', '\n')


BLOB = bytes(range(256))
# SQL expression or value, content type, text that arrives
ROWS = [
    ('plain', None, 'plain'),
    ('', None, ''),
    (' leading and trailing ', None, ' leading and trailing '),
    (': a comment?', None, ': a comment?'),
    ('data: x\nid: 7\nevent: y\nretry: 1', None, 'data: x\nid: 7\nevent: y\nretry: 1'),
    ('\n', None, '\n'), ('\n\n\n', None, '\n\n\n'), ('a\n', None, 'a\n'),
    ('\na', None, '\na'), ('a\r\nb', None, 'a\r\nb'), ('a\rb', None, 'a\rb'),
    ('a\n\rb', None, 'a\n\rb'), ('\r', None, '\r'), ('\r\n', None, '\r\n'),
    ('"\\/\b\f\t\'`${}', None, '"\\/\b\f\t\'`${}'),
    ('</script><!--<script>]]>&amp;', None, '</script><!--<script>]]>&amp;'),
    ('\u2028\u2029\u0085\ufeff', None, '\u2028\u2029\u0085\ufeff'),
    ('NUL \0 inside', None, 'NUL \0 inside'),
    (''.join(map(chr, range(1, 0xA0))), None, ''.join(map(chr, range(1, 0xA0)))),
    ('\ud7ff\ue000\ufffd\ufffe\uffff\U00010000\U0010ffff', None,
     '\ud7ff\ue000\ufffd\ufffe\uffff\U00010000\U0010ffff'),
    ('{"json": [1, "\u00e9"]}', 'application/json', '{"json": [1, "\u00e9"]}'),
    (12345678901234, None, '12345678901234'),
    (-0.5, None, '-0.5'),
    (BLOB, None, 'data:application/octet-stream;base64,' + base64.b64encode(BLOB).decode()),
    (b'', None, 'data:application/octet-stream;base64,'),
    (b'\x89PNG', 'image/png', 'data:image/png;base64,iVBORw=='),
    (b'x', 'text/plain; charset=latin1', None),
]
# Text of a foreign writer that is no UTF-8, hexadecimal, and its repair.
BROKEN = [('61ff62', 'a\ufffdb'), ('c3', '\ufffd'), ('c328', '\ufffd('),
          ('eda080', '\ufffd\ufffd\ufffd'), ('c080', '\ufffd\ufffd'),
          ('f4908080', '\ufffd\ufffd\ufffd\ufffd'), ('80', '\ufffd'),
          ('e28261', None), ('f09f98', None)]


def javascript(body):
    """The argument of every call in an iframe's page."""
    return [json.loads(x) for x in
            re.findall(r'<script>parent\.tidings\.receive\((.*?)\)</script>', body)]


def main(t):
    need_websockets()
    with Site() as site:
        db = site.connect()
        for value, kind, _ in ROWS:
            db.execute("INSERT INTO changes(channel, data, content_type)"
                       " VALUES ('a', ?, ?)", (value, kind))
        # All of Unicode, 1024 characters a message.
        planes = []
        for first in range(0x20, 0x110000, 0x400):
            text = ''.join(chr(c) for c in range(first, min(first + 0x400, 0x110000))
                           if not 0xD800 <= c < 0xE000)
            if text and (first < 0x3000 or first % 0x8000 == 0x20 or first >= 0x10F000):
                planes.append(text)
                db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)", (text,))
        for bytes_, _ in BROKEN:
            db.execute("INSERT INTO changes(channel, data)"
                       " VALUES ('a', CAST(x'%s' AS TEXT))" % bytes_)
        db.execute("INSERT INTO changes(channel, data) VALUES ('a', 'the end')")
        db.close()
        want = [w for _, _, w in ROWS] + planes + [w for _, w in BROKEN] + ['the end']

        def compare(name, got, expected=want):
            t.equal(len(got), len(expected), name + ': all came')
            bad = [(i, g, w) for i, (g, w) in enumerate(zip(got, expected))
                   if w is not None and g != w]
            t.ok(not bad, name + ': exactly as stored', *['%d: %a\n   for %a' % b for b in bad])
            t.ok('\ufffd' not in got[6] and all(isinstance(g, (str, bytes)) for g in got),
                 name + ': nothing is replaced without need')
            for at, (hex_, _) in enumerate(BROKEN, len(ROWS) + len(planes)):
                t.ok('\ufffd' in got[at], name + ': ill-formed %s is repaired' % hex_, ascii(got[at]))

        r = site.get('/push/poll?channel=a&since=0')
        r.body.decode()  # well-formed, or it raises
        compare('poll', [m['data'] for m in r.json['messages']])
        t.equal(r.json['messages'][20].get('content_type'), 'application/json',
                'poll: the type is told')
        r = site.get('/push/longpoll?channel=a&since=0')
        compare('longpoll', [m['data'] for m in r.json['messages']])

        with site.stream('/push/iframe?channel=a&since=0') as s:
            body = s.wait(')</script>\n', 10, behind='"data":"the end"').decode()
            compare('iframe', [m['data'] for m in javascript(body)])
            t.ok('\u2028' not in body and '\u2029' not in body,
                 'iframe: no line end that JavaScript would see')

        sse = SseClient(site, 'channel=a&since=0')
        end = deadline(15)
        while not (sse.events and sse.events[-1][2] == 'the end') and time.monotonic() < end:
            sse.pump(0.2)
        sse.close()
        compare('sse', [e[2] for e in sse.events],
                [w if w is None else sse_data(w) for w in want])

        with site.stream('/push/sse?channel=a&since=0&format=json') as s:
            body = s.wait('\n\n', 10, behind='"data":"the end"').decode()
            compare('sse format=json', [json.loads(line[len('data: '):])['data']
                                        for line in body.split('\n') if line.startswith('data: ')])

        for form, of in ((None, None), ('tidings.json', 'data')):
            with WebSocket(site, '/push/ws?channel=a&since=0', form) as ws:
                got = []
                for _ in want:
                    m = ws.recv()
                    got.append(json.loads(m)['data'] if form else m)
            name = 'ws ' + (form or 'raw')
            expected = list(want)
            if not form:
                for i, (value, _, _) in enumerate(ROWS):
                    if isinstance(value, bytes):
                        expected[i] = value
            compare(name, got, expected)
        t.ok(site.lives(), 'the programs live')


run(main)
