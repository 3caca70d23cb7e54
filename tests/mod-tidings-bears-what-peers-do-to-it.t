#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-bears-what-peers-do-to-it.t - clients and programs that once made a
# child of httpd spin, crash, wait for somebody else's program or forget what it
# had read.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import WebSocket

HOLD = '/push/sse?channel=a'


def connect(site, path, headers='', tls=True):
    s = socket.create_connection(('127.0.0.1', site.tls_port if tls else site.port))
    s.settimeout(10 * PATIENCE)
    if tls:
        s = site.tls_context().wrap_socket(s, server_hostname='127.0.0.1')
    s.sendall(('GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n' % (path, headers)).encode())
    return s


def read_until(s, what):
    got = b''
    while what not in got:
        data = s.recv(65536)
        if not data:
            raise Failure('it ended: %r' % got[-200:])
        got += data
    return got


def children(site):
    return family(site.httpd.pid)[1:]


def cpu_s(pids):
    """Seconds of processor time that these processes have used."""
    used = 0
    for pid in pids:
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rpartition(')')[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / os.sysconf('SC_CLK_TCK')


def is_quiet(site):
    """Whether httpd's children use next to nothing for a second."""
    before = cpu_s(children(site))
    end = time.monotonic() + 1
    while time.monotonic() < end:
        time.sleep(0.05)
    return cpu_s(children(site)) - before < 0.3


def nobody_reads(tap, site):
    """Input of odd size, of which the program takes a part alone."""
    with WebSocket(site.tls_port, '/push/ws/echo', tls=site.tls_context()) as ws:
        ws.sock.setblocking(False)
        frame, left = ws.frame(2, b'x' * 5000), b''
        moved = time.monotonic()
        while time.monotonic() - moved < 1:
            try:
                left = left or frame
                left = left[ws.sock.send(left):]
                moved = time.monotonic()
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                time.sleep(0.01)
        tap.ok(is_quiet(site), 'a client that sends and never reads makes nobody spin')


def ends_while_full(tap, site):
    """Its program ends while it does not read, and it says something more."""
    s = connect(site, HOLD)
    read_until(s, b'\nid: ')
    for _ in range(60):
        site.publish_sql('a', 'y' * 200000)
    s.sendall(b'x')
    site.kill('sse')
    s.sendall(b'y')
    tap.ok(is_quiet(site), 'nor does one whose program has ended')
    s.close()


def publish_while_full(site, flood, ws, ref):
    """What came by `ws`, which publishes while the link takes nothing."""
    with stopped([site.pid('wsd')]):
        for f in flood:
            f.sock.settimeout(0.3)
            with contextlib.suppress(OSError):
                for _ in range(3):
                    f.sock.sendall(f.frame(9, b'p' * 120) * 63)
        ws.sock.sendall(ws.frame(1, json.dumps(
            {'op': 'publish', 'channel': 'b', 'data': 'z' * 15000, 'ref': ref})))
        time.sleep(0.5)
    ws.sock.settimeout(10 * PATIENCE)
    got = b''
    with contextlib.suppress(OSError):
        while b'"ref":%d' % ref not in got:
            data = ws.sock.recv(65536)
            if not data:
                break
            got += data
    return got


def lies_in_tls(tap, site):
    """A record of which a part was passed on before the link was full."""
    with WebSocket(site.tls_port, '/push/ws?channel=b', protocol='tidings.json',
                   tls=site.tls_context()) as ws:
        for ref in (1, 2):
            flood = [WebSocket(site.tls_port, '/push/ws?channel=b',
                               tls=site.tls_context()) for _ in range(150)]
            got = publish_while_full(site, flood, ws, ref)
            tap.ok(b'"ref":%d' % ref in got,
                   'what mod_ssl had read comes when the link is free, time %d' % ref,
                   got[-200:])
            for f in flood:
                f.close()


def one_is_spoilt(tap, site):
    """Rules that visitors can steer make a variable without a name."""
    others = [connect(site, HOLD, 'X-Name: z\r\n') for _ in range(3)]
    for s in others:
        read_until(s, b'\nid: ')
    with connect(site, HOLD, 'X-Name:\r\n', tls=False) as s:
        tap.ok(b' 200 ' in read_until(s, b'\r\n'), 'a variable without a name is left out')
    site.publish_sql('a', 'still there')
    tap.equal(sum(b'still there' in read_until(s, b'still there') for s in others), 3,
              'and others of the same link stay')
    for s in others:
        s.close()


def dies_while_full(tap, site):
    """The program is killed while workers wait for room in its link."""
    before = children(site)
    stays = connect(site, HOLD)
    read_until(stays, b'\nid: ')
    large = ''.join('X-A%d: %s\r\n' % (i, 'q' * 7500) for i in range(7))
    for _ in range(3):
        with stopped([site.pid('sse')]):
            waiting = []
            for _ in range(40):
                with contextlib.suppress(OSError):
                    waiting.append(connect(site, HOLD, large))
            time.sleep(0.5)
            os.kill(site.pid('sse'), signal.SIGKILL)
        old = site.first_pids['sse']
        wait_for(lambda: site.pid('sse') != old, 15, 'another sse')
        site.first_pids['sse'] = site.pid('sse')
        for s in waiting:
            s.close()
    tap.equal([alive(pid) for pid in before], [True] * len(before), 'no child of httpd dies')
    with open(site.error_log) as f:
        tap.ok('exit signal' not in f.read(), 'and none did')
    s = connect(site, HOLD)
    tap.ok(b' 200 ' in read_until(s, b'\r\n'), 'clients are parked as before')


def greets_nobody(tap, site, deaf):
    """A program that does not greet costs the clients of others no time."""
    stop = time.monotonic() + 4
    asking = []
    took = []
    while time.monotonic() < stop:
        asking.append(connect(site, '/deaf', tls=False))
        began = time.monotonic()
        with connect(site, HOLD, tls=False) as s:
            read_until(s, b'\r\n')
        took.append(time.monotonic() - began)
        asking = asking[-8:]
    took.sort()
    tap.ok(took[len(took) // 2] < 0.3 * PATIENCE,
           'a program that does not greet delays nobody else', took[-5:])


def main(tap):
    folder = tempfile.mkdtemp(prefix='tidings-test-')
    os.chmod(folder, 0o755)
    path = os.path.join(folder, 'deaf.sock')
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    deaf.bind(path + '.handover')
    os.chmod(path + '.handover', 0o777)
    deaf.listen(64)
    rules = '''
    TidingsHandoverTimeout 1s
    <Location "/deaf">
        TidingsHandover "unix:%s"
    </Location>
    <Location "/push/sse">
        RewriteEngine On
        RewriteCond %%{HTTP:X-Name} "^(.?)"
        RewriteRule .* - [E=%%1:v]
    </Location>''' % path
    try:
        with Site(handover=True, tls=True, modules=('rewrite',), httpd_extra=rules) as site:
            nobody_reads(tap, site)
            lies_in_tls(tap, site)
            one_is_spoilt(tap, site)
            ends_while_full(tap, site)
            site.first_pids['sse'] = site.pid('sse')
            greets_nobody(tap, site, deaf)
            dies_while_full(tap, site)
    finally:
        deaf.close()
        shutil.rmtree(folder, ignore_errors=True)


run(main)
