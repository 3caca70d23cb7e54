#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Host, Origin, address, key and scheme as a matrix: the answer of publish and of
# a WebSocket (through httpd, directly, handed over) is the same, 401 and 403
# included, and so are the headers of CORS.  No test had a foreign Host that is
# equal to its Origin (the page of a name that was made to mean this machine), a
# list of exactly one origin, or a page of http that asks by https.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket

HERE, AWAY = '127.0.0.1', '203.0.113.9'
APP = 'https://app.example'
# httpd takes a test's word for where its client is.
REMOTEIP = 'RemoteIPHeader X-Test-Client\nRemoteIPInternalProxy 127.0.0.1\n'
SETTINGS = {'access': {'origins': APP, 'publish_key': 'app:secret',
                       'publish_from_loopback': 'yes'}}
LOCAL, NAMED, EVIL = 'localhost:8080', 'site.example', 'evil.example:81'

# Host, Origin ("=" is the same host by the same scheme), address, key, and what
# comes of it by http and by https.
ROWS = [
    # No page: the address, or a key.
    (LOCAL, None, HERE, None, 201, 201),
    (LOCAL, None, AWAY, None, 401, 401),
    (NAMED, None, HERE, None, 201, 201),
    (NAMED, None, AWAY, 'secret', 201, 201),
    (NAMED, None, AWAY, 'wrong', 403, 403),
    (NAMED, None, HERE, 'wrong', 403, 403),
    # A page of the same host: from loopback only by a name of loopback.
    (LOCAL, '=', HERE, None, 201, 201),
    (LOCAL, '=', AWAY, None, 401, 401),
    (LOCAL, '=', AWAY, 'secret', 201, 201),
    (LOCAL, '=', HERE, 'wrong', 403, 403),
    ('127.0.0.1', '=', HERE, None, 201, 201),
    ('[::1]:8080', '=', HERE, None, 201, 201),
    (NAMED, '=', HERE, None, 401, 401),
    (NAMED, '=', HERE, 'secret', 201, 201),
    # A foreign name that was made to mean this machine.
    (EVIL, '=', HERE, None, 401, 401),
    (EVIL, '=', HERE, 'wrong', 403, 403),
    ('localhost.evil.example', '=', HERE, None, 401, 401),
    ('127.0.0.1.evil.example', '=', HERE, None, 401, 401),
    # The one site of the list.
    (LOCAL, APP, HERE, None, 201, 201),
    (NAMED, APP, HERE, None, 401, 401),
    (NAMED, APP, AWAY, None, 401, 401),
    (NAMED, APP, AWAY, 'secret', 201, 201),
    (NAMED, APP, AWAY, 'wrong', 403, 403),
    # All others, whatever they bring along.
    (LOCAL, 'https://other.example', HERE, None, 403, 403),
    (NAMED, 'https://other.example', AWAY, 'secret', 403, 403),
    (NAMED, 'http://app.example', AWAY, 'secret', 403, 403),
    (NAMED, APP + ':444', AWAY, 'secret', 403, 403),
    (NAMED, APP + '.evil', AWAY, 'secret', 403, 403),
    (NAMED, 'null', AWAY, 'secret', 403, 403),
    (LOCAL, 'http://localhost:8081', HERE, 'secret', 403, 403),
    (LOCAL, 'http://localhost', HERE, None, 403, 403),
    (LOCAL, 'file://' + LOCAL, HERE, 'secret', 403, 403),
    # A page without TLS and a site with it; the other way round is fine.
    (LOCAL, 'http://' + LOCAL, HERE, None, 201, 403),
    (LOCAL, 'http://' + LOCAL, HERE, 'secret', 201, 403),
    (LOCAL, 'https://' + LOCAL, HERE, None, 201, 201),
]


def headers_of(row, scheme):
    host, origin, _, key = row[:4]
    headers = {'Host': host}
    if origin is not None:
        headers['Origin'] = scheme + '://' + host if origin == '=' else origin
    if key:
        headers['Authorization'] = 'Bearer ' + key
    return headers


def by_http(site, headers, address, tls):
    headers = dict(headers, **{'X-Test-Client': address})
    conn = (http.client.HTTPSConnection('127.0.0.1', site.tls_port, context=site.tls_context(),
                                        timeout=30 * PATIENCE) if tls else
            http.client.HTTPConnection('127.0.0.1', site.port, timeout=30 * PATIENCE))
    with contextlib.closing(conn):
        conn.request('POST', '/push/publish?channel=a', b'x', headers)
        answer = conn.getresponse()
        answer.read()
        return answer.status, answer.headers


def by_websocket(port, headers, tls=None):
    with WebSocket(port, '/push/ws', 'tidings.json', headers, tls=tls) as ws:
        if ws.status != 101:
            return ws.status
        ws.send(1, json.dumps({'op': 'publish', 'channel': 'a', 'data': 'x'}))
        while True:
            answer = json.loads(ws.read(20)[1])
            if answer.get('op') in ('ok', 'error'):
                return answer.get('status', 201)


def ways(site, row, tls):
    scheme = 'https' if tls else 'http'
    headers = headers_of(row, scheme)
    status, got = by_http(site, headers, row[2], tls)
    yield 'publish', status
    listed = headers.get('Origin') == APP
    yield 'CORS', (row[4 + tls] if
                   (got['Access-Control-Allow-Origin'] == APP) == listed and
                   (got['Access-Control-Allow-Credentials'] == 'true') == listed and
                   got['Vary'] == 'Origin' else dict(got))
    yield 'through httpd', by_websocket(
        site.tls_port if tls else site.port, dict(headers, **{'X-Test-Client': row[2]}),
        site.tls_context() if tls else None)
    forwarded = {'X-Forwarded-For': row[2], 'X-Forwarded-Host': row[0],
                 'X-Forwarded-Proto': scheme}
    yield 'by a trusted proxy', by_websocket(site.ws_port, dict(headers, **forwarded))
    if not tls and not (row[1] or '').startswith('http://localhost'):
        # wsd has a port of its own, so that another one is not foreign there.
        yield 'directly', by_websocket(site.ws_port, dict(headers, **{'X-Forwarded-For': row[2]}))


def main(tap):
    for handover in (False, True):
        with Site(SETTINGS, httpd_extra=REMOTEIP, modules=('remoteip',), tls=True,
                  handover=handover) as site:
            how = 'handed over' if handover else 'proxied'
            for row in ROWS:
                for tls in (False, True):
                    for way, got in ways(site, row, tls):
                        tap.equal(got, row[4 + tls], '%s, %s, %s: Host %s, Origin %s, from %s, key %s'
                                  % (how, 'https' if tls else 'http', way, *row[:4]))
            tap.ok(site.lives(), 'the programs live')
    # Nobody trusts a stranger: what he says of host, address and scheme counts for nothing.
    untrusted = dict(SETTINGS['access'], trusted_proxies='', publish_from_loopback='no')
    with Site({'access': untrusted}) as site:
        lies = {'X-Forwarded-For': HERE, 'X-Forwarded-Host': 'evil.example',
                'X-Forwarded-Proto': 'https', 'X-Remote-User': 'anna'}
        for origin, want in (('http://evil.example', 403), ('http://localhost:1', 401),
                             ('https://localhost:1', 401), (APP, 401)):
            tap.equal(by_websocket(site.ws_port, dict(lies, Host='localhost:1', Origin=origin)),
                      want, 'what a stranger forwards: Origin %s' % origin)


run(main)
