# SPDX-License-Identifier: MIT
"""What the tests of mod_tidings share: a Site whose logs tell which way a
request went, a connection on which requests are said byte by byte, and a
program made of this file alone, which takes hand-overs or refuses to.
"""
import array
import base64
import contextlib
import hashlib
import os
import re
import select
import socket
import ssl
import struct
import threading
import time

from fake_httpd import CLIENT, GREETING, HELLO, packet
from tidings_test import PATIENCE, Failure, Site, deadline, wait_for

# What each request was, and why one was declined.
LOGS = '''
LogLevel tidings:debug
CustomLog ways.log "%{tidings}n %>s %{remote}p-%{local}p %r"
ExtendedStatus On
<Location "/server-status">
    SetHandler server-status
</Location>
'''
HANDED, PARKED, PROXIED = 'handed-over', 'parked', '-'
KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
UPGRADE = {'Upgrade': 'websocket', 'Connection': 'Upgrade',
           'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': KEY}


class HandoverSite(Site):
    """A Site with mod_tidings that can be asked what it did."""

    def __init__(self, settings=None, httpd_extra='', modules=(), **more):
        super().__init__(settings, httpd_extra=LOGS + httpd_extra, handover=True,
                         modules=('status',) + tuple(modules), **more)

    def size(self, name):
        with contextlib.suppress(FileNotFoundError):
            return os.path.getsize(os.path.join(self.dir, name))
        return 0

    def lines(self, name, since=0):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(self.dir, name), 'rb') as f:
                f.seek(since)
                return f.read().decode('utf-8', 'replace').splitlines()
        return []

    def logged(self, talk):
        """Note and status of what came by a connection, in order.  A client of
        another port of httpd's may have the same port at the same time."""
        ports = '%d-%d' % (talk.port, talk.to)
        return [tuple(line.split()[:2]) for line in self.lines('ways.log', talk.begins['ways.log'])
                if line.split()[2:3] == [ports]]

    def way(self, talk, n=0):
        """The way that the n-th request of a connection went; it has ended, or
        was given away."""
        return wait_for(lambda: self.logged(talk)[n:], 10, 'the line of a request')[0][0]

    def why(self, talk):
        """Why requests of a connection were not given away."""
        # The module's lines alone, without what else is wrong.
        of = ':%d] not handed over: ' % talk.port
        return [line.partition(of)[2]
                for line in self.lines('error.log', talk.begins['error.log']) if of in line]

    def board(self):
        """mod_status, as it tells programs."""
        r = self.get('/server-status?auto')
        found = dict(re.findall(r'^(\w+): (.*)$', r.text, re.M))
        if 'ServerMPM' not in found:
            raise Failure('no scoreboard: %r' % r)
        return found

    def busy(self):
        """Workers that are busy but for the one that tells it."""
        return int(self.board()['BusyWorkers']) - 1

    def counters(self, program):
        return self.get('/push/status?format=json').json['programs'][program]

    def httpd_children(self):
        with open('/proc/%d/task/%d/children' % ((self.httpd.pid,) * 2)) as f:
            return [int(pid) for pid in f.read().split()]


class Talk:
    """A connection to httpd.  Answers are taken apart one after the other; the
    rest of one without a length is `body`, as it comes."""

    def __init__(self, site, tls=False, rcvbuf=None, port=None):
        self.site = site
        self.sock = socket.socket()
        self.buf, self.ended, self.torn = b'', False, False
        self.status, self.headers, self.body = None, {}, b''
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(20 * PATIENCE)
        # What stands in the logs before is of others who had this port.
        self.begins = {name: site.size(name) for name in ('ways.log', 'error.log')}
        try:
            self.to = port or (site.tls_port if tls else site.port)
            self.sock.connect(('127.0.0.1', self.to))
            self.port = self.sock.getsockname()[1]
            if tls:
                self.sock = context_of(site).wrap_socket(
                    self.sock, server_hostname='127.0.0.1', suppress_ragged_eofs=False)
        except BaseException:
            self.sock.close()
            raise

    @staticmethod
    def request(target, method='GET', version='1.1', headers=None, body=b''):
        lines = ['%s %s HTTP/%s' % (method, target, version), 'Host: 127.0.0.1']
        lines += ['%s: %s' % h for h in (headers or {}).items()]
        return ('\r\n'.join(lines) + '\r\n\r\n').encode() + body

    def ask(self, target, **how):
        self.sock.sendall(self.request(target, **how))
        return self

    def get(self, target, **how):
        """Asks and reads the head."""
        return self.ask(target, **how).read_head()

    def fill(self, seconds):
        """More bytes; False at the end, or when the time is over."""
        if self.ended:
            return False
        held = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        if not held and not select.select([self.sock], [], [], max(0, seconds))[0]:
            return False
        self.sock.settimeout(max(0.01, seconds))
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError:
            return False  # of TLS there were bytes, but none for us
        except OSError:  # reset, or no close_notify
            data, self.torn = b'', True
        finally:
            self.sock.settimeout(20 * PATIENCE)
        self.ended = not data
        self.buf += data
        return not self.ended

    def until(self, condition, what, seconds=10):
        end = deadline(seconds)
        while not condition():
            if not self.fill(end - time.monotonic()) and \
                    (self.ended or time.monotonic() > end):
                raise Failure('%s did not come; status %s, ended %s, got %r' % (
                    what, self.status, self.ended, (self.body + self.buf)[-300:]))

    def read_head(self, seconds=10):
        self.body = b''
        self.until(lambda: b'\r\n\r\n' in self.buf, 'a head', seconds)
        head, self.buf = self.buf.split(b'\r\n\r\n', 1)
        self.head = head.decode('latin-1')
        lines = self.head.split('\r\n')
        self.version, self.status = lines[0][5:8], int(lines[0].split()[1])
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(':')
            self.headers.setdefault(name.lower(), []).append(value.strip())
        return self

    def header(self, name):
        return ', '.join(self.headers.get(name.lower(), [])) or None

    @property
    def is_chunked(self):
        return self.header('Transfer-Encoding') == 'chunked'

    def take(self):
        """From the buffer into the body what belongs there; True = all of it."""
        length = self.header('Content-Length')
        if self.status in (204, 304) or 100 <= self.status < 200:
            return True
        if self.is_chunked:
            while b'\r\n' in self.buf:
                line, rest = self.buf.split(b'\r\n', 1)
                size = int(line, 16)
                if len(rest) < size + 2:
                    return False
                self.body += rest[:size]
                self.buf = rest[size + 2:]
                if size == 0:
                    return True
            return False
        n = len(self.buf) if length is None else int(length) - len(self.body)
        self.body += self.buf[:n]
        self.buf = self.buf[n:]
        return self.ended if length is None else len(self.body) == int(length)

    def wait(self, text, seconds=10):
        want = text.encode() if isinstance(text, str) else text

        def there():
            self.take()
            return want in self.body
        self.until(there, repr(want[:80]), seconds)
        return self

    def read_body(self, seconds=10):
        """To its end."""
        def there():
            return self.take() or (self.ended and self.take())
        try:
            self.until(there, 'the end of the body', seconds)
        except Failure:
            if not there():
                raise
        return self.body

    def wait_end(self, seconds=10):
        end = deadline(seconds)
        while not self.ended:
            if not self.fill(end - time.monotonic()) and time.monotonic() > end:
                raise Failure('no end; got %r' % self.buf[-300:])
            if self.status is not None:
                self.take()
        return self

    def reset(self):
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack('ii', 1, 0))
        # A copy would keep the connection.
        socket.socket.close(self.sock)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def context_of(site):
    """One for all clients of a Site."""
    if not hasattr(site, 'context'):
        site.context = site.tls_context()
    return site.context


class TlsSocket:
    """TLS behind the face of a socket for those who use select(): it reads all
    that there is, and an end without close_notify is a reset."""

    def __init__(self, site, port):
        self.tls = context_of(site).wrap_socket(
            socket.create_connection(('127.0.0.1', port), 20 * PATIENCE),
            server_hostname='127.0.0.1', suppress_ragged_eofs=False)

    def __getattr__(self, name):
        return getattr(self.tls, name)

    def recv(self, size):
        out = b''
        while len(out) < size:
            try:
                data = self.tls.recv(size - len(out))
            except (ssl.SSLWantReadError, TimeoutError):
                break
            except ssl.SSLError as e:
                raise ConnectionResetError(str(e)) from e
            if not data or self.tls.gettimeout() != 0:
                return out + data
            out += data
        if not out:
            raise BlockingIOError
        return out

    def send(self, data):
        try:
            return self.tls.send(data)
        except ssl.SSLWantWriteError:
            raise BlockingIOError from None
        except ssl.SSLError as e:
            raise ConnectionResetError(str(e)) from e


def basic(user, password):
    return {'Authorization': 'Basic ' + base64.b64encode(
        ('%s:%s' % (user, password)).encode()).decode()}


def write_users(path, **users):
    """A file of AuthUserFile."""
    with open(path, 'w') as f:
        for name, password in users.items():
            digest = hashlib.sha1(password.encode()).digest()
            f.write('%s:{SHA}%s\n' % (name, base64.b64encode(digest).decode()))
    os.chmod(path, 0o644)


class FakeProgram:
    """Takes hand-overs as a program does, but for what it is told not to do."""

    def __init__(self, path, greets=True, reads=True):
        self.greets, self.reads = greets, reads
        self.path, self.stopping = path, False
        self.links, self.clients = [], []  # sockets; (variables, socket)
        self.odd = []
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.server.bind(path)
        os.chmod(path, 0o666)
        self.server.listen(64)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            ready = select.select([self.server] + (self.links if self.reads else []),
                                  [], [], 0.05)[0]
            for sock in ready:
                try:
                    self.accept() if sock is self.server else self.read(sock)
                except Exception as e:  # told by the test, not by a dead thread
                    self.odd.append(repr(e))

    def accept(self):
        link, _ = self.server.accept()
        self.links.append(link)
        if self.greets:
            hello = link.recv(65536)
            if hello != packet(HELLO, data=GREETING):
                self.odd.append(hello)
            link.send(packet(HELLO, data=GREETING))

    def read(self, link):
        data, control, _, _ = link.recvmsg(1 << 17, 4096)
        if not data:
            self.links.remove(link)
            link.close()
            return
        fds = array.array('i')
        for level, type, content in control:
            if (level, type) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(content)
        if struct.unpack_from('=II', data) != (CLIENT, 0) or len(fds) != 1:
            self.odd.append((data[:100], len(fds)))
            return
        words = data[8:].split(b'\0')
        if words.pop() != b'' or len(words) % 2:
            self.odd.append(data)
        names = [w.decode('latin-1') for w in words[0::2]]
        values = [w.decode('latin-1') for w in words[1::2]]
        if len(set(names)) != len(names):
            self.odd.append(names)
        self.clients.append((dict(zip(names, values)), socket.socket(fileno=fds[0])))

    def next_client(self, n=1):
        wait_for(lambda: len(self.clients) >= n, 10, 'a client that is handed over')
        return self.clients[n - 1]

    def close(self):
        self.stopping = True
        self.thread.join()
        for sock in [self.server] + self.links + [s for _, s in self.clients]:
            sock.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
