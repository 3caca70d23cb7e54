#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 4: with format=json each event of SSE is the JSON object that polls and
# frames have, with channel, event and time, also for those who come back with
# their cursor; reset, cursor and heartbeat are as without. Nothing changes for
# those who do not ask, and any other format is refused.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

DATA = ['plain', '', 'two\nlines', 'a\r\nb\rc\n', 'data: x\n\nid: 7', '\u2028 Größe \U0001f514',
        '</script>', '"\\', 'x' * 100000]
HEAD = b'\n\n'


def lines_of(stream, last):
    """The text behind the head, once the message `last` has come."""
    stream.wait(HEAD, 15, behind=last)
    return stream.buf.split(HEAD, 1)[1].decode()


def events_of(text):
    """Each is to be an id and one line of data, and nothing else."""
    out = []
    for block in text.split('\n\n')[:-1]:
        if block == ':':
            continue
        first, second = block.split('\n')
        if not (first.startswith('id: ') and second.startswith('data: {')):
            raise Failure('%r is no message' % block[:200])
        message = json.loads(second[len('data: '):])
        if message['id'] != first[len('id: '):]:
            raise Failure('%r: the ids differ' % block[:200])
        out.append(message)
    return out


def check(t, site, name):
    path = '/push/sse?channel=a&prefix=b.&format=json'
    start = site.get('/push/poll?channel=a&prefix=b.').json['cursor']
    live = [site.stream(path) for _ in range(3)]
    plain = site.stream('/push/sse?channel=a&prefix=b.')
    for s in live + [plain]:
        s.wait(HEAD)
    t.ok(live[0].headers['Content-Type'].startswith('text/event-stream'), name + ': the type',
         live[0].headers)
    t.ok(live[0].buf.startswith(b': tidings') and b'\nretry: ' in live[0].buf
         and b'\nid: ' + start.encode() + b'\n' in live[0].buf, name + ': the head as ever',
         live[0].buf)
    for n, data in enumerate(DATA):
        site.publish_sql('b.x' if n % 2 else 'a', data, 'ev' if n % 3 else None)
    site.sql("INSERT INTO changes(channel, data, content_type) VALUES ('a', x'89504e47',"
             " 'image/png')")
    site.publish_sql('a', 'the end')
    answer = site.get('/push/poll?channel=a&prefix=b.&since=' + start)
    want = answer.json['messages']
    texts = [lines_of(s, 'the end') for s in live]
    t.equal(events_of(texts[0]), want, name + ': each message as poll has it')
    t.equal([m['data'] for m in want],
            DATA + ['data:image/png;base64,iVBORw==', 'the end'], name + ': with its data whole')
    t.equal([m['channel'] for m in want[:4]], ['a', 'b.x', 'a', 'b.x'], name + ': its channel')
    now = time.time() * 1000
    t.ok(all(now - 60000 * PATIENCE < m['time'] < now + 1000 for m in want), name + ': its time',
         want[0], now)
    t.ok(all(line[len('data: '):] in answer.text for line in texts[0].split('\n')
             if line.startswith('data: ')), name + ': byte by byte')
    t.equal(len({s.replace(':\n\n', '') for s in texts}), 1, name + ': to all the same')
    old = lines_of(plain, 'the end')
    t.ok('event: ev\ndata: \n\n' in old and 'data: two\ndata: lines\n\n' in old
         and '{' not in old, name + ': nothing of it for who did not ask', old[:500])
    for s in live + [plain]:
        s.close()

    for how in ('header', 'parameter'):
        cursor = want[3]['id']
        s = site.stream(path, {'Last-Event-ID': cursor}) if how == 'header' else \
            site.stream(path + '&since=' + cursor)
        t.equal(events_of(lines_of(s, 'the end')), want[4:],
                name + ': goes on behind a cursor in a ' + how)
        s.close()


def refusals(t, site):
    for value in ('xml', 'JSON', 'json%00', 'json%0A', 'jso', 'json,json', '%20', '1'):
        r = site.get('/push/sse?channel=a&format=' + value)
        t.ok(r.status == 400 and r.json['site'] == 1801 and 'format' in r.json['detail'],
             'format=%s is refused' % value, r)
    for query in ('format=', 'format', 'topic=b'):
        with site.stream('/push/sse?channel=a&since=-1&' + query) as s:
            s.wait('data: the end\n\n')
        t.ok(True, query + ': as without')
    r = site.request('HEAD', '/push/sse?channel=a&format=json')
    t.equal((r.status, r.body), (200, b''), 'HEAD')
    r = site.request('HEAD', '/push/sse?channel=a&format=xml')
    t.equal(r.status, 400, 'HEAD, refused')


def resets(t, site):
    cursor = site.get('/push/poll?channel=r').json['cursor']
    for n in range(4):
        site.publish_sql('r', str(n))
    site.request('DELETE', '/push/publish?channel=r')
    site.publish_sql('r', 'kept')
    with site.stream('/push/sse?channel=r&format=json', {'Last-Event-ID': cursor}) as s:
        text = s.wait('\n\n', behind='kept').decode()
        t.ok('event: tidings.reset\nid: ' in text and '\ndata: {"reset":true,"cursor":"' in text,
             'a reset is the same event', text)
        kept = text.split('data: ')[-1].split('\n')[0]
        t.equal(json.loads(kept)['data'], 'kept', 'and then what is kept')


def main(t):
    beats = {'tidings': {'heartbeat': '300ms'}}
    with Site(settings=beats) as site:
        check(t, site, 'FastCGI')
        refusals(t, site)
        resets(t, site)
        with site.stream('/push/sse?channel=quiet&format=json') as s:
            s.wait('\n\n:\n\n')
        t.ok(True, 'it beats')
        t.ok(site.lives(), 'the programs live')
    with Site(cgi=True, settings=beats) as site:
        check(t, site, 'CGI')


run(main)
