# SPDX-License-Identifier: MIT
"""What the whole-system tests share: a real httpd with the real programs in a
folder and on ports of its own, raw HTTP clients, and TAP.

    with Site() as site:                     # FastCGI programs and wsd
        site.sql("INSERT INTO changes(channel, data) VALUES ('a', 'x')")
        r = site.get('/push/poll?channel=a&since=earliest')

Everything that a Site starts it ends, by process id.
"""
import atexit
import contextlib
import http.client
import json
import os
import random
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

SRC = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('TIDINGS_BUILD', SRC)
PROGRAMS = ('iframe', 'longpoll', 'poll', 'publish', 'sse', 'status')
MODULES = '/usr/lib/apache2/modules'
HTTPD = '/usr/sbin/apache2'
MOD_TIDINGS = os.path.join(BUILD, 'apache', 'mod_tidings.so')
# Under valgrind and sanitizers everything takes longer; deadlines only.
PATIENCE = float(os.environ.get('TIDINGS_PATIENCE', '1'))


def reachable_build():
    """Where the programs lie for the user that they run as.  Root's clone may be
    in a folder of root alone; then they are copied, once a test."""
    if os.geteuid() != 0:
        return BUILD
    look = ['setpriv', '--reuid=www-data', '--regid=www-data', '--clear-groups',
            'test', '-x', os.path.join(BUILD, 'cgi-bin', 'sse')]
    if subprocess.run(look).returncode == 0:
        return BUILD
    copy = tempfile.mkdtemp(prefix='tidings-build-')
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    os.chmod(copy, 0o755)
    for name in ['cgi-bin/' + p for p in PROGRAMS] + ['daemon/wsd', 'tools/tidings']:
        os.makedirs(os.path.dirname(os.path.join(copy, name)), exist_ok=True)
        shutil.copy(os.path.join(BUILD, name), os.path.join(copy, name))
    return copy


class Failure(Exception):
    """A deadline that passed, or a step that a test can't go on without."""


def deadline(seconds):
    return time.monotonic() + seconds * PATIENCE


def wait_for(condition, seconds=10, what='the condition', every=0.01):
    """Polls until `condition()` is true; its value is returned."""
    end = deadline(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure('%s did not come within %g s' % (what, seconds))
        time.sleep(every)


def at_last(look, good=bool, seconds=10):
    """What look() says once that is good, or when the time is over: for a log
    that another process writes when it comes to it.  The caller judges it."""
    end = deadline(seconds)
    while True:
        seen = look()
        if good(seen) or time.monotonic() > end:
            return seen
        time.sleep(0.02)


def free_port():
    """Below the range that outgoing connections take their ports from: one of
    those would be in nobody's way now and in httpd's a moment later."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            with contextlib.suppress(OSError):
                s.bind(('127.0.0.1', port))
                return port


def can_listen(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(('127.0.0.1', port))
            s.listen()
            return True
        except OSError:
            return False


def alive(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError:
        return False


def family(pid):
    """The process and all that descend from it."""
    parents = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open('/proc/%s/stat' % name) as f:
                    parents[int(name)] = int(f.read().rpartition(')')[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


@contextlib.contextmanager
def stopped(pids):
    """Those processes stand still while the `with` lasts."""
    held = []
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                held.append(pid)
        yield
    finally:
        for pid in reversed(held):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


class Tap:
    """Test Anything Protocol; one object a file."""

    def __init__(self):
        self.n = 0
        self.failed = 0

    def ok(self, condition, name, *details):
        self.n += 1
        if not condition:
            self.failed += 1
        print('%s %d - %s' % ('ok' if condition else 'not ok', self.n, name))
        if not condition:
            for detail in details:
                for line in str(detail).splitlines()[:40]:
                    print('#   ' + line[:500])
        sys.stdout.flush()
        return bool(condition)

    def equal(self, got, want, name):
        return self.ok(got == want, name, 'got  %r' % (got,), 'want %r' % (want,))

    def note(self, text):
        for line in str(text).splitlines():
            print('# ' + line)
        sys.stdout.flush()

    def skip_rest(self, why):
        self.n += 1
        print('ok %d # SKIP %s' % (self.n, why))

    def done(self):
        print('1..%d' % self.n)
        sys.stdout.flush()
        return 1 if self.failed else 0


def skip_all(why):
    print('1..0 # SKIP ' + why)
    sys.exit(0)


def need(*tools):
    """Skips the file if a program is missing: by name, never silently."""
    for tool in tools:
        if shutil.which(tool) is None and not os.path.exists(tool):
            skip_all('needs ' + tool)


def run(main):
    """Runs main(tap) and exits as prove wants it."""
    tap = Tap()
    need(HTTPD)
    try:
        main(tap)
    except Exception:
        tap.ok(False, 'the test ran to its end', traceback.format_exc())
    sys.exit(tap.done())


class Response:
    def __init__(self, raw):
        self.status = raw.status
        self.headers = raw.headers
        self.body = raw.read()

    @property
    def text(self):
        return self.body.decode('utf-8', 'replace')

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return '%d %s' % (self.status, self.text[:300])


class Stream:
    """A held GET: bytes as they come, chunked coding taken off."""

    def __init__(self, site, path, headers=None, port=None):
        self.buf = b''        # the body so far
        self.raw = b''        # what came and is not taken apart yet
        self.left = None      # bytes of this chunk to come, None = its head
        self.ended = False    # nothing follows
        self.cut = False      # it ended in the middle
        self.conn = http.client.HTTPConnection(
            '127.0.0.1', port or site.port, timeout=30 * PATIENCE)
        self.conn.request('GET', path, headers=headers or {})
        self.sock = self.conn.sock
        self.response = self.conn.getresponse()
        self.status = self.response.status
        self.headers = self.response.headers
        self.length = self.response.length  # of a body that is not chunked
        if self.response.fp is None:
            self.ended = True
            return
        # http.client would wait for a whole chunk and more: from here on we
        # read ourselves, beginning with what it has in its buffer.
        self.sock.settimeout(0)
        with contextlib.suppress(OSError):
            self.raw = self.response.fp.read1(len(self.response.fp.peek(1)))
        self.sock.settimeout(30 * PATIENCE)
        self.decode()

    def decode(self):
        """Moves from raw to buf what is whole."""
        if not self.response.chunked:
            self.buf += self.raw
            self.raw = b''
            self.ended = self.length is not None and len(self.buf) >= self.length
        while self.raw and not self.ended:
            if self.left is None:
                line, found, rest = self.raw.partition(b'\r\n')
                if not found:
                    return
                self.raw = rest
                if line:  # empty: the end of the chunk before
                    self.left = int(line.split(b';')[0], 16)
                    self.ended = self.left == 0
                continue
            data = self.raw[:self.left]
            self.buf += data
            self.raw = self.raw[len(data):]
            self.left = self.left - len(data) or None

    def read_some(self, seconds):
        """Adds what comes within the time; False at the end or when it is over."""
        if self.ended:
            return False
        ready, _, _ = select.select([self.sock], [], [], max(0, seconds))
        if not ready:
            return False
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b''
        if not data:
            self.ended = True
            self.cut = self.response.chunked or self.length is not None
            return False
        self.raw += data
        self.decode()
        return True

    def wait(self, text, seconds=10, behind=b''):
        """Waits until `text` has come; everything so far is returned.

        With `behind` it is to come somewhere behind that text."""
        want = text.encode() if isinstance(text, str) else text
        if isinstance(behind, str):
            behind = behind.encode()
        end = deadline(seconds)
        while want not in self.buf.partition(behind)[2] if behind else \
                want not in self.buf:
            left = end - time.monotonic()
            if left <= 0 or (not self.read_some(left) and
                             (self.ended or time.monotonic() >= end)):
                raise Failure('%r did not come; got %r' % (want, self.buf[-600:]))
        return self.buf

    def wait_end(self, seconds=10):
        end = deadline(seconds)
        while not self.ended and time.monotonic() < end:
            self.read_some(end - time.monotonic())
        if not self.ended:
            raise Failure('the stream did not end; got %r' % self.buf[-300:])
        return self.buf

    def close(self):
        self.response.close()
        self.conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class SseClient:
    """An EventSource as the HTML Standard says, with its reconnects."""

    def __init__(self, site, query, last_id=None):
        self.site, self.query, self.last_id = site, query, last_id
        self.events, self.stream, self.at = [], None, 0

    def connect(self, seconds=10):
        headers = {'Last-Event-ID': self.last_id} if self.last_id else {}
        end = deadline(seconds)
        while True:
            try:
                self.stream = Stream(self.site, '/push/sse?' + self.query, headers)
                if self.stream.status == 200:
                    self.at = 0
                    return self
                self.stream.close()
            except OSError:
                pass
            if time.monotonic() > end:
                raise Failure('no stream')
            time.sleep(0.02)

    def pump(self, seconds=0.05):
        """Reads for a while and reconnects where it ended."""
        if self.stream is None or self.stream.ended:
            self.connect()
        self.stream.read_some(seconds)
        while True:
            end = self.stream.buf.find(b'\n\n', self.at)
            if end < 0:
                break
            self.parse(self.stream.buf[self.at:end].decode())
            self.at = end + 2

    def parse(self, block):
        event, data = 'message', []
        for line in block.split('\n'):
            name, _, value = line.partition(':')
            value = value[1:] if value.startswith(' ') else value
            if name == 'id':
                self.last_id = value
            elif name == 'event':
                event = value
            elif name == 'data':
                data.append(value)
        if data:
            self.events.append((self.last_id, event, '\n'.join(data)))

    def close(self):
        if self.stream:
            self.stream.close()


def need_websockets():
    try:
        import websockets  # noqa: F401
    except ImportError:
        skip_all('needs python3-websockets')


def websockets_connect(*args, headers=None, **kw):
    """websockets.connect() of version 10 (Debian 12) and of those from 14 on
    (Debian 13 has 15), where an argument has another name."""
    import inspect
    import websockets
    takes = inspect.signature(websockets.connect.__init__).parameters
    kw['extra_headers' if 'extra_headers' in takes else 'additional_headers'] = headers or {}
    if 'proxy' in takes:
        kw['proxy'] = None
    return websockets.connect(*args, **kw)


def refused_status(e):
    """The HTTP status that a handshake was refused with, in either version."""
    return e.status_code if hasattr(e, 'status_code') else e.response.status_code


class WebSocket:
    """A client by Debian's python3-websockets, used one call at a time."""

    def __init__(self, site, path, subprotocol=None, origin=None, headers=None,
                 port=None, seconds=10, tls=False, **more):
        import asyncio
        if tls:
            more['ssl'] = site.tls_context()
            port = port or site.tls_port
        self.loop = asyncio.new_event_loop()
        self.conn = None
        try:
            async def connect():  # inside: it takes the loop that runs
                return await websockets_connect(
                    '%s://127.0.0.1:%d%s' % ('wss' if tls else 'ws',
                                             port or site.port, path),
                    subprotocols=[subprotocol] if isinstance(subprotocol, str)
                    else subprotocol,
                    origin=origin, headers=headers,
                    compression=None, ping_interval=None,
                    close_timeout=5 * PATIENCE, max_size=None, max_queue=None,
                    **more)
            self.conn = self.wait(connect(), seconds)
        except BaseException:
            self.loop.close()
            raise
        self.headers = (self.conn.response_headers if hasattr(self.conn, 'response_headers')
                        else self.conn.response.headers)

    def wait(self, thing, seconds=10):
        import asyncio

        async def limited():
            return await asyncio.wait_for(thing, seconds * PATIENCE)
        return self.loop.run_until_complete(limited())

    def send(self, data):
        self.wait(self.conn.send(data))

    def recv(self, seconds=10):
        return self.wait(self.conn.recv(), seconds)

    def recv_json(self, seconds=10):
        return json.loads(self.recv(seconds))

    def ask(self, op, seconds=10, **members):
        """Sends an operation and returns its answer and the messages before."""
        members['op'] = op
        self.send(json.dumps(members))
        before = []
        while True:
            got = self.recv_json(seconds)
            if got.get('op') in ('ok', 'error'):
                return got, before
            before.append(got)

    def close(self, *args):
        if self.conn is not None:
            self.wait(self.conn.close(*args))
            self.loop.close()
            self.conn = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Site:
    """httpd, the programs and a database, alive while the `with` lasts."""

    def __init__(self, settings=None, cgi=False, httpd_extra='', mpm='event',
                 feeders=False, echo=True, programs=True, wstunnel=False,
                 keep_alive=True, modules=(), tls=False, php=False,
                 handover=False, defines=()):
        self.settings = settings or {}
        self.cgi, self.mpm, self.extra = cgi, mpm, httpd_extra
        self.feeders, self.echo, self.programs = feeders, echo, programs
        self.wstunnel = wstunnel
        self.modules = modules  # more of httpd's, without the mod_
        self.tls = tls          # https on tls_port as well
        self.defines = defines  # of httpd, before the includes
        self.php = php          # the examples' PHP runs
        # mod_tidings is loaded; the variable does it for tests that don't ask.
        self.handover = handover or bool(os.environ.get('TIDINGS_HANDOVER'))
        self.children = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc):
        self.stop()

    # -- files

    def start(self):
        self.dir = tempfile.mkdtemp(prefix='tidings-test-')
        os.chmod(self.dir, 0o755)
        self.run_dir = os.path.join(self.dir, 'run')
        self.data_dir = os.path.join(self.dir, 'data')
        self.db = os.path.join(self.data_dir, 'tidings.db')
        self.conf = os.path.join(self.dir, 'tidings.conf')
        self.log = os.path.join(self.dir, 'programs.log')
        self.error_log = os.path.join(self.dir, 'error.log')
        for d in (self.run_dir, self.data_dir):
            os.mkdir(d)
        if os.geteuid() == 0:
            for d in (self.dir, self.run_dir, self.data_dir):
                shutil.chown(d, 'www-data', 'www-data')
        self.port = free_port()
        self.ws_port = free_port()
        self.url = 'http://127.0.0.1:%d' % self.port
        self.tls_port = free_port()
        if self.tls:
            self.make_certificate()
        self.write_conf()
        self.tidings('init')
        if self.cgi:
            self.copy_programs()
        elif self.programs:
            self.start_programs()
        self.start_httpd()
        if self.feeders:
            for name in ('feed-clock', 'feed-monitor', 'feed-quotes'):
                self.spawn([os.path.join(SRC, 'tools', name), self.db])

    def write_conf(self):
        sections = {
            'tidings': {'database': self.db, 'run_dir': self.run_dir},
            'wsd': {'listen': '127.0.0.1:%d' % self.ws_port,
                    'echo': 'yes' if self.echo else 'no'},
            'access': {'publish_from_loopback': 'yes'},
        }
        if os.geteuid() == 0:
            sections['tidings']['user'] = 'www-data'
        for section, values in self.settings.items():
            sections.setdefault(section, {}).update(values)
        with open(self.conf, 'w') as f:
            for section, values in sections.items():
                f.write('[%s]\n' % section)
                for name, value in values.items():
                    for v in value if isinstance(value, list) else [value]:
                        f.write('%s = %s\n' % (name, v))

    def make_certificate(self):
        """A certificate that signs itself, good for 127.0.0.1, with its key."""
        self.certificate = os.path.join(self.dir, 'tls.pem')
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
             '-subj', '/CN=tidings test', '-addext', 'subjectAltName=IP:127.0.0.1',
             '-keyout', self.certificate, '-out', self.certificate + '.crt'],
            check=True, capture_output=True)
        with open(self.certificate, 'a') as out, \
                open(self.certificate + '.crt') as crt:
            out.write(crt.read())

    def tls_context(self):
        """For clients: trusts that certificate alone."""
        return ssl.create_default_context(cafile=self.certificate + '.crt')

    def copy_programs(self):
        """httpd's user may not be able to look into the build tree."""
        self.cgi_bin = os.path.join(self.dir, 'cgi-bin')
        os.mkdir(self.cgi_bin)
        for name in PROGRAMS:
            shutil.copy(os.path.join(BUILD, 'cgi-bin', name), self.cgi_bin)

    def write_httpd_conf(self):
        modules = ['mpm_' + self.mpm, 'authz_core', 'env', 'mime', 'dir',
                   'alias', 'proxy', 'proxy_fcgi', 'proxy_http', 'headers',
                   'setenvif', 'deflate', 'filter']
        modules += self.modules
        if self.tls:
            modules.append('ssl')
        if self.wstunnel:
            modules.append('proxy_wstunnel')
        if self.php:
            modules.append('actions')
        if self.cgi or self.php:
            modules.append('cgi' if self.mpm == 'prefork' else 'cgid')
        htdocs = os.path.join(self.dir, 'htdocs')
        if not os.path.isdir(htdocs):
            shutil.copytree(os.path.join(SRC, 'htdocs'), htdocs)
            # The source may be read-only, and tests add pages.
            for folder, _, _ in os.walk(htdocs):
                os.chmod(folder, 0o755)
        lines = ['ServerRoot "%s"' % self.dir, 'ServerName localhost',
                 'Listen 127.0.0.1:%d' % self.port,
                 'PidFile "%s/httpd.pid"' % self.dir,
                 'ErrorLog "%s"' % self.error_log, 'LogLevel warn',
                 'CustomLog "%s/access.log" "%%h %%>s %%r"' % self.dir,
                 'DocumentRoot "%s"' % htdocs, 'KeepAlive On']
        lines += ['LoadModule %s_module %s/mod_%s.so' % (m, MODULES, m) for m in modules]
        if self.handover:
            lines.append('LoadModule tidings_module "%s"' % MOD_TIDINGS)
        if os.geteuid() == 0:
            lines += ['User www-data', 'Group www-data']
        lines += ['AddType text/html .html', 'AddType text/css .css',
                  'AddType text/javascript .js .mjs', 'AddType image/svg+xml .svg',
                  'TypesConfig /dev/null', 'DirectoryIndex index.html',
                  'Define TIDINGS_RUN "%s"' % self.run_dir,
                  'Define TIDINGS_WS 127.0.0.1:%d' % self.ws_port]
        if self.mpm == 'event':
            lines += ['ThreadsPerChild 64', 'MaxRequestWorkers 512', 'ServerLimit 8',
                      'StartServers 1', 'MinSpareThreads 16', 'MaxSpareThreads 512',
                      'AsyncRequestWorkerFactor 4']
        lines += ['Define ' + name for name in self.defines]
        if self.wstunnel:
            lines.append('Define TIDINGS_WSTUNNEL')
        if self.cgi:
            lines += ['Define TIDINGS_CGI_BIN "%s"' % self.cgi_bin,
                      'Define TIDINGS_CONFIG "%s"' % self.conf]
            lines.append('Include "%s/apache/tidings-cgi.conf.in"' % SRC)
        else:
            lines.append('Include "%s/apache/tidings.conf.in"' % SRC)
        if (self.cgi or self.php) and self.mpm != 'prefork':
            lines.append('ScriptSock "%s/cgid.sock"' % self.dir)
        if self.php:
            lines += ['Define TIDINGS_EXAMPLES "%s/examples"' % htdocs,
                      'Define TIDINGS_DB "%s"' % self.db,
                      'Include "%s/apache/tidings-php.conf.in"' % SRC]
        if self.tls:
            # What stands in the main server holds in this one too.
            lines += ['Listen 127.0.0.1:%d https' % self.tls_port,
                      '<VirtualHost 127.0.0.1:%d>' % self.tls_port,
                      'SSLEngine on', 'SSLCertificateFile "%s"' % self.certificate,
                      'SSLCertificateKeyFile "%s"' % self.certificate,
                      '</VirtualHost>']
        lines.append(self.extra)
        self.httpd_conf = os.path.join(self.dir, 'httpd.conf')
        with open(self.httpd_conf, 'w') as f:
            f.write('\n'.join(lines) + '\n')

    # -- processes

    def spawn(self, argv, **kw):
        kw.setdefault('stdin', subprocess.DEVNULL)
        with open(self.log, 'ab') as log:
            kw.setdefault('stdout', log)
            kw.setdefault('stderr', log)
            child = subprocess.Popen(argv, **kw)
        self.children.append(child)
        return child

    def start_programs(self):
        self.spawn_supervisor()
        wait_for(lambda: self.ready_programs() == 7, 20, 'seven programs')
        self.first_pids = {p: self.pid(p) for p in PROGRAMS + ('wsd',)}

    def spawn_supervisor(self):
        self.supervisor = self.spawn(
            [os.path.join(reachable_build(), 'tools', 'tidings'), '-c', self.conf, 'run'])

    def ready_programs(self):
        if self.supervisor.poll() is not None:
            raise Failure('tidings run ended: ' + self.programs_log()[-800:])
        return len({l.split('[')[0] for l in self.programs_log().splitlines()
                    if l.endswith(': ready')})

    def programs_log(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.log, errors='replace') as f:
                return f.read()
        return ''

    def pid(self, program):
        def look():
            # A program may be ready before the supervisor has written it down.
            with contextlib.suppress(FileNotFoundError):
                with open(os.path.join(self.run_dir, program + '.pid')) as f:
                    return f.read().strip()
            return ''
        return int(wait_for(look, 5, 'the pid of ' + program))

    def kill(self, program, sig=signal.SIGKILL):
        """Kills a program and waits until the supervisor has another one."""
        old = self.pid(program)
        os.kill(old, sig)
        wait_for(lambda: self.pid(program) != old, 15, 'another ' + program)

    def lives(self):
        """Whether every program is the process that was started at first."""
        with contextlib.suppress(FileNotFoundError):
            return self.httpd.poll() is None and (self.cgi or {
                p: self.pid(p) for p in self.first_pids} == self.first_pids)
        return False

    def start_httpd(self):
        for attempt in range(5):
            self.write_httpd_conf()
            # prefork ends by a signal to its whole process group.
            own = {'process_group': 0} if self.mpm == 'prefork' else {}
            child = self.spawn([HTTPD, '-f', self.httpd_conf, '-DFOREGROUND'], **own)
            self.httpd = child
            def up():
                if child.poll() is not None:
                    return True
                # httpd binds twice as it starts: only an answer tells.
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self.get('/', timeout=1)
                    return True
            wait_for(up, 15, 'httpd')
            if child.poll() is None:
                return
            # Somebody else took the port between our look and httpd's.
            self.children.remove(child)
            self.port, self.tls_port = free_port(), free_port()
            self.url = 'http://127.0.0.1:%d' % self.port
        raise Failure('httpd does not start: ' + open(self.error_log).read())

    def kill_httpd(self):
        """Parent and children at once, as the out-of-memory killer might; and
        starts it again on the same port."""
        pids = family(self.httpd.pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.httpd.wait()
        wait_for(lambda: not any(map(alive, pids)), 10, 'the end of httpd')
        self.children.remove(self.httpd)
        port = self.port
        # Threads of a killed process may end, and close, after it is gone.
        wait_for(lambda: can_listen(port), 10, 'the port of httpd')
        self.start_httpd()
        if self.port != port:
            raise Failure('the port of httpd went to somebody else')

    def stop(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
        for child in reversed(self.children):
            try:
                child.wait(15 * PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.children = []
        if getattr(self, 'dir', None) and not os.environ.get('TIDINGS_KEEP'):
            shutil.rmtree(self.dir, ignore_errors=True)

    # -- what tests do

    def tidings(self, *args, **kw):
        r = subprocess.run([os.path.join(BUILD, 'tools', 'tidings'), '-c', self.conf]
                           + list(args), capture_output=True, text=True, **kw)
        if r.returncode != 0:
            raise Failure('tidings %s: %s' % (' '.join(args), r.stderr))
        return r.stdout.strip()

    def connect(self):
        db = sqlite3.connect(self.db, timeout=10, isolation_level=None)
        return db

    def sql(self, text, *args):
        db = self.connect()
        try:
            return db.execute(text, args).fetchall()
        finally:
            db.close()

    def publish_sql(self, channel, data, event=None):
        self.sql('INSERT INTO changes(channel, data, event) VALUES (?, ?, ?)',
                 channel, data, event)

    def request(self, method, path, body=None, headers=None, timeout=30, port=None):
        conn = http.client.HTTPConnection('127.0.0.1', port or self.port,
                                          timeout=timeout * PATIENCE)
        try:
            conn.request(method, path, body, headers or {})
            return Response(conn.getresponse())
        finally:
            conn.close()

    def get(self, path, headers=None, **kw):
        return self.request('GET', path, None, headers, **kw)

    def post(self, path, body, type=None, headers=None, **kw):
        headers = dict(headers or {})
        if type:
            headers['Content-Type'] = type
        if isinstance(body, str):
            body = body.encode()
        return self.request('POST', path, body, headers, **kw)

    def stream(self, path, headers=None):
        return Stream(self, path, headers)

    def subscribers(self, channel):
        return self.get('/push/publish?channel=' + channel).json['subscribers']

    def wait_subscribers(self, channel, n):
        wait_for(lambda: self.subscribers(channel) == n, 15,
                 '%d subscribers of %s' % (n, channel))

    def ws(self, path):
        return 'ws://127.0.0.1:%d%s' % (self.port, path)
