#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# handed-over-clients-are-answered-in-http.t - what a child of httpd hands over
# (descriptor and variables) gets a whole HTTP answer on its own connection, in
# every transport: the head, the headers that httpd's modules had set and none
# that would frame the answer anew, its end.  What the client sends meanwhile
# does no harm, nor does it turn the end into a reset.
import email.utils
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket as Ws
from fake_httpd import *

GIVEN = ('X-One: 1\r\nSet-Cookie: a=b; Path=/\r\nStrict-Transport-Security: max-age=1\r\n')
# Each of these lines must not come through.
EVIL = ['Transfer-Encoding: chunked\r\n', 'Content-Length: 5\r\n', 'connection: keep-alive\r\n',
        'Date: yesterday\r\n', 'Content-Type: text/evil\r\n', 'Upgrade: h2c\r\n',
        'Sec-WebSocket-Extensions: x\r\n', 'No-Colon\r\n', ': no name\r\n', 'Blank Name: x\r\n',
        ' Folded: x\r\n', 'Smuggled: a\nInner: b\r\n', 'Return: a\rInner: b\r\n',
        'Control: a\x01b\r\n', 'No-End: x']


def check_head(tap, name, client, status, type):
    got = client.header
    tap.equal((client.status, got('Content-Type'), got('Connection'), got('Transfer-Encoding')),
              (status, type, 'close', None), name + ': the head')
    sent = email.utils.parsedate_to_datetime(got('Date') or 'x').timestamp()
    tap.ok(got('Date').endswith(' GMT') and abs(time.time() - sent) < 60, name + ': a Date',
           got('Date'))
    tap.equal((got('X-One'), got('Set-Cookie'), got('Strict-Transport-Security')),
              ('1', 'a=b; Path=/', 'max-age=1'), name + ": what httpd's modules had set")


def streams(tap, site):
    for name, type in (('sse', 'text/event-stream'), ('iframe', 'text/html; charset=utf-8')):
        with Link(site, name) as link:
            client = link.hand_over('/push/%s?channel=%s' % (name, name), response=GIVEN)
            site.wait_subscribers(name, 1)
            site.publish_sql(name, 'hello <b>')
            client.wait('hello')
            check_head(tap, name, client, 200, type)
            old = link.hand_over('/push/%s?channel=%s' % (name, name),
                                 SERVER_PROTOCOL='HTTP/1.0')
            site.wait_subscribers(name, 2)
            site.publish_sql(name, 'both')
            client.wait('both')
            tap.equal(old.wait('both').header('Transfer-Encoding'), None,
                      name + ': a client of HTTP/1.0 is served the same')
            old.close()
            with contextlib.suppress(Failure):
                wait_for(lambda: site.subscribers(name) == 1, 10, 'the end')
            tap.equal(site.subscribers(name), 1, name + ': who closes is gone at once')
            client.send(b'GET /push/other HTTP/1.1\r\n\r\n' * 2000)
            site.publish_sql(name, 'still there')
            client.wait('still there')
            tap.ok(True, name + ': what the client sends is passed over')
            link.close()
            site.publish_sql(name, 'without a link')
            client.wait('without a link')
            tap.ok(True, name + ': the link has nothing to do with it any more')
            client.close()


def short_answers(tap, site):
    with Link(site, 'longpoll') as link:
        site.publish_sql('lp', 'one')
        done = link.hand_over('/push/longpoll?channel=lp&since=earliest', response=GIVEN)
        done.wait_end()
        check_head(tap, 'longpoll', done, 200, 'application/json')
        tap.equal((len(done.body), [m['data'] for m in json.loads(done.body)['messages']]),
                  (int(done.header('Content-Length')), ['one']), 'longpoll: the body')
        held = link.hand_over('/push/longpoll?channel=lp')
        site.wait_subscribers('lp', 1)
        site.publish_sql('lp', 'two')
        tap.equal(json.loads(held.wait_end().body)['messages'][0]['data'], 'two',
                  'longpoll: one that waits')
        none = link.hand_over('/push/longpoll?channel=lp&wait=0', response=GIVEN,
                              headers={'If-None-Match': '"latest"'})
        tap.equal((none.wait_end().status, none.body, none.header('X-One'),
                   bool(none.header('ETag'))), (304, b'', '1', True), 'longpoll: 304 has no body')
    for name in ('sse', 'iframe', 'longpoll'):
        with Link(site, name) as link:
            head = link.hand_over('/push/%s?channel=a' % name, method='HEAD').wait_end()
            tap.equal((head.status, head.body), (200, b''), name + ': HEAD')
            options = link.hand_over('/push/%s?channel=a' % name, method='OPTIONS').wait_end()
            tap.equal((options.status, options.body, 'OPTIONS' in options.header('Allow'),
                       options.header('Content-Length')), (204, b'', True, None),
                      name + ': OPTIONS')
            for query, method, status in (('', 'GET', 400), ('?channel=a%ZZ', 'GET', 400),
                                          ('?channel=a', 'PUT', 405)):
                bad = link.hand_over('/push/%s%s' % (name, query), method=method).wait_end()
                tap.equal((bad.status, bad.header('Content-Type'), json.loads(bad.body)['status'],
                           bad.header('Content-Length')),
                          (status, 'application/problem+json', status, str(len(bad.body))),
                          '%s: %s %r is refused with %d' % (name, method, query, status))


def evil_headers(tap, site):
    with Link(site, 'longpoll') as link, Link(site, 'wsd') as ws:
        for line in EVIL:
            want = link.hand_over('/push/longpoll?channel=none&wait=0').wait_end().head
            got = link.hand_over('/push/longpoll?channel=none&wait=0',
                                 response='X-A: 1\r\n' + line).wait_end().head
            want, got = ([l for l in h.split('\r\n') if not l.startswith('Date: ')]
                         for h in (want, got))
            got = [l for l in got if l != 'X-A: 1']
            tap.equal(got, want, 'not passed on: %r' % line)
            up = ws.hand_over('/push/ws?channel=a', headers=websocket_headers(),
                              response='X-A: 1\r\n' + line).wait('\r\n\r\n')
            tap.equal((up.status, up.header('X-A'), len(up.head.split('\r\n'))), (101, '1', 6),
                      'nor with a 101')
            up.close()


def lingering(tap, site):
    """Bytes behind the request are unread when the answer ends: RST by itself."""
    resets = cut = 0
    with Link(site, 'longpoll') as link:
        for _ in range(200):
            client, server = tcp_pair()
            client.sendall(b'x' * 5000)
            with server:
                link.send(packet(CLIENT, data=variables(
                    '/push/longpoll?channel=lp&since=earliest')), [server.fileno()])
            client = Client(client)
            with contextlib.suppress(OSError):
                client.send(b'more')
            client.wait_end()
            resets += client.reset
            cut += not client.buf.endswith(b']}\n')
            client.close()
    tap.equal((resets, cut), (0, 0), 'no answer is cut short by what the client sent')
    with Link(site, 'longpoll') as link:
        stays = link.hand_over('/push/longpoll?channel=lp&since=earliest').wait_end()
        ended = time.monotonic()

        def refused():
            with contextlib.suppress(OSError):
                stays.send(b'x')
                return False
            return True
        wait_for(refused, 10, 'the end of the connection', 0.05)
        took = time.monotonic() - ended
        tap.ok(1 < took < 2.5 + 2 * PATIENCE, 'who does not close is closed after some 2 s', took)
        floods = link.hand_over('/push/longpoll?channel=lp&since=earliest').wait_end()
        sent, began = 0, time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 10:
                sent += floods.sock.send(bytes(65536))
        tap.ok(time.monotonic() - began < 9, 'nor is a flood read for ever', sent)


def websockets(tap, site):
    with Link(site, 'wsd') as link:
        shake = websocket_headers(Sec_WebSocket_Protocol='tidings.json',
                                  Origin='http://www.example.org')
        ws = link.hand_over('/push/ws?channel=w', headers=shake, response=GIVEN,
                            REMOTE_ADDR='127.0.0.1', HTTP_HOST='www.example.org')
        ws.wait('\r\n\r\n')
        tap.equal((ws.status, ws.header('Sec-WebSocket-Accept'), ws.header('X-One'),
                   ws.header('Sec-WebSocket-Protocol')),
                  (101, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', '1', 'tidings.json'), 'a WebSocket: 101')
        site.publish_sql('w', 'frame')
        ws.wait('frame')
        ws.send(Ws.frame(1, '{"op":"ping","ref":4}'))
        ws.wait('"ref":4')
        ws.send(Ws.frame(8, b'\x03\xe8'))
        tap.ok(ws.wait_end().buf.endswith(b'\x88\x02\x03\xe8'), 'closed by the client',
               ws.buf[-20:])
        early, server = tcp_pair()
        with server:
            early.sendall(Ws.frame(1, 'before the answer'))
            link.send(packet(CLIENT, data=variables('/push/ws/echo',
                                                    headers=websocket_headers())),
                      [server.fileno()])
        Client(early).wait('before the answer')
        tap.ok(True, 'a frame that came before the answer is read')
        host = {'HTTP_HOST': 'a.example:8080'}
        for what, status, changed in (
                ('no Upgrade', 426, {'Upgrade': ''}),
                ('another version', 426, {'Sec-WebSocket-Version': '8'}),
                ('a bad key', 400, {'Sec-WebSocket-Key': 'x'}),
                ('another site', 403, {'Origin': 'http://evil.example'}),
                ('another port of the same host', 403, {'Origin': 'http://a.example'}),
                ('a bad extension', 400, {'Sec-WebSocket-Extensions': ';;'})):
            bad = link.hand_over('/push/ws?channel=w', headers={**websocket_headers(), **changed},
                                 **host).wait_end()
            tap.equal((bad.status, json.loads(bad.body)['status'], bool(bad.header('Date'))),
                      (status, status, True), 'refused: ' + what)
        for target, status in (('/push/ws', 400), ('/push/nowhere?channel=a', 404)):
            bad = link.hand_over(target, headers=websocket_headers()).wait_end()
            tap.equal(bad.status, status, 'refused: ' + target)
        deflate = link.hand_over('/push/ws?channel=w', headers=websocket_headers(
            Sec_WebSocket_Extensions='permessage-deflate')).wait('\r\n\r\n')
        tap.ok('permessage-deflate' in deflate.header('Sec-WebSocket-Extensions'), 'deflate')


def whoever(tap, site):
    """REMOTE_ADDR and REMOTE_USER hold as httpd says them."""
    with Link(site, 'wsd') as link:
        for what, wants, more in (
                ('from this machine', '"op":"ok"', {'REMOTE_ADDR': '127.0.0.1'}),
                ('from elsewhere', '"status":401', {'REMOTE_ADDR': '192.0.2.1'}),
                ('a user of httpd', '"op":"ok"', {'REMOTE_ADDR': '192.0.2.1',
                                                  'REMOTE_USER': 'ann'})):
            ws = link.hand_over('/push/ws', headers=websocket_headers(
                Sec_WebSocket_Protocol='tidings.json'), **more)
            ws.wait('\r\n\r\n')
            ws.send(Ws.frame(1, '{"op":"publish","channel":"p","data":"x"}'))
            ws.wait('"op":').wait(wants)
            tap.ok(True, 'publishing %s: %s' % (what, wants))


def crowd(tap):
    with Site({'tidings': {'max_clients': '3'}}) as site:
        for name, how in (('sse', {}), ('wsd', {'headers': websocket_headers()})):
            with Link(site, name) as link:
                target = '/push/%s?channel=a' % ('ws' if name == 'wsd' else name)
                held = [link.hand_over(target, **how).wait('\r\n\r\n') for _ in range(3)]
                full = link.hand_over(target, **how).wait_end()
                tap.equal((full.status, bool(full.header('Retry-After'))), (503, True),
                          name + ': max_clients')
                full.close()
                held.pop().close()
                wait_for(lambda: site.subscribers('a') == 2, 10, 'room')
                again = link.hand_over(target, **how).wait('\r\n\r\n')
                tap.equal(again.status, 101 if name == 'wsd' else 200,
                          name + ': there is room again')
                for client in held + [again]:
                    client.close()
            wait_for(lambda: site.subscribers('a') == 0, 10, 'nobody')


def main(tap):
    with Site({'access': {'publish_from_users': 'yes'}}) as site:
        for part in (streams, short_answers, evil_headers, lingering, websockets, whoever):
            part(tap, site)
        tap.ok(site.lives(), 'the programs live', site.programs_log()[-2000:])
    crowd(tap)


run(main)
