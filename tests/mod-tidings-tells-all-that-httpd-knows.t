#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-tells-all-that-httpd-knows.t - a program that is handed a client
# has every variable that CGI would give it, who the client is (mod_remoteip,
# the PROXY protocol), and the headers that other modules want in the answer.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket as Ws
from handover_site import *

AWAY = '203.0.113.7'
EXTRA = '''
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
CookieTracking on
CookieName visitor
Header set X-Early "one" early
Header add X-Early "two" early
Header always set X-Always "three" early
SetEnvIf Host . OF_SETENVIF=yes
SetEnv OF_SETENV "with spaces and ="
RewriteEngine On
RewriteRule ^/stream/([a-z]+)$ /push/sse?channel=$1 [PT,QSA]
<Location "/push/fake">
    TidingsHandover "unix:${TIDINGS_RUN}/fake.sock"
    CGIPassAuth On
    AuthType Basic
    AuthName "tidings"
    AuthUserFile users
    Require valid-user
</Location>
'''
# With the line that the PROXY protocol begins with.
PROXY = '''
Listen 127.0.0.1:%d
<VirtualHost 127.0.0.1:%d>
    RemoteIPProxyProtocol On
</VirtualHost>
'''
GOOD = 'https://app.example'


def variables(tap, site):
    """What the program is told, by one that writes it down."""
    write_users(os.path.join(site.dir, 'users'), alice='one')
    with FakeProgram(os.path.join(site.run_dir, 'fake.sock.handover')) as fake, \
            Talk(site) as c:
        headers = dict(basic('alice', 'one'), **{
            'Cookie': 'a=b; c=d', 'Last-Event-ID': 'x-7', 'Origin': GOOD,
            'X-Forwarded-For': AWAY, 'X-Odd': 'h\xe4\xdf', 'Accept': 'text/event-stream'})
        headers = {k: v.encode('latin-1').decode('latin-1') for k, v in headers.items()}
        raw = Talk.request('/push/fake/a%20b/c?x=1&y=%C3%A4&z', headers={})
        lines = ''.join('%s: %s\r\n' % h for h in headers.items())
        c.sock.sendall(raw[:-2] + lines.encode('latin-1') + b'\r\n')
        env, sock = fake.next_client()
        want = {
            'REQUEST_METHOD': 'GET', 'SERVER_PROTOCOL': 'HTTP/1.1',
            'GATEWAY_INTERFACE': 'CGI/1.1', 'QUERY_STRING': 'x=1&y=%C3%A4&z',
            'REQUEST_URI': '/push/fake/a%20b/c?x=1&y=%C3%A4&z',
            'SCRIPT_NAME': '/push/fake/a b/c', 'REMOTE_ADDR': AWAY,
            'REMOTE_USER': 'alice', 'AUTH_TYPE': 'Basic', 'SERVER_NAME': '127.0.0.1',
            'SERVER_PORT': '80', 'REQUEST_SCHEME': 'http', 'HTTP_HOST': '127.0.0.1',
            'HTTP_COOKIE': 'a=b; c=d', 'HTTP_LAST_EVENT_ID': 'x-7', 'HTTP_ORIGIN': GOOD,
            'HTTP_ACCEPT': 'text/event-stream', 'HTTP_X_ODD': 'h\xe4\xdf',
            'HTTP_AUTHORIZATION': basic('alice', 'one')['Authorization'],
            'OF_SETENVIF': 'yes', 'OF_SETENV': 'with spaces and =', 'no-gzip': '1'}
        for name, value in want.items():
            tap.equal(env.get(name), value, name)
        tap.ok('PATH_INFO' not in env and 'SERVER_SOFTWARE' in env,
               'the whole path is the name of the script', env)
        tap.equal(sorted(env['RESPONSE_HEADERS'].split('\r\n'))[2:5],
                  ['X-Always: three', 'X-Early: one', 'X-Early: two'],
                  'headers for the answer')
        tap.ok('Set-Cookie: visitor=' in env['RESPONSE_HEADERS'], 'with the cookie of a module',
               env['RESPONSE_HEADERS'])
        tap.equal(sock.getpeername()[1], c.port, 'and the connection of the client')
        sock.sendall(b'HTTP/1.1 200 OK\r\n\r\nhere')
        c.read_head().wait('here')
        c.sock.sendall(b'there')
        tap.equal(sock.recv(10), b'there', 'which is open both ways')
        sock.close()
        fake.clients.pop()
        c.wait_end()
        tap.ok(not c.torn, 'and ends when the program closes it: httpd has it no more')
        tap.equal(fake.odd, [], 'nothing else was said')


def headers_arrive(tap, site):
    for path in ('/push/sse?channel=a', '/push/iframe?channel=a',
                 '/push/longpoll?channel=a&wait=0', '/push/ws?channel=a', '/push/sse?channel='):
        with Talk(site) as c:
            c.get(path, headers=UPGRADE if '/ws' in path else {})
            tap.equal((site.way(c), c.header('X-Early'), c.header('X-Always')),
                      (HANDED, 'one, two', 'three'), 'headers of httpd: %s is %d' % (path, c.status))
            tap.ok((c.header('Set-Cookie') or '').startswith('visitor='), 'and a cookie', c.head)
            # Vary is a list, whose parts may stand in several lines.
            one = [n for n, v in c.headers.items() if len(v) > 1 and n != 'vary']
            tap.equal(one, ['x-early'], 'none is there twice')
    with Talk(site) as c:
        c.get('/stream/news')
        site.publish_sql('news', 'of a rewritten address')
        c.wait('of a rewritten address')
        tap.equal(site.way(c), HANDED, 'an address that mod_rewrite has changed')


def cors(tap, site):
    for origin, want in ((GOOD, (GOOD, 'true')), ('https://evil.example', (None, None)),
                         ('null', (None, None))):
        for program in ('sse', 'longpoll'):
            with Talk(site) as c:
                c.get('/push/%s?channel=a&wait=0' % program, headers={'Origin': origin})
                got = tuple(c.header('Access-Control-Allow-' + n)
                            for n in ('Origin', 'Credentials'))
                tap.ok(got == want and 'Origin' in c.header('Vary') and site.way(c) == HANDED,
                       '%s for a page of %s' % (program, origin), c.head)
    for origin, want in ((GOOD, 101), ('https://evil.example', 403)):
        with Talk(site) as c:
            c.get('/push/ws?channel=a', headers=dict(UPGRADE, Origin=origin))
            tap.equal((c.status, site.way(c)), (want, HANDED), 'a WebSocket of ' + origin)


def ask_to_publish(site, port=None, headers=None, first=b''):
    ws = Ws(port or site.port, '/push/ws', 'tidings.json', headers, shake=False)
    with ws:
        ws.sock.sendall(first + ws.request)
        ws.read_head()
        ws.send(1, json.dumps({'op': 'publish', 'channel': 'b', 'data': 'x'}))
        while True:
            answer = json.loads(ws.read(20)[1])
            if answer.get('op') in ('ok', 'error'):
                return answer.get('status', 'ok')


def addresses(tap, site, proxied):
    line = b'PROXY TCP4 %s 127.0.0.1 4000 80\r\n'
    for what, how, want in (
            ('from here', {}, 'ok'),
            ('from elsewhere, says a proxy', {'headers': {'X-Forwarded-For': AWAY}}, 401),
            ('from here, says a proxy', {'headers': {'X-Forwarded-For': '127.0.0.1'}}, 'ok'),
            ('from elsewhere, by the PROXY protocol',
             {'port': proxied, 'first': line % AWAY.encode()}, 401),
            ('from here, by the PROXY protocol',
             {'port': proxied, 'first': line % b'127.0.0.1'}, 'ok')):
        tap.equal(ask_to_publish(site, **how), want, 'publishing ' + what)
    log = at_last(lambda: [line for line in site.lines('ways.log')
                           if line.endswith('GET /push/ws HTTP/1.1')],
                  lambda log: len(log) >= 5)
    tap.ok(len(log) == 5 and all(line.startswith(HANDED) for line in log),
           'they were all handed over', *log)


def main(tap):
    proxied = free_port()
    modules = ('remoteip', 'usertrack', 'auth_basic', 'authn_core', 'authn_file', 'authz_user',
               'rewrite')
    settings = {'access': {'origins': GOOD}}
    with HandoverSite(settings, EXTRA + PROXY % (proxied, proxied), modules) as site:
        variables(tap, site)
        headers_arrive(tap, site)
        cors(tap, site)
        addresses(tap, site, proxied)
        tap.ok(site.lives(), 'the programs live')


need(MOD_TIDINGS)
run(main)
