#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# forwarded-addresses-count-from-trusted-proxies-only.t - who a WebSocket's
# client is, and which user, seen by what publish_from_loopback,
# publish_from_users and Origin allow: directly, over a local socket and through
# httpd, where the client lies.
import base64
import hashlib
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket

AWAY = '203.0.113.9'
# httpd takes a test's word for where its client is.
REMOTEIP = 'RemoteIPHeader X-Test-Client\nRemoteIPInternalProxy 127.0.0.1\n'
HOST = 'proxied.example'
# Who tells a name and a password has to prove it; others need not.
USERS = '''
<Location "/push/">
    <If "req('Authorization') =~ /^Basic/">
        AuthType Basic
        AuthName "tidings"
        AuthUserFile "%s"
        Require valid-user
    </If>
</Location>
'''


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
                return answer['status'] not in (401, 403)


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


def basic(name, password):
    return {'Authorization': 'Basic ' + base64.b64encode(
        (name + ':' + password).encode()).decode()}


def user(name):
    return {'X-Remote-User': name}


def users(tap, passwords):
    settings = {'publish_from_loopback': 'no', 'publish_from_users': 'yes'}
    modules = ('auth_basic', 'authn_core', 'authn_file', 'authz_user')
    good, bad = basic('ada', 'secret'), basic('ada', 'wrong')
    for wstunnel in (False, True):
        way = 'wstunnel' if wstunnel else 'upgrade'
        with Site({'access': settings}, modules=modules, httpd_extra=USERS % passwords,
                  wstunnel=wstunnel) as site:
            local = local_wsd(site)
            rows = [
                (site.port, {}, False, 'through httpd: nobody'),
                (site.port, user('ada'), False, 'through httpd: who calls himself a user'),
                (site.port, {'X_Remote_User': 'ada'}, False, 'with an underscore'),
                (site.port, {'x-remote-USER': 'ada'}, False, 'in other letters'),
                (site.port, good, True, 'through httpd: a user with his password'),
                (site.port, dict(good, **user('bob')), True, 'who calls himself another'),
            ]
            if not wstunnel:
                rows += [
                    (site.ws_port, {}, False, 'directly: nobody'),
                    (site.ws_port, user('ada'), True, 'a proxy here tells of a user'),
                    (site.ws_port, user(''), False, 'a proxy here tells of none'),
                    (site.ws_port, {'X_Remote_User': 'ada'}, False, 'with an underscore'),
                    (local, user('ada'), True, 'a local proxy tells of a user'),
                    (site.ws_port, {'Remote-User': 'ada'}, False, 'another header'),
                ]
            for port, headers, want, what in rows:
                tap.equal(may_publish(port, headers), want,
                          '%s: %s: may publish: %s' % (way, what, 'yes' if want else 'no'))
            tap.equal(handshake(site.port, bad), 401, way + ': a wrong password is refused by httpd')
            tap.equal(handshake(site.port, dict(good, Origin='https://evil.example')), 403,
                      way + ': a page of another site can not use his name')
            for headers, want, what in (({}, (401, 403), 'nobody'),
                                        (user('ada'), (401, 403), 'who calls himself a user'),
                                        (dict(good, Origin='https://evil.example'), (403,),
                                         'the page of another site'),
                                        (good, (201,), 'a user')):
                r = site.post('/push/publish?channel=a', 'x', 'text/plain', headers)
                tap.ok(r.status in want, '%s: publish: %s' % (way, what), r)
    with Site({'access': dict(settings, trusted_proxies='192.0.2.1')}) as site:
        local = local_wsd(site)
        for port, what in ((site.ws_port, 'directly'), (local, 'over a local socket')):
            tap.equal(may_publish(port, user('ada')), False,
                      'not trusted: a user is not believed, ' + what)
    with Site({'access': {'publish_from_loopback': 'no'}}) as site:
        tap.equal(may_publish(site.ws_port, user('ada')), False, 'publish_from_users = no: nor there')


def main(tap):
    with tempfile.NamedTemporaryFile('w', prefix='tidings-users-') as f:
        f.write('ada:{SHA}%s\n' % base64.b64encode(hashlib.sha1(b'secret').digest()).decode())
        f.flush()
        os.chmod(f.name, 0o644)
        users(tap, f.name)
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
