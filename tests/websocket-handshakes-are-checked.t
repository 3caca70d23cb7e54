#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: who may open a WebSocket and how: 426, 400, 403, 404 and 405 with
# a reason, directly and through httpd; the Origin must be of this host or in
# the list.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

GOOD = {'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='}


def shake(site, port, path='/push/ws?channel=a', method='GET', version='HTTP/1.1', host=True,
          **change):
    """The status of a handshake, its headers and, of a refusal, the body."""
    headers = dict(GOOD, Host='127.0.0.1:%d' % port)
    if not host:
        del headers['Host']
    for name, value in change.items():
        headers[name.replace('_', '-')] = value
    text = '%s %s %s\r\n' % (method, path, version)
    text += ''.join('%s: %s\r\n' % h for h in headers.items() if h[1] is not None)
    with socket.create_connection(('127.0.0.1', port), 10 * PATIENCE) as s:
        s.sendall((text + '\r\n').encode('latin-1'))
        r = http.client.HTTPResponse(s, method=method)
        r.begin()
        body = r.read() if r.status != 101 else b''
        return r.status, r.headers, body


def main(t):
    with Site(settings={'access': {'origins': 'https://app.example'}}) as site:
        both = (('direct', site.ws_port), ('httpd', site.port))
        for name, port in both:
            status, headers, _ = shake(site, port)
            t.equal((status, headers['Sec-WebSocket-Accept'], headers['Upgrade'].lower(),
                     headers['Sec-WebSocket-Protocol']),
                    (101, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'websocket', None),
                    name + ': the handshake of RFC 6455')
        rows = [
            # changes, status directly, status through httpd (None: not asked)
            (dict(Upgrade=None), 426, 426),
            (dict(Upgrade='h2c'), 426, None),
            (dict(Upgrade='WebSocket'), 101, 101),
            (dict(Connection=None), 426, None),
            (dict(Connection='keep-alive'), 426, None),
            (dict(Connection='keep-alive, Upgrade'), 101, 101),
            (dict(Connection='upgrade'), 101, 101),
            (dict(Sec_WebSocket_Version=None), 426, 426),
            (dict(Sec_WebSocket_Version='8'), 426, 426),
            (dict(Sec_WebSocket_Version='14'), 426, 426),
            (dict(Sec_WebSocket_Key=None), 400, 400),
            (dict(Sec_WebSocket_Key=''), 400, 400),
            (dict(Sec_WebSocket_Key='short'), 400, 400),
            (dict(Sec_WebSocket_Key='dGhlIHNhbXBsZSBub25jZTE3Yg=='), 400, 400),
            (dict(Sec_WebSocket_Key='!!!!IHNhbXBsZSBub25jZQ=='), 400, 400),
            (dict(method='POST', Content_Length='0'), 405, None),
            (dict(method='HEAD'), 405, None),
            (dict(version='HTTP/1.0'), 400, None),
            (dict(host=False), 400, None),
            (dict(path='/push/ws/nothing?channel=a'), 404, 404),
            (dict(path='/elsewhere?channel=a'), 404, None),
            (dict(path='/push/ws/echo'), 101, 101),
            (dict(path='/push/ws'), 400, 400),
            (dict(path='/push/ws?channel='), 400, 400),
            (dict(path='/push/ws?channel=%FF'), 400, 400),
            (dict(path='/push/ws?channel=%zz'), 400, 400),
            (dict(path='/push/ws?channel=a&since=x'), 400, 400),
            (dict(path='/push/ws', Sec_WebSocket_Protocol='tidings.json'), 101, 101),
            (dict(Sec_WebSocket_Protocol='a, tidings.json'), 101, 101),
            # RFC 9110, 5.5: whitespace around a value is none of it.
            (dict(Upgrade='  websocket \t'), 101, 101),
            (dict(Connection='\tUpgrade  '), 101, 101),
            (dict(Sec_WebSocket_Version=' 13\t '), 101, 101),
            (dict(Sec_WebSocket_Key='  dGhlIHNhbXBsZSBub25jZQ==  '), 101, 101),
            (dict(Origin='https://app.example \t'), 101, 101),
            # RFC 6455, 4.1 and 11.3.4: a list of tokens.
            (dict(Sec_WebSocket_Protocol=' a ,, tidings.json\t'), 101, 101),
            (dict(Sec_WebSocket_Protocol=''), 400, 400),
            (dict(Sec_WebSocket_Protocol=','), 400, 400),
            (dict(Sec_WebSocket_Protocol='a b'), 400, 400),
            (dict(Sec_WebSocket_Protocol='"tidings.json"'), 400, 400),
            (dict(Sec_WebSocket_Protocol='tidings.json;q=1'), 400, 400),
            (dict(Sec_WebSocket_Protocol='tidings.json, a/b'), 400, 400),
            (dict(Sec_WebSocket_Protocol='tidings.json, \x80'), 400, 400),
            # RFC 9112, 2.3 and 3.
            (dict(version='HTTX/1.1'), 400, 400),
            (dict(version='http/1.1'), 400, None),
            (dict(version='HTTP/1.12'), 400, None),
            (dict(version='HTTP/2.0'), 505, None),
            (dict(version='HTTP/1.2'), 101, None),
            (dict(Host=''), 400, None),
            (dict(Host='a b'), 400, 400),
            (dict(Host='a/b'), 400, 400),
            (dict(Host='a, b'), 400, 400),
            (dict(Host='u@a'), 400, 400),
            (dict(Host='a:b'), 400, 400),
            (dict(Host='[::1'), 400, 400),
            (dict(Host='a', X='1\r\nHost: a'), 400, 400),
            (dict(Host=' a.example:1 \t'), 101, 101),
            (dict(path='push/ws?channel=a'), 400, 400),
            (dict(path='/push/ws?channel=a#b'), 400, None),
            (dict(path='*'), 400, 400),
            (dict(path='ws://a/push/ws?channel=a'), 400, None),
            (dict(path='http://u@a/push/ws?channel=a'), 400, None),
            (dict(path='http://a/push/ws?channel=a'), 101, 101),
            (dict(path='http://a:1/push/ws?channel=a', Host='b'), 101, 101),
            (dict(path='http://a/push/ws?channel=a', host=False), 400, None),
            # A body that is announced, RFC 9112, 6.
            (dict(Content_Length='0'), 101, 101),
            (dict(Content_Length='5'), 400, None),
            (dict(Content_Length='x'), 400, 400),
            (dict(Content_Length='1, 2'), 400, 400),
            (dict(Transfer_Encoding='chunked'), 400, None),
            (dict(Transfer_Encoding='gzip'), 501, None),
            # RFC 9110, 9.1.
            (dict(method='DELETE'), 405, 405),
            (dict(method='PUT', Content_Length='0'), 405, 405),
            (dict(method='OPTIONS'), 405, 405),
            (dict(method='PATCH', Content_Length='3'), 405, None),
            (dict(method='FROB'), 501, 501),
            (dict(method='get'), 501, 501),
        ]
        for change, direct, proxied in rows:
            for (name, port), want in zip(both, (direct, proxied)):
                if want is None:
                    continue
                status, headers, body = shake(site, port, **change)
                said = '%s: %r: %d' % (name, change, want)
                t.ok(status == want, said, status, headers, body)
                if status >= 400 and change.get('method') != 'HEAD':
                    # What httpd refuses by itself has a page of its own.
                    t.ok(headers['Content-Type'] == 'application/problem+json' or
                         port == site.port and status == 400, 'with a reason', headers)
                if status == 405:
                    t.equal(headers['Allow'], 'GET', 'and what is allowed')
                if status == 426:
                    t.ok(headers['Upgrade'] == 'websocket' and
                         headers['Sec-WebSocket-Version'] == '13', 'and what would be right',
                         headers)

        origins = [
            (None, 101), ('https://app.example', 101), ('HTTPS://APP.example', 101),
            ('https://evil.example', 403), ('null', 403), ('', None),
            ('https://app.example.evil', 403), ('https://xapp.example', 403),
            ('http://127.0.0.10', 403), ('http://127.0.0.1.evil:1', 403), ('http://127.0.0.1evil', 403),
            ('127.0.0.1', 403), ('http://[127.0.0.1]', 403),
        ]
        for name, port in both:
            # A page of httpd that asks wsd on its own port is of the same host.
            other = 101 if port == site.ws_port else 403
            for origin, want in origins + [('http://127.0.0.1:%d' % port, 101),
                                           ('http://127.0.0.1', other),
                                           ('https://127.0.0.1:1', other),
                                           ('http://127.0.0.1:%d.evil' % port, 403)]:
                for path in ('/push/ws?channel=a', '/push/ws/echo'):
                    status, headers, body = shake(site, port, path, Origin=origin)
                    t.ok(status == want or want is None and status in (101, 403),
                         '%s: Origin %s at %s' % (name, origin, path), status, body)
        # The authority of an absolute-form counts, and not the Host beside it.
        for host, origin, want in (('a.example', 'http://a.example', 101),
                                   ('a.example:81', 'http://a.example', 101),
                                   ('a.example', 'http://b.example', 403)):
            status, headers, body = shake(
                site, site.ws_port, 'http://%s/push/ws?channel=a' % host,
                Host='b.example', Origin=origin)
            t.ok(status == want, 'absolute-form of %s, Origin %s: %d' % (host, origin, want),
                 status, body)
        t.ok(site.lives(), 'the programs live')

    with Site(settings={'access': {'origins': '*'}}, echo=False, wstunnel=True) as site:
        for name, port in (('direct', site.ws_port), ('tunnel', site.port)):
            t.equal(shake(site, port, Origin='https://any.example')[0], 101, name + ': * is any')
            t.equal(shake(site, port, '/push/ws/echo')[0], 404, name + ': no echo unless configured')
            t.equal(shake(site, port, Sec_WebSocket_Key='x')[0], 400, name + ': a bad key')
            t.equal(shake(site, port, Sec_WebSocket_Version='7')[0], 426, name + ': a bad version')
        t.ok(site.lives(), 'the programs live')


run(main)
