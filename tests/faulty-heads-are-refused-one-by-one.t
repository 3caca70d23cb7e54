#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A head whose first field was faulty ("A : b") ended wsd by a signal: it filled
# the variables of a head that it had refused, and those had no text.  Every
# kind of faulty head, whole and one byte at a time, is answered 4xx or 5xx or
# closed, and the daemon is asked after each whether it still lives.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

LINE = b'GET /push/ws?channel=a HTTP/1.1\r\n'
HOST = b'Host: a.example\r\n'

# Request lines, each with a whole head behind it.
LINES = [
    b'', b' ', b'\t', b'\r', b'\0', b'G', b'GET', b'GET ', b'GET  ', b'GET /', b'GET / ',
    b' GET / HTTP/1.1', b'\tGET / HTTP/1.1', b'GET  / HTTP/1.1', b'GET /  HTTP/1.1',
    b'GET\t/ HTTP/1.1', b'GET / HTTP/1.1 ', b'GET / HTTP/1.1 x', b'GET / HTTP/',
    b'GET / HTTP/1', b'GET / HTTP/1.', b'GET / HTTP/.1', b'GET / HTTP/11.1', b'GET / HTTP/1.12',
    b'GET / HTTP/0.9', b'GET / HTTP/2.0', b'GET / HTTP/9.9', b'GET / HTTX/1.1', b'GET / http/1.1',
    b'GET / RTSP/1.0', b'GET HTTP/1.1', b'/ HTTP/1.1', b'HTTP/1.1 200 OK', b'get / HTTP/1.1',
    b'FROB / HTTP/1.1', b'G\xc3\xa9T / HTTP/1.1', b'G:T / HTTP/1.1', b'PRI * HTTP/2.0',
    b'CONNECT a:80 HTTP/1.1', b'OPTIONS * HTTP/1.1', b'GET * HTTP/1.1', b'GET a HTTP/1.1',
    b'GET ? HTTP/1.1', b'GET # HTTP/1.1', b'GET /#a HTTP/1.1', b'GET /a b HTTP/1.1',
    b'GET /\0 HTTP/1.1', b'GET /\x01 HTTP/1.1', b'GET /\x7f HTTP/1.1', b'GET /\xff HTTP/1.1',
    b'GET /\r HTTP/1.1', b'GET http: HTTP/1.1', b'GET http:// HTTP/1.1', b'GET http:/// HTTP/1.1',
    b'GET http://a:b@c/ HTTP/1.1', b'GET http://[::1/ HTTP/1.1', b'GET http://a:99999/ HTTP/1.1',
    b'GET ftp://a/ HTTP/1.1', b'GET //a HTTP/1.1', b'\x16\x03\x01\x02', b'\x80\x2e\x01',
    b'A' * 16384, b'GET /' + b'a' * 16384, b'GET / HTTP/1.1' + b'1' * 16384,
]
# Header lines, as the first of the head and as the second.
FIELDS = [
    b'A : b', b'A\t: b', b' A: b', b'\tA: b', b' ', b'\t', b':', b': b', b' : b', b'A', b'A b',
    b'A b: c', b'\0', b'\0: b', b'A\0: b', b'A: \0', b'A: b\0c', b'A: \x01', b'A: \x7f',
    b'A\x7f: b', b'A: b\rc', b'A: b\r', b'\rA: b', b'\xff: b', b'A\xc3\xa9: b', b'A: \xff',
    b'(: b', b'A,B: c', b'"A": b', b'A@: b', b'A/B: c', b'A[: b', b'A{: b',
    b'Host', b'Host:', b'Host : a', b'Host: ', b'Host: a b', b'Host: a,b', b'Host: a/b',
    b'Host: a\r\nHost: a', b'Host: @', b'Host: a:b', b'Host: [::1', b'Host: \xff',
    b'Content-Length', b'Content-Length:', b'Content-Length: x', b'Content-Length: -1',
    b'Content-Length: 5', b'Content-Length: 1, 2', b'Content-Length: 99999999999999999999999',
    b'Content-Length: 1\r\nContent-Length: 2', b'Content-Length: 1\r\nTransfer-Encoding: chunked',
    b'Transfer-Encoding: chunked', b'Transfer-Encoding: x', b'Transfer-Encoding:',
    b'Upgrade:', b'Upgrade: ,', b'Connection:', b'Connection: ,,,', b'Sec-WebSocket-Key: x',
    b'Sec-WebSocket-Version: x', b'Sec-WebSocket-Extensions: ;;;',
    b'Sec-WebSocket-Protocol: ,', b'Origin: \x80', b'X-Forwarded-For: ,,,',
    b'X-Forwarded-Host: ,', b'X-Remote-User: ,', b'Expect: 100-continue', b'Expect:',
    b'A: b\r\n c', b'A:\r\n b', b'A:\r\n ', b'A: b\r\n\t', b'A' * 16384, b'A: ' + b'b' * 16384,
    b'\r\n'.join(b'A: b' for _ in range(101)), b'\r\n'.join(b'A%d:' % i for i in range(200)),
    b'_: b', b'A_B: c', b'-: b', b'-A: b', b'A-: b',
]


def heads():
    for line in LINES:
        yield line + b'\r\n' + HOST + b'\r\n'
        yield line + b'\n' + HOST + b'\n'
        yield b'\r\n' + line + b'\r\n\r\n'
        yield line
    for field in FIELDS:
        yield LINE + field + b'\r\n\r\n'
        yield LINE + field + b'\r\n' + HOST + b'\r\n'
        yield LINE + HOST + field + b'\r\n\r\n'
        yield LINE + HOST + field + b'\n\n'
        yield LINE + field
        yield LINE + HOST + field


def answer(port, head, step):
    """The status of the answer, None if the connection was closed without one,
    and "open" while the head may go on."""
    with socket.create_connection(('127.0.0.1', port), 20 * PATIENCE) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            for at in range(0, len(head), step):
                s.sendall(head[at:at + step])
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_WR)  # nothing follows: it must answer or close
        data = b''
        with contextlib.suppress(ConnectionError):
            while True:
                part = s.recv(65536)
                if not part:
                    break
                data += part
    return int(data.split()[1]) if data else None


def ask_all(site, tap, what, step):
    wrong, asked, pid = [], 0, site.first_pids['wsd']
    for head in heads():
        if step == 1 and len(head) > 2000:
            continue
        asked += 1
        try:
            got = answer(site.ws_port, head, step)
        except OSError as e:
            got = e
        if not (got is None or isinstance(got, int) and 400 <= got < 600):
            wrong.append((head[:80], got))
        if not alive(pid) or site.pid('wsd') != pid:
            wrong.append((head[:80], 'wsd is dead'))
            break
    tap.ok(not wrong, '%s: %d faulty heads are refused' % (what, asked), *wrong[:10])
    tap.ok(asked > 600, 'and all of them were sent', asked)


def main(tap):
    with Site() as site:
        ask_all(site, tap, 'whole', 1 << 20)
        ask_all(site, tap, 'byte by byte', 1)
        tap.ok(site.lives(), 'the programs live')


run(main)
