#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-declines-what-it-cant-give-away.t - a request that is no plain GET
# on a connection of its own goes by mod_proxy, with the answer that it has
# without the module; the log says why.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from handover_site import *

EXTRA = '''
Protocols h2c h2 http/1.1
H2Direct on
TidingsPark Off
ErrorDocument 404 /push/longpoll?channel=a&wait=0
<LocationMatch "^/push/">
    <If "%{QUERY_STRING} =~ /switched=off/">
        TidingsHandover off
    </If>
</LocationMatch>
<Location "/push/sse/inner">
    TidingsHandover Off
</Location>
<Location "/push/iframe">
    <If "%{HTTP_HOST} == 'off.example'">
        TidingsHandover off
    </If>
</Location>
'''
LONGPOLL = '/push/longpoll?channel=a&wait=0&since=earliest'
CHUNKED = {'Transfer-Encoding': 'chunked'}
# what, target, how it is asked, why it is declined
ROWS = [
    ('POST', LONGPOLL, {'method': 'POST', 'headers': {'Content-Length': '3'}, 'body': b'a=b'},
     'it is no GET'),
    ('PUT', LONGPOLL, {'method': 'PUT', 'headers': {'Content-Length': '0'}}, 'it is no GET'),
    ('HEAD', LONGPOLL, {'method': 'HEAD'}, 'it is no GET'),
    ('HEAD of a stream', '/push/sse?channel=a', {'method': 'HEAD'}, 'it is no GET'),
    ('OPTIONS', LONGPOLL, {'method': 'OPTIONS'}, 'it is no GET'),
    ('a body with a length', LONGPOLL, {'headers': {'Content-Length': '5'}, 'body': b'hello'},
     'it has a body'),
    ('a chunked body', LONGPOLL, {'headers': CHUNKED, 'body': b'5\r\nhello\r\n0\r\n\r\n'},
     'it has a body'),
    ('a body that is yet to come', LONGPOLL, {'headers': {'Content-Length': '5'}},
     'it has a body'),
]


def ask(site, target, how, late=b''):
    """Connection, status, headers that count, body."""
    c = Talk(site).ask(target, **how)
    if late and 'switched' not in target:
        wait_for(lambda: site.why(c), 10, 'a line of the log')
    c.sock.sendall(late)
    c.read_head()
    body = b'' if how.get('method') == 'HEAD' else c.read_body()
    names = ('content-type', 'allow', 'etag', 'cache-control', 'connection',
             'transfer-encoding')
    return c, (c.status, {n: c.headers.get(n) for n in names}, body)


def declined(tap, site):
    for what, target, how, why in ROWS:
        late = b'hello' if 'yet' in what else b''
        c, with_it = ask(site, target, how, late)
        off, without = ask(site, target + '&switched=off', how, late)
        tap.equal(site.why(c), [why], what + ' is declined: ' + why)
        tap.equal((site.way(c), site.why(off)), (PROXIED, []), 'and proxied')
        tap.ok(with_it == without, 'and answered as ever', with_it, without)
        c.close()
        off.close()


def switched_off(tap, site):
    for what, target, how in (
            ('by an <If> on the query', LONGPOLL + '&switched=off', {}),
            ('by an <If> in its <Location>', '/push/iframe?channel=a',
             {'headers': {'Host': 'off.example'}}),
            ('in an inner <Location>', '/push/sse/inner?channel=a', {})):
        with Talk(site) as c:
            request = c.request(target, **how)
            if 'headers' in how:
                request = request.replace(b'Host: 127.0.0.1\r\n', b'')
            c.sock.sendall(request)
            c.read_head()
            tap.ok(c.status == 200 and c.header('Server') and site.why(c) == [] and
                   (c.is_chunked or c.header('Connection') != 'close'),
                   'switched off ' + what, c.head, site.why(c))
    with Talk(site) as c:
        c.get('/push/iframe?channel=a')
        tap.equal(site.way(c), HANDED, 'and on beside it')


def one_after_the_other(tap, site):
    """Requests of one connection, and pieces of several that come together."""
    get = Talk.request
    held, plain = get(LONGPOLL), get('/push/poll?channel=a&since=earliest')
    file, stream = get('/tidings.js'), get('/push/sse?channel=p&since=earliest')
    site.publish_sql('p', 'piped')
    with open(os.path.join(site.dir, 'htdocs', 'tidings.js'), 'rb') as f:
        script = f.read()
    for what, parts, ways in (
            ('behind an answer', [file, held], [PROXIED, HANDED]),
            ('behind a proxied answer', [plain, held], [PROXIED, HANDED]),
            ('together behind an answer', [file + held], [PROXIED, HANDED]),
            ('together behind twenty', [file * 20 + held], [PROXIED] * 20 + [HANDED]),
            ('with one behind it', [held + file], [PROXIED, PROXIED]),
            ('with one of its own kind behind it', [held + held], [PROXIED, HANDED]),
            ('five together', [held * 5], [PROXIED] * 4 + [HANDED]),
            ('with a piece behind it', [held + file[:10], file[10:]], [PROXIED, PROXIED]),
            ('byte by byte', [held[n:n + 1] for n in range(len(held))], [HANDED])):
        with Talk(site) as c:
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            said, asked = b'', 0
            for part in parts:
                c.sock.sendall(part)
                said += part
                while asked < said.count(b'\r\n\r\n'):
                    c.read_head().read_body()
                    kind = c.header('Content-Type')
                    if c.status != 200 or ('javascript' in kind and c.body != script) or \
                            ('json' in kind and 'messages' not in json.loads(c.body)):
                        tap.ok(False, 'a whole answer', c.head, c.body)
                    asked += 1
            got = [site.way(c, n) for n in range(len(ways))]
            tap.equal(got, ways, 'a held request ' + what)
            wrong = [w for w in site.why(c) if w not in ('more bytes came with it',
                                                         'an answer before it is not out')]
            tap.ok(not wrong, 'which the log explains', *wrong)
    with Talk(site) as c:
        c.sock.sendall(stream + plain)
        c.read_head().wait('piped')
        tap.ok(c.is_chunked and site.why(c) == ['more bytes came with it'],
               'a stream with bytes behind it is live all the same', c.head, site.why(c))
    # What comes later is the program's, which needs none of it.
    with Talk(site) as c:
        c.sock.sendall(stream)
        c.read_head().wait('piped')
        c.sock.sendall(plain)
        site.publish_sql('p', 'after that')
        c.wait('after that')
        tap.equal(site.way(c), HANDED, 'bytes that come later end no stream')


def not_out_yet(tap, site):
    """An answer that the client does not read stands before the held one."""
    with open(os.path.join(site.dir, 'htdocs', 'big.bin'), 'wb') as f:
        f.write(bytes(range(256)) * 32768)  # 8 MB
    with Talk(site, rcvbuf=4096) as c:
        c.sock.sendall(c.request('/big.bin') + c.request('/push/sse?channel=p&since=earliest'))
        c.read_head()
        c.read_body(30)
        tap.ok(c.body == bytes(range(256)) * 32768, 'a large answer before it comes whole')
        c.read_head().wait('piped')
        tap.ok(c.status == 200, 'and then the stream')


def other_protocols(tap, site):
    for tls in (False, True):
        c = Talk(site, tls=tls)
        c.sock.sendall(b'GET %s\r\n' % LONGPOLL.encode())
        c.wait_end()
        tap.ok(c.buf.startswith(b'{"cursor"') and not c.torn, 'HTTP/0.9 has its answer',
               c.buf[:200])
        if not tls:
            tap.equal(site.why(c), ['it is HTTP/0.9'], 'by mod_proxy')
        c.close()
        for version, url in ((('--http2-prior-knowledge', '-v'), site.url),
                             (('--http2',), 'https://127.0.0.1:%d' % site.tls_port)):
            if tls == url.startswith('https'):
                r = subprocess.run(
                    ['curl', '-sS', '--cacert', site.certificate + '.crt', '-w',
                     '\n%{http_version} %{local_port}'] + [v for v in version if v != '-v'] +
                    [url + LONGPOLL], capture_output=True, text=True)
                answer, _, last = r.stdout.rpartition('\n')
                what = 'HTTP/2' + (' over TLS' if tls else '')
                tap.ok(last.startswith('2 ') and '"messages"' in answer, what + ' has its answer',
                       r.stdout, r.stderr)
                found = [line for line in site.lines('error.log')
                         if ':%s] not handed over: ' % last.split()[1] in line]
                tap.ok(len(found) == 1 and '(HTTP/2)' in found[0], 'by mod_proxy', *found)
    for path in ('sse', 'iframe', 'longpoll', 'ws'):
        with Talk(site, tls=True) as c:
            c.get('/push/%s?channel=p&since=earliest' % path,
                  headers=UPGRADE if path == 'ws' else {})
            if path != 'ws':
                c.wait('piped')
            else:
                c.until(lambda: b'piped' in c.buf, 'a message')
            tap.ok(site.why(c) == ["TLS can't be parked here"],
                   path + ' over TLS with TidingsPark Off is proxied', c.head, site.why(c))


def redirected(tap, site):
    with Talk(site) as c:
        c.get('/nothing/here').read_body()
        tap.ok(b'"messages"' in c.body and
               site.why(c) == ['it is a subrequest or a redirect'],
               'as the text of an error it is proxied', c.head, c.body, site.why(c))
    with Talk(site) as c:
        c.get('/push/sse?channel=a&' + 'x' * 8000 + '&b=' + '%C3' * 10,
              headers={'X-%d' % n: 'y' * 8000 for n in range(9)})
        tap.ok(c.status == 200 and site.why(c) == ['its head is too large'] and c.is_chunked,
               'with a head beyond a packet it is proxied', c.head, site.why(c))


def main(tap):
    need('curl', 'openssl', MODULES + '/mod_http2.so')
    # Whom httpd carries it misses at the next heartbeat.
    with HandoverSite({'tidings': {'heartbeat': '300ms'}}, EXTRA + 'LimitRequestLine 16000\n',
                      ['http2'], tls=True) as site:
        site.publish_sql('a', 'here')
        declined(tap, site)
        switched_off(tap, site)
        one_after_the_other(tap, site)
        not_out_yet(tap, site)
        other_protocols(tap, site)
        redirected(tap, site)
        busy = wait_for(lambda: site.busy() == 0, 10, 'the end of all')
        tap.ok(busy and site.lives(), 'httpd and the programs live, no worker is busy')


need(MOD_TIDINGS)
run(main)
