#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-asks-httpd-who-may-first.t - what httpd refuses never reaches a
# program: 401 and 403 are httpd's own, and whom it lets in is known to the
# programs by the name that was proved, not by one that was claimed.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket as Ws
from handover_site import *

AUTH = '''
<LocationMatch "^/push/(iframe|longpoll|ws)">
    AuthType Basic
    AuthName "tidings"
    AuthUserFile users
</LocationMatch>
<Location "/push/sse">
    Require all denied
</Location>
<Location "/push/iframe">
    Require valid-user
</Location>
<Location "/push/longpoll">
    Require user alice
</Location>
<Location "/push/ws">
    <RequireAny>
        Require valid-user
        Require expr "%{QUERY_STRING} =~ /stranger/"
    </RequireAny>
</Location>
RewriteEngine On
RewriteCond %{QUERY_STRING} forbidden
RewriteRule ^/push/ - [F]
'''
MODULES_OF_AUTH = ('auth_basic', 'authn_core', 'authn_file', 'authz_user', 'rewrite')
ALICE, BOB, LIAR = basic('alice', 'one'), basic('bob', 'two'), basic('alice', 'two')
NAMES = {v['Authorization']: k for k, v in (('alice', ALICE), ('bob', BOB), ('a liar', LIAR))}
# path, headers, status
ROWS = [
    ('/push/sse?channel=a', {}, 403),
    ('/push/sse?channel=a', ALICE, 403),
    ('/push/iframe?channel=a', {}, 401),
    ('/push/iframe?channel=a', LIAR, 401),
    ('/push/iframe?channel=a&forbidden', ALICE, 403),
    ('/push/longpoll?channel=a&wait=0', {}, 401),
    ('/push/longpoll?channel=a&wait=0', BOB, 401),
    ('/push/ws?channel=a', UPGRADE, 401),
    ('/push/ws?channel=a', dict(UPGRADE, **LIAR), 401),
    ('/push/ws?channel=a', dict(UPGRADE, **{'X-Remote-User': 'alice'}), 401),
]


def may_publish(site, query, headers):
    with Ws(site.port, '/push/ws?' + query, 'tidings.json', headers) as ws:
        ws.send(1, json.dumps({'op': 'publish', 'channel': 'b', 'data': 'x'}))
        while True:
            answer = json.loads(ws.read(20)[1])
            if answer.get('op') in ('ok', 'error'):
                return answer.get('op') == 'ok'


def main(tap):
    settings = {'access': {'publish_from_loopback': 'no', 'publish_from_users': 'yes'}}
    with HandoverSite(settings, AUTH, MODULES_OF_AUTH) as site:
        write_users(os.path.join(site.dir, 'users'), alice='one', bob='two')
        for path, headers, want in ROWS:
            with Talk(site) as c:
                c.get(path, headers=headers)
                c.read_body()
                who = NAMES.get(headers.get('Authorization'), 'nobody')
                tap.ok(c.status == want and b'<!DOCTYPE' in c.body,
                       '%s by %s is %d, by httpd' % (path, who, want), c.head, c.body)
                tap.equal((site.way(c), site.why(c)), (PROXIED, []),
                          'and the module was not asked')
                tap.ok(want != 401 or 'Basic' in (c.header('WWW-Authenticate') or ''),
                       'with the question for a password', c.head)
        for program in ('sse', 'iframe', 'longpoll', 'wsd'):
            tap.equal(site.counters(program)['requests'], 0, program + ' has heard of nobody')

        for path, headers, status in (
                ('/push/iframe?channel=a', ALICE, 200), ('/push/iframe?channel=a', BOB, 200),
                ('/push/iframe?channel=a&no-key', dict(ALICE, Upgrade='websocket'), 200),
                ('/push/longpoll?channel=a&wait=0', ALICE, 200),
                ('/push/ws?channel=a', dict(UPGRADE, **BOB), 101),
                ('/push/ws?channel=a&stranger', UPGRADE, 101)):
            with Talk(site) as c:
                c.get(path, headers=headers)
                tap.ok(c.status == status and site.way(c) == HANDED,
                       'who may is handed over: ' + path, c.head, site.why(c))
        tap.equal([site.counters(p)['requests'] for p in ('sse', 'iframe', 'longpoll', 'wsd')],
                  [0, 3, 1, 2], 'and the programs have heard of these alone')

        # What a client says of itself counts for nothing.
        for what, query, headers, want in (
                ('alice', 'channel=a', ALICE, True),
                ('bob', 'channel=a', BOB, True),
                ('a stranger', 'stranger', {}, False),
                ('a stranger who says to be alice', 'stranger', {'X-Remote-User': 'alice'}, False),
                ('one more', 'stranger', {'Remote-User': 'alice', 'Remote_User': 'alice'}, False)):
            tap.equal(may_publish(site, query, headers), want, 'publishing by ' + what)
        # httpd writes a line when it has done with a connection.
        log = at_last(lambda: [line for line in site.lines('ways.log') if ' 101 ' in line],
                      lambda log: len(log) >= 7)
        tap.ok(len(log) == 7 and all(line.startswith(HANDED) for line in log),
               'they were all handed over', *log)
        tap.ok(site.lives(), 'the programs live')


need(MOD_TIDINGS)
run(main)
