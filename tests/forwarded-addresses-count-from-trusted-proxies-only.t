#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# forwarded-addresses-count-from-trusted-proxies-only.t - who a WebSocket's
# client is, seen by what publish_from_loopback and Origin allow: directly,
# over a local socket and through httpd, where the client lies.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket

AWAY = '203.0.113.9'
# httpd takes a test's word for where its client is.
REMOTEIP = 'RemoteIPHeader X-Test-Client\nRemoteIPInternalProxy 127.0.0.1\n'
HOST = 'proxied.example'


def may_publish(port, headers=None):
    """Whether a connection that was opened so is let publish."""
    with WebSocket(port, '/push/ws', 'tidings.json', headers) as ws:
        ws.send(1, json.dumps({'op': 'publish', 'channel': 'a', 'data': 'x'}))
        while True:
            frame = ws.read(20)
            answer = json.loads(frame[1])
            if answer.get('op') == 'ok':
                return True
            if answer.get('op') == 'error':
                return answer['status'] != 403


def handshake(port, headers):
    with WebSocket(port, '/push/ws?channel=a', headers=headers) as ws:
        return ws.status


def xff(value):
    return {'X-Forwarded-For': value}


def page(host):
    return {'X-Forwarded-Host': host, 'Origin': 'https://' + HOST}


def local_wsd(site):
    path = os.path.join(site.dir, 'ws.sock')
    site.spawn([os.path.join(BUILD, 'daemon', 'wsd'), '-c', site.conf, '-l', 'unix:' + path])

    def listens():
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            return True
    wait_for(listens, 20, 'the local socket')
    return path


def main(tap):
    with Site(modules=('remoteip',), httpd_extra=REMOTEIP) as site:
        local = local_wsd(site)
        rows = [
            (site.ws_port, {}, True, 'from here'),
            (site.ws_port, xff(AWAY), False, 'a proxy here tells of one away'),
            (site.ws_port, xff('127.0.0.1, ' + AWAY), False, 'who is away says it is here'),
            (site.ws_port, xff(AWAY + ', 127.0.0.1, ::1'), False, 'through a chain of proxies'),
            (site.ws_port, xff('127.0.0.1'), True, 'a proxy here tells of one here'),
            (site.ws_port, {'X-Real-IP': AWAY, 'Forwarded': 'for=' + AWAY}, True,
             'other headers do not count'),
            (local, {}, False, 'over a local socket nobody says who'),
            (local, xff('127.0.0.1'), True, 'a local proxy tells of one here'),
            (local, xff(AWAY), False, 'a local proxy tells of one away'),
            (site.port, {}, True, 'through httpd from here'),
            (site.port, {'X-Test-Client': AWAY}, False, 'through httpd from away'),
            (site.port, dict(xff('127.0.0.1'), **{'X-Test-Client': AWAY}), False,
             'through httpd from away, and lies'),
            (site.port, dict(xff('127.0.0.1, ::1,unix'), **{'X-Test-Client': AWAY}), False,
             'lies three times'),
        ]
        for port, headers, want, what in rows:
            tap.equal(may_publish(port, headers), want,
                      '%s: may publish: %s' % (what, 'yes' if want else 'no'))
        for port, host, want, what in (
                (site.ws_port, HOST, 101, 'a proxy here tells the host'),
                (local, HOST, 101, 'a local proxy too'),
                (site.ws_port, HOST + ', other.example', 403, 'the last one counts'),
                (site.port, HOST, 403, 'through httpd a client can not')):
            tap.equal(handshake(port, page(host)), want, what + ': Origin %d' % want)

    with Site({'access': {'trusted_proxies': '192.0.2.1'}}) as site:
        local = local_wsd(site)
        for port, headers, want, what in (
                (site.ws_port, xff(AWAY), True, 'not trusted: the header is ignored'),
                (local, xff('127.0.0.1'), False, 'nor is it over a local socket')):
            tap.equal(may_publish(port, headers), want,
                      '%s: may publish: %s' % (what, 'yes' if want else 'no'))
        for port, what in ((site.ws_port, 'directly'), (local, 'over a local socket')):
            tap.equal(handshake(port, page(HOST)), 403, 'nor is a host, ' + what)
    with Site({'access': {'trusted_proxies': '127.0.0.1 192.0.2.1'}}) as site:
        for value, want in ((AWAY, False), (AWAY + ', 192.0.2.1', False), ('192.0.2.1', False),
                            ('127.0.0.1, 192.0.2.1', True), ('127.0.0.1, 192.0.2.2', False)):
            tap.equal(may_publish(site.ws_port, xff(value)), want,
                      'a list of two: %s: %s' % (value, 'yes' if want else 'no'))


run(main)
