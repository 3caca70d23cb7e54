#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# refusals-come-before-the-body.t - what the head decides is answered when the
# head is there: method, key, origin, announced length.  Bodies were read and kept
# first, so forty slow ones of 8 MB held 334 MB without a key.  A connection that
# is answered early ends in order, or serves the next request.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FcgiPeer, pairs, private_kb, record

FORM = 'application/x-www-form-urlencoded'
MB = 1 << 20

# Program, method, length, what else the head has, the status.
ROWS = [
    ('publish', 'POST', 8 * MB, {}, 401),
    ('publish', 'POST', 8 * MB, {'HTTP_AUTHORIZATION': 'Bearer wrong'}, 403),
    ('publish', 'POST', 8 * MB, {'HTTP_AUTHORIZATION': 'Bearer secret',
                                 'HTTP_ORIGIN': 'http://elsewhere.example',
                                 'HTTP_HOST': 'www.example.org'}, 403),
    ('publish', 'DELETE', 8 * MB, {}, 401),
    ('publish', 'PUT', 8 * MB, {'HTTP_AUTHORIZATION': 'Bearer secret'}, 405),
    ('publish', 'POST', 8 * MB + 1, {'HTTP_AUTHORIZATION': 'Bearer secret'}, 413),
    ('publish', 'POST', '99999999999999999999999', {'HTTP_AUTHORIZATION': 'Bearer secret'}, 413),
    ('publish', 'POST', '-1', {'HTTP_AUTHORIZATION': 'Bearer secret'}, 413),
    ('publish', 'OPTIONS', 8 * MB, {}, 204),
    ('poll', 'POST', 8 * MB, {'CONTENT_TYPE': FORM}, 413),
    ('poll', 'POST', 85000, {'CONTENT_TYPE': FORM}, 413),
    ('poll', 'DELETE', 10, {}, 405),
    ('poll', 'GET', 8 * MB, {}, 413),
    ('longpoll', 'POST', 8 * MB, {'CONTENT_TYPE': FORM}, 413),
    ('longpoll', 'PATCH', 10, {}, 405),
    ('sse', 'POST', 10, {}, 405),
    ('sse', 'GET', 8 * MB, {}, 413),
    ('iframe', 'POST', 8 * MB, {}, 405),
    ('status', 'POST', 8 * MB, {}, 405),
]


def head(method, length, more, keep):
    variables = {'REQUEST_METHOD': method, 'QUERY_STRING': 'channel=a',
                 'SCRIPT_NAME': '/push/x', 'SERVER_PROTOCOL': 'HTTP/1.1',
                 'REMOTE_ADDR': '192.0.2.7', 'CONTENT_LENGTH': str(length)}
    variables.update(more)
    return record(1, b'\0\1' + bytes([keep]) + bytes(5)) + \
        record(4, pairs(variables)) + record(4)


def answered(peer, status):
    peer.wait('\r\n\r\n')
    wait_for(lambda: (3, 1) in peer.records or not peer.read_some(0.1), 10, 'the end record')
    return peer.out.startswith(b'Status: %d ' % status) and (3, 1) in peer.records


def at_the_head(tap, site):
    for program, method, length, more, status in ROWS:
        what = '%s %s of %s bytes' % (program, method, length)
        path = os.path.join(site.run_dir, program + '.sock')
        with FcgiPeer(path) as peer:
            peer.send(head(method, length, more, keep=0))
            tap.ok(answered(peer, status), '%s: %d at once' % (what, status), peer.out[:200])
            # A web server that is in the middle of the body is not cut off.
            for _ in range(8):
                peer.send(record(5, bytes(60000)))
            peer.send(record(5))
            peer.wait_end()
        with FcgiPeer(path) as peer:
            peer.send(head(method, length, more, keep=1))
            tap.ok(answered(peer, status), what + ': on a connection that is kept')
            # What was on its way, half a record of it, and the next request.
            late = record(5, bytes(60000)) + record(5, b'x' * 30)
            peer.send(late[:-7])
            peer.send(late[-7:] + record(5))
            peer.out, peer.records = b'', []
            peer.send(FcgiPeer.request('channel=a', method='OPTIONS', keep=True))
            tap.ok(answered(peer, 204), what + ': and the next request is served',
                   peer.out, peer.ended)


def memory(tap, site):
    """Forty bodies without a key, through httpd and directly."""
    pid = {p: site.pid(p) for p in ('publish', 'poll', 'longpoll')}
    for p in pid:
        with FcgiPeer(os.path.join(site.run_dir, p + '.sock')) as peer:
            peer.send(head('OPTIONS', 0, {}, keep=0) + record(5))
            peer.wait('\r\n\r\n')
    base = {p: private_kb(pid[p]) for p in pid}
    most = dict(base)
    for p in pid:
        peers = [FcgiPeer(os.path.join(site.run_dir, p + '.sock')) for _ in range(40)]
        for peer in peers:
            peer.send(head('POST', 8 * MB, {'CONTENT_TYPE': FORM}, keep=1))
        for _ in range(20):
            for peer in peers:
                peer.send(record(5, b'a&' * 30000))
        most[p] = private_kb(pid[p])
        for peer in peers:
            peer.wait('Status: 4')
            peer.close()
    tap.ok(all(most[p] < base[p] + 8000 for p in pid),
           'forty bodies of 8 MB that nobody may send take no memory', base, most)
    for path in ('/push/publish?channel=a', '/push/poll?channel=a', '/push/longpoll?channel=a'):
        r = site.request('POST', path, b'a&' * (3 * MB) + b'b=1', {'Content-Type': FORM})
        tap.ok(r.status in (401, 413) and r.json['status'] == r.status,
               'through httpd: ' + path, r)
        r = site.get('/push/poll?channel=a')
        tap.equal(r.status, 200, 'and the next one is answered')


def main(tap):
    access = {'access': {'publish_from_loopback': 'no', 'publish_key': 'secret'}}
    with Site(access) as site:
        at_the_head(tap, site)
        memory(tap, site)
        tap.ok(site.lives(), 'the programs live')
    with Site(access, cgi=True) as site:
        for method, path, size, status in (
                ('POST', '/push/publish?channel=a', 200000, 401),
                ('POST', '/push/poll?channel=a', 200000, 413),
                ('PUT', '/push/longpoll?channel=a', 200000, 405)):
            r = site.request(method, path, b'x' * size, {'Content-Type': FORM})
            tap.equal(r.status, status, 'CGI: %s %s' % (method, path))
        r = site.request('POST', '/push/publish?channel=a', b'x' * 200000,
                         {'Authorization': 'Bearer secret', 'Content-Type': 'text/plain'})
        tap.equal(r.status, 201, 'CGI: a body that is welcome')


run(main)
