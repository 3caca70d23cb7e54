#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# bodies-on-their-way-in-are-bounded.t - the number of parameters, the bytes of
# all bodies together, and how slowly one may come.  8 MB of "a&a&" made four
# million parameters and 150 MB; slow bodies of those with a key had no bound
# together.
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, is_503, pairs, private_kb, record

FORM = {'Content-Type': 'application/x-www-form-urlencoded'}
MB = 1 << 20
CHANNELS = 50


def fields(tap, site):
    most = CHANNELS + 100
    names = [('channel', 'ä%%%03d' % i + 'ü' * 120) for i in range(CHANNELS)]
    for path in ('/push/poll', '/push/longpoll?wait=0', '/push/publish'):
        more = [('data', 'x')] if 'publish' in path else []
        r = site.request('POST', path, urllib.parse.urlencode(names + more), FORM)
        tap.ok(r.status in (200, 201), path + ': max_channels long names in a form', r)
        for n, query in ((most, ''), (most + 1, ''), (most - 3, 'a=1&b=2&c=3'),
                         (most - 3, 'a=1&b=2&c=3&d=4')):
            full = path + ('&' if '?' in path else '?') + query
            have = n + len([p for p in full.partition('?')[2].split('&') if p])
            r = site.request('POST', full, 'channel=a&data=x' + '&f' * (n - 2), FORM)
            tap.ok(r.status == 400 and 'more than %d parameters' % most in r.json['detail']
                   if have > most else r.status in (200, 201),
                   '%s: %d parameters' % (full, have), r)
    for path in ('/push/poll', '/push/sse', '/push/iframe', '/push/longpoll'):
        r = site.get(path + '?channel=a&wait=0' + '&f' * most)
        tap.ok(r.status == 400 and r.json['site'] == 1003, path + ': in the query', r)
    pid = site.pid('publish')
    base = private_kb(pid)
    r = site.request('POST', '/push/publish?channel=a', 'a&' * (4 * MB - 8) + 'b=1', FORM)
    tap.equal(r.status, 400, 'four million of them are refused')
    tap.ok(private_kb(pid) < base + 40000, 'and cost little', base, private_kb(pid))


class Slow(FcgiPeer):
    """A publish whose body comes as it is told to."""

    def __init__(self, site, length):
        super().__init__(os.path.join(site.run_dir, 'publish.sock'))
        variables = {'REQUEST_METHOD': 'POST', 'QUERY_STRING': 'channel=a',
                     'SCRIPT_NAME': '/push/publish', 'REMOTE_ADDR': '127.0.0.1',
                     'CONTENT_TYPE': 'text/plain', 'CONTENT_LENGTH': str(length)}
        self.send(record(1, b'\0\1\1' + bytes(5)) + record(4, pairs(variables)) + record(4))

    def more(self, n):
        for at in range(0, n, 60000):
            self.send(record(5, b'x' * min(60000, n - at)))


def together(tap, site):
    pid = site.pid('publish')
    base = private_kb(pid)
    peers = [Slow(site, MB) for _ in range(100)]
    for _ in range(8):
        for peer in peers:
            peer.more(120000)
    refused = []

    def look():
        for peer in peers:
            peer.read_some(0)
        refused[:] = [p for p in peers if b'Status: 503' in p.out]
        return len(refused) >= 60
    with contextlib.suppress(Failure):
        wait_for(look, 20, 'the refusals')
    tap.ok(60 <= len(refused) < 95, 'of a hundred bodies those beyond max_incoming are refused',
           len(refused))
    tap.ok(all(b'Retry-After: ' in p.out for p in refused), 'with Retry-After')
    tap.ok(private_kb(pid) < base + 30000, 'memory is bounded', base, private_kb(pid))
    r = site.post('/push/publish?channel=a', 'small')
    tap.equal(r.status, 201, 'a small body is taken all the same')
    rest = [p for p in peers if p not in refused]
    for peer in rest:
        peer.more(MB - 960000)
        peer.send(record(5))
    done = []

    def answered():
        for peer in rest:
            peer.read_some(0)
        done[:] = [p for p in rest if b'Status: 201' in p.out or b'Status: 503' in p.out]
        return len(done) == len(rest)
    wait_for(answered, 20, 'their answers')
    for peer in peers:
        peer.out = b''
        peer.send(record(5) + FcgiPeer.request('channel=a', method='OPTIONS', keep=True))
        peer.wait('Status: 204')
        peer.close()
    tap.ok(True, 'all connections go on')
    r = site.post('/push/publish?channel=a', 'x' * 100000)
    tap.equal(r.status, 201, 'there is room again')


def at_the_head(tap, site):
    """Small ones alone fill the room; a large one then is not begun."""
    peers = [Slow(site, 20000) for _ in range(150)]
    for peer in peers:
        peer.more(16000)
    out = []

    def refused():  # once all those have been read
        with Slow(site, 20000) as peer:
            peer.read_some(0.5)
            out[:] = [peer.out]
            return b'Status: 503' in peer.out
    with contextlib.suppress(Failure):
        wait_for(refused, 20, 'a refusal')
    tap.ok(b'Status: 503' in out[0] and b'Retry-After: ' in out[0],
           'a large one is refused as its head comes, before any of its bytes', *out)
    r = site.post('/push/publish?channel=a', 'x' * 20000)
    tap.ok(is_503(r), 'through httpd as well', r)
    r = site.post('/push/publish?channel=a', 'x' * 16000)
    tap.equal(r.status, 201, 'a small one is taken')
    for peer in peers[:75]:
        peer.close()
    for peer in peers[75:]:
        peer.more(4000)
        peer.send(record(5))
        peer.wait('Status: ')
        peer.close()
    r = site.post('/push/publish?channel=a', 'x' * 900000)
    tap.equal(r.status, 201, 'what has gone and what was answered is room again')


def main(tap):
    with Site({'tidings': {'max_data': '1M', 'max_body': '1M', 'max_incoming': '64K'}}) as site:
        at_the_head(tap, site)
    limits = {'max_channels': str(CHANNELS), 'max_body': '8M', 'max_incoming': '16M'}
    with Site({'tidings': limits}) as site:
        fields(tap, site)
        together(tap, site)
        tap.ok(site.lives(), 'the programs live')


run(main)
