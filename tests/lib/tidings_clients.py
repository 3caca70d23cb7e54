# SPDX-License-Identifier: MIT
"""Clients that survive what tests do to the server: a raw HTTP stream that
tells a clean end from a cut one, a follower for each transport that comes back
with its cursor, a WebSocket, and a FastCGI peer without a web server.
"""
import base64
import contextlib
import http.client
import json
import os
import re
import resource
import select
import socket
import ssl
import struct
import threading
import time

from tidings_test import PATIENCE, Failure, alive, deadline, wait_for


class RawStream:
    """One GET on a socket of its own, chunked coding taken off as it comes.
    `tls` is a context, or None."""

    def __init__(self, port, path, headers=None, rcvbuf=None, timeout=10, tls=None):
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout * PATIENCE)
        self.raw, self.body, self.end = b'', b'', None
        self.status, self.headers = None, {}
        try:
            self.sock.connect(('127.0.0.1', port))
            if tls:
                self.sock = tls.wrap_socket(self.sock, server_hostname='127.0.0.1')
            lines = ['GET %s HTTP/1.1' % path, 'Host: 127.0.0.1:%d' % port]
            lines += ['%s: %s' % h for h in (headers or {}).items()]
            self.sock.sendall(('\r\n'.join(lines) + '\r\n\r\n').encode())
        except OSError:
            self.sock.close()
            raise

    def read_head(self, seconds=10):
        end = deadline(seconds)
        while b'\r\n\r\n' not in self.raw:
            if not self.fill(end - time.monotonic()):
                raise ConnectionError('no head: %r' % self.raw[:200])
        head, self.raw = self.raw.split(b'\r\n\r\n', 1)
        lines = head.decode('latin-1').split('\r\n')
        self.status = int(lines[0].split()[1])
        for line in lines[1:]:
            name, _, value = line.partition(':')
            self.headers[name.strip().lower()] = value.strip()
        self.chunked = self.headers.get('transfer-encoding') == 'chunked'
        self.length = int(self.headers.get('content-length', -1))
        self.decode()
        return self

    def fill(self, seconds):
        """More bytes; False when the time is over or the connection is."""
        if self.end is not None:
            return False
        held = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        if not held and not select.select([self.sock], [], [], max(0, seconds))[0]:
            return False
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError:
            return False  # of TLS there were bytes, but none for us
        except OSError:
            data = b''
        if not data:
            self.end = 'cut'
            return False
        self.raw += data
        return True

    def decode(self):
        if not self.chunked:
            self.body += self.raw
            self.raw = b''
            if self.length == len(self.body):
                self.end = 'clean'
            return
        while True:
            line, sep, rest = self.raw.partition(b'\r\n')
            if not sep:
                return
            size = int(line.split(b';')[0], 16)
            if len(rest) < size + 2:
                return
            self.body += rest[:size]
            self.raw = rest[size + 2:]
            if size == 0:
                self.end = 'clean'
                return

    def read_some(self, seconds):
        """Adds what comes within the time; False if nothing did."""
        if not self.fill(seconds):
            return False
        self.decode()
        return True

    def wait(self, text, seconds=10):
        want = text.encode() if isinstance(text, str) else text
        end = deadline(seconds)
        while want not in self.body:
            left = end - time.monotonic()
            if not self.read_some(left) and (self.end or left <= 0):
                raise Failure('%r did not come; end %s; got %r'
                              % (want, self.end, self.body[-300:]))
        return self.body

    def wait_end(self, seconds=10):
        end = deadline(seconds)
        while self.end is None:
            left = end - time.monotonic()
            if not self.read_some(left) and left <= 0:
                raise Failure('no end came; got %r' % self.body[-300:])
        return self.end

    def reset(self):
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack('ii', 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Follower(threading.Thread):
    """Follows a channel over one transport and comes back with its cursor."""
    PATIENT = 20

    def __init__(self, site, query='channel=a', cursor='earliest', headers=None,
                 tls=False):
        super().__init__(daemon=True)
        self.site, self.query, self.cursor = site, query, cursor
        self.extra = headers or {}
        self.tls = site.tls_context() if tls else None
        self.got, self.resets, self.at = [], [], []
        self.connects, self.statuses, self.odd = 0, [], []
        self.stopping = False
        self.start()

    def run(self):
        while not self.stopping:
            try:
                self.once()
            except (OSError, http.client.HTTPException, Failure):
                pass
            except Exception as e:  # told by the test, not by a dead thread
                self.odd.append(repr(e))
            time.sleep(0.01)

    def stop(self):
        self.stopping = True
        self.join(self.PATIENT * PATIENCE)

    def take(self, cursor, data):
        self.at.append(time.monotonic())
        self.got.append((cursor, data))
        self.cursor = cursor

    def took_reset(self, cursor):
        self.resets.append((len(self.got), cursor))
        self.cursor = cursor

    @property
    def port(self):
        return self.site.tls_port if self.tls else self.site.port

    @property
    def data(self):
        return [d for _, d in self.got]

    def wait_data(self, data, seconds=15):
        wait_for(lambda: self.got and self.got[-1][1] == data, seconds,
                 '%s at %s (last: %r)' % (data, type(self).__name__,
                                          self.got[-1:]))

    def open_stream(self, path, headers=None):
        stream = RawStream(self.port, path, headers, tls=self.tls)
        try:
            stream.read_head()
        except BaseException:
            stream.close()
            raise
        self.statuses.append(stream.status)
        if stream.status != 200:
            stream.close()
            raise Failure('status')
        self.connects += 1
        return stream

    def follow(self, stream, parse):
        with stream:
            while not self.stopping and stream.end is None:
                parse(stream)
                stream.read_some(0.1)
            parse(stream)


class SseFollower(Follower):
    def once(self):
        headers = dict(self.extra)
        headers['Last-Event-ID'] = self.cursor
        self.follow(self.open_stream('/push/sse?' + self.query, headers),
                    self.parse)

    def parse(self, stream):
        while b'\n\n' in stream.body:
            block, stream.body = stream.body.split(b'\n\n', 1)
            event, data, cursor = 'message', [], self.cursor
            for line in block.decode().split('\n'):
                name, _, value = line.partition(':')
                value = value[1:] if value.startswith(' ') else value
                if name == 'id':
                    cursor = value
                elif name == 'event':
                    event = value
                elif name == 'data':
                    data.append(value)
            if event == 'tidings.reset':
                self.took_reset(cursor)
            elif data:
                self.take(cursor, '\n'.join(data))
            else:
                self.cursor = cursor


class IframeFollower(Follower):
    SCRIPT = re.compile(rb'<script>parent\.tidings\.receive\((.*?)\)</script>')
    HEAD = re.compile(rb'var tidings = (\{.*?\})</script>')

    def once(self):
        self.follow(self.open_stream(
            '/push/iframe?%s&since=%s' % (self.query, self.cursor)), self.parse)

    def parse(self, stream):
        head = self.HEAD.search(stream.body)
        if head:
            self.cursor = json.loads(head.group(1))['cursor']
        end = head.end() if head else 0
        for m in self.SCRIPT.finditer(stream.body):
            message = json.loads(m.group(1))
            if message.get('reset'):
                self.took_reset(message['cursor'])
            else:
                self.take(message['id'], message['data'])
            end = m.end()
        stream.body = stream.body[end:]


class PollFollower(Follower):
    PATH, PAUSE = '/push/poll?%s&since=%s', 0.03

    def once(self):
        stream = self.open_stream(self.PATH % (self.query, self.cursor))
        with stream:
            stream.wait_end(30)
        if stream.end != 'clean':
            return
        answer = json.loads(stream.body)
        if answer['reset']:
            self.took_reset(answer['cursor'])
        for message in answer['messages']:
            self.take(message['id'], message['data'])
        self.cursor = answer['cursor']
        time.sleep(self.PAUSE)


class LongpollFollower(PollFollower):
    PATH, PAUSE = '/push/longpoll?%s&since=%s&wait=1', 0


class WsFollower(Follower):
    def once(self):
        ws = WebSocket(self.port, '/push/ws?%s&since=%s'
                       % (self.query, self.cursor), 'tidings.json', tls=self.tls)
        self.statuses.append(ws.status)
        with ws:
            if ws.status != 101:
                return
            self.connects += 1
            while not self.stopping:
                frame = ws.read(0.1)
                if frame is None and ws.ended:
                    return
                if frame is not None and frame[0] == 9:
                    ws.send(10, frame[1])
                if frame is None or frame[0] not in (1, 8):
                    continue
                if frame[0] == 8:
                    ws.send(8, frame[1])
                    return
                message = json.loads(frame[1])
                if message.get('reset'):
                    self.took_reset(message['cursor'])
                elif message.get('op') == 'cursor':
                    self.cursor = message['cursor']
                else:
                    self.take(message['id'], message['data'])


FOLLOWERS = (SseFollower, IframeFollower, PollFollower, LongpollFollower,
             WsFollower)


class WebSocket:
    """RFC 6455 by hand, so that it can be spoken badly as well."""

    def __init__(self, port, path='/push/ws?channel=a', protocol=None,
                 headers=None, shake=True, rcvbuf=None, tls=None):
        self.buf, self.ended, self.status, self.head = b'', False, None, ''
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(10 * PATIENCE)
        try:
            if isinstance(port, str):
                self.sock.close()
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.settimeout(10 * PATIENCE)
                self.sock.connect(port)
                port = 0
            else:
                self.sock.connect(('127.0.0.1', port))
            if tls:
                self.sock = tls.wrap_socket(self.sock, server_hostname='127.0.0.1')
            self.request = self.make_request(port, path, protocol, headers)
            if shake:
                self.sock.sendall(self.request)
                self.read_head()
        except BaseException:
            self.sock.close()
            raise

    @staticmethod
    def make_request(port, path, protocol, headers):
        headers = dict(headers or {})
        lines = ['GET %s HTTP/1.1' % path,
                 'Host: ' + headers.pop('Host', '127.0.0.1:%d' % port),
                 'Upgrade: websocket', 'Connection: Upgrade',
                 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: '
                 + base64.b64encode(os.urandom(16)).decode()]
        if protocol:
            lines.append('Sec-WebSocket-Protocol: ' + protocol)
        lines += ['%s: %s' % h for h in headers.items()]
        return ('\r\n'.join(lines) + '\r\n\r\n').encode()

    def read_head(self):
        while b'\r\n\r\n' not in self.buf:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError('no handshake: %r' % self.buf[:200])
            self.buf += data
        head, self.buf = self.buf.split(b'\r\n\r\n', 1)
        self.head = head.decode('latin-1')
        self.status = int(self.head.split()[1])

    @staticmethod
    def frame(opcode, payload=b'', fin=True, mask=b'\x11\x22\x33\x44'):
        payload = payload.encode() if isinstance(payload, str) else payload
        n = len(payload)
        out = bytes([opcode | (0x80 if fin else 0)])
        bit = 0x80 if mask else 0
        if n < 126:
            out += bytes([bit | n])
        elif n < 65536:
            out += bytes([bit | 126]) + struct.pack('>H', n)
        else:
            out += bytes([bit | 127]) + struct.pack('>Q', n)
        if not mask:
            return out + payload
        key = (mask * (n // 4 + 1))[:n]
        body = int.from_bytes(payload, 'big') ^ int.from_bytes(key, 'big')
        return out + mask + body.to_bytes(n, 'big')

    def send(self, opcode, payload=b'', **kw):
        self.sock.sendall(self.frame(opcode, payload, **kw))

    def take(self):
        """A whole frame off the buffer, or None."""
        b = self.buf
        if len(b) < 2:
            return None
        n, at = b[1] & 0x7f, 2
        if n == 126:
            if len(b) < 4:
                return None
            n, at = struct.unpack('>H', b[2:4])[0], 4
        elif n == 127:
            if len(b) < 10:
                return None
            n, at = struct.unpack('>Q', b[2:10])[0], 10
        if len(b) < at + n:
            return None
        self.buf = b[at + n:]
        return b[0] & 0x0f, b[at:at + n]

    def read(self, seconds=10):
        """(opcode, payload), or None: nothing came, or it is ended."""
        end = deadline(seconds)
        while True:
            frame = self.take()
            if frame or self.ended:
                return frame
            if not self.fill(end - time.monotonic()):
                return None

    def fill(self, seconds):
        """What has come, into the buffer; False if nothing does in time."""
        held = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        if not held and not select.select([self.sock], [], [], max(0, seconds))[0]:
            return False
        before = self.sock.gettimeout()
        # Of TLS there may be bytes, but none for us.
        self.sock.settimeout(max(0.01, seconds))
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError:
            return False
        except OSError:
            data = b''
        finally:
            self.sock.settimeout(before)
        self.ended = not data
        self.buf += data
        return True

    def read_close(self, seconds=10):
        """The code of the close frame, skipping all else; None = just ended."""
        end = deadline(seconds)
        while True:
            frame = self.read(max(0, end - time.monotonic()))
            if frame is None:
                if not self.ended:
                    raise Failure('no close frame came')
                return None
            if frame[0] == 8:
                return struct.unpack('>H', frame[1][:2])[0]

    def wait_end(self, seconds=10):
        """Until TCP has its end; what came before is let go."""
        end = deadline(seconds)
        while not self.ended:
            self.buf = b''
            if time.monotonic() > end:
                raise Failure('the connection was not ended')
            self.fill(end - time.monotonic())

    def reset(self):
        """Closes with RST instead of FIN."""
        RawStream.reset(self)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Ops:
    """A connection with tidings.json, that tells answers from messages."""

    def __init__(self, port, query='', **kw):
        self.ws = WebSocket(port, '/push/ws' + query, 'tidings.json', **kw)
        self.messages, self.answers, self.out = [], [], b''

    def queue(self, **members):
        self.out += WebSocket.frame(1, json.dumps(members))

    def flush(self, answers):
        """Sends what was queued, reads until so many answers have come."""
        out, self.out = memoryview(self.out), b''
        self.ws.sock.settimeout(0)
        while len(out) > 0:
            with contextlib.suppress(BlockingIOError):
                out = out[self.ws.sock.send(out):]
            self.read(0)
        self.ws.sock.settimeout(10 * PATIENCE)
        self.wait(lambda: len(self.answers) >= answers, 'the answers')
        got, self.answers = self.answers, []
        return got

    def read(self, seconds):
        frame = self.ws.read(seconds)
        while frame is not None:
            if frame[0] == 1:
                m = json.loads(frame[1])
                (self.messages if 'id' in m and 'channel' in m and 'data' in m
                 else self.answers).append(m)
            elif frame[0] == 9:
                self.ws.send(10, frame[1])
            frame = self.ws.take()

    def wait(self, condition, what):
        end = deadline(20)
        while not condition():
            if self.ws.ended or time.monotonic() > end:
                raise Failure('%s: %d answers, %d messages, ended: %s' % (
                    what, len(self.answers), len(self.messages), self.ws.ended))
            self.read(1)

    def ask(self, **members):
        self.queue(**members)
        return self.flush(1)[0]

    def take(self, n):
        """Those that came, n or more of them, or what there is in time."""
        with contextlib.suppress(Failure):
            self.wait(lambda: len(self.messages) >= n, 'the messages')
        got, self.messages = self.messages, []
        return [(m['channel'], m['data']) for m in got]

    def take_until(self, data):
        """The data of all messages until one with this."""
        with contextlib.suppress(Failure):
            self.wait(lambda: any(m['data'] == data for m in self.messages), data)
        got, self.messages = self.messages, []
        return [m['data'] for m in got]

    def close(self):
        self.ws.close()


class Witness:
    """Somebody else: a message every few milliseconds, by SQL, and a subscriber
    who is to get each of them on one connection, in order, within a deadline."""

    def __init__(self, site, port=None, seconds=20, every=0.02):
        self.site, self.seconds, self.every = site, seconds, every
        self.sent, self.late, self.wrong = 0, 0, None
        self.stopping = False
        self.ws = WebSocket(port or site.ws_port, '/push/ws?channel=witness')
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            db = self.site.connect()
            while not self.stopping:
                db.execute("INSERT INTO changes(channel, data) VALUES ('witness', ?)",
                           (str(self.sent),))
                self.take(str(self.sent).encode())
                self.sent += 1
                time.sleep(self.every)
            db.close()
        except Exception as e:  # told by check(), not by a dead thread
            self.wrong = repr(e)

    def take(self, want):
        began = time.monotonic()
        end = deadline(self.seconds)
        while True:
            frame = self.ws.read(end - time.monotonic())
            if frame is None:
                raise Failure('%r did not come; ended: %s' % (want, self.ws.ended))
            if frame[0] == 9:
                self.ws.send(10, frame[1])
            elif frame == (1, want):
                break
            else:
                raise Failure('%r came instead of %r' % (frame, want))
        self.late = max(self.late, time.monotonic() - began)

    def check(self, tap, what):
        """Ends it: a line whether all came."""
        sent = self.sent
        if self.wrong is None:
            with contextlib.suppress(Failure):
                wait_for(lambda: self.sent > sent or self.wrong, self.seconds, 'a last one')
        self.stopping = True
        self.thread.join(self.seconds * PATIENCE)
        tap.ok(self.wrong is None and self.sent > sent,
               what + ': a subscriber meanwhile has every message', self.wrong, self.sent)
        tap.note('%d messages, the latest after %.0f ms' % (self.sent, self.late * 1e3))
        self.ws.close()


def record(type, content=b'', id=1, version=1):
    return struct.pack('>BBHHBB', version, type, id, len(content), 0, 0) + content


def pairs(variables):
    out = b''
    for name, value in variables.items():
        name, value = name.encode(), value.encode()
        for text in (name, value):
            out += bytes([len(text)]) if len(text) < 128 else \
                struct.pack('>I', len(text) | 0x80000000)
        out += name + value
    return out


class FcgiPeer:
    """A web server's side of FastCGI, directly on a program's socket."""

    def __init__(self, path, rcvbuf=None, timeout=10):
        self.sock = socket.socket(socket.AF_UNIX)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout * PATIENCE)
        self.buf, self.out, self.ended = b'', b'', False
        self.records = []
        self.sock.connect(path)

    @staticmethod
    def request(query, method='GET', body=b'', id=1, keep=False, extra=None):
        variables = {'REQUEST_METHOD': method, 'QUERY_STRING': query,
                     'SCRIPT_NAME': '/push/x', 'SERVER_PROTOCOL': 'HTTP/1.1',
                     'REMOTE_ADDR': '127.0.0.1', 'CONTENT_LENGTH': str(len(body))}
        variables.update(extra or {})
        text = pairs(variables)
        out = record(1, struct.pack('>HB5x', 1, 1 if keep else 0), id)
        for at in range(0, len(text), 65535):
            out += record(4, text[at:at + 65535], id)
        out += record(4, b'', id)
        for at in range(0, len(body), 65535):
            out += record(5, body[at:at + 65535], id)
        return out + record(5, b'', id)

    def send(self, data):
        self.sock.sendall(data)

    def read_some(self, seconds=0.1):
        """Records as they come; False if nothing did."""
        if self.ended:
            return False
        ready, _, _ = select.select([self.sock], [], [], max(0, seconds))
        if not ready:
            return False
        try:
            data = self.sock.recv(1 << 18)
        except OSError:
            data = b''
        if not data:
            self.ended = True
            return False
        self.buf += data
        while len(self.buf) >= 8:
            _, type, id, n, pad, _ = struct.unpack('>BBHHBB', self.buf[:8])
            if len(self.buf) < 8 + n + pad:
                break
            self.records.append((type, id))
            if type == 6:
                self.out += self.buf[8:8 + n]
            self.buf = self.buf[8 + n + pad:]
        return True

    def wait(self, text, seconds=10):
        want = text.encode() if isinstance(text, str) else text
        end = deadline(seconds)
        while want not in self.out:
            left = end - time.monotonic()
            if not self.read_some(left) and (self.ended or left <= 0):
                raise Failure('%r did not come: %r' % (want, self.out[-200:]))

    def wait_end(self, seconds=10):
        """Until the program closes the connection."""
        end = deadline(seconds)
        while not self.ended:
            left = end - time.monotonic()
            if not self.read_some(left) and left <= 0:
                raise Failure('the program does not close')

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


# -- what is known of a process

def cpu_seconds(pid):
    with open('/proc/%d/stat' % pid) as f:
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def cpu_share(pid, seconds=2.0):
    """Of one core, while nothing is asked of the process."""
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - began)


def rss_kb(pid):
    with open('/proc/%d/status' % pid) as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))


def private_kb(pid):
    """Memory that is this process's alone and was written to.  A checker keeps
    its own books there, so nothing is claimed under one."""
    if os.environ.get('TIDINGS_CHECKED'):
        return 0
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return int(re.search(r'Private_Dirty:\s+(\d+)', f.read()).group(1))


def descriptors(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


def sockets(pid):
    """Open sockets: the database is opened and closed by itself."""
    n = 0
    for fd in os.listdir('/proc/%d/fd' % pid):
        try:
            n += os.readlink('/proc/%d/fd/%s' % (pid, fd)).startswith('socket:')
        except FileNotFoundError:
            pass
    return n


def limit_descriptors(n):
    """For preexec_fn: the hard limit too, since programs raise theirs."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))


def children_of(pid):
    with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
        return [int(n) for n in f.read().split()]


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def is_503(response):
    """A refusal as the contract wants it."""
    return (response.status == 503
            and response.headers.get('Retry-After', '').isdigit()
            and response.headers.get('Content-Type') == 'application/problem+json'
            and bool(response.json.get('detail') or response.json.get('title')))
