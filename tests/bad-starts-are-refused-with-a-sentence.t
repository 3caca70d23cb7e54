#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# bad-starts-are-refused-with-a-sentence.t - a wrong configuration names file and
# line; unknown options, a socket in use, and databases that are missing, of
# another application, of another version, or damaged: each program says what is
# wrong and does not start.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

TIDINGS = os.path.join(BUILD, 'tools', 'tidings')
BINARIES = [os.path.join(BUILD, 'cgi-bin', p) for p in PROGRAMS] + \
    [os.path.join(BUILD, 'daemon', 'wsd')]

# Lines behind "[tidings]", the line that is wrong, and what must be said of it.
CONFIGS = [
    ('databse = /x', 2, 'databse'),
    ('\n\nheartbeat = soon', 4, 'heartbeat'),
    ('heartbeat = 15 parsecs', 2, 'heartbeat'),
    ('heartbeat = 1ms', 2, 'out of bounds'),
    ('heartbeat = -5s', 2, 'heartbeat'),
    ('heartbeat =', 2, 'heartbeat'),
    ('max_clients = many', 2, 'max_clients'),
    ('max_clients = 0', 2, 'out of bounds'),
    ('max_data = 99999999999999999999', 2, 'max_data'),
    ('durability = eventually', 2, 'durability'),
    ('log_level = loud', 2, 'log_level'),
    ('database =', 2, 'database'),
    ('heartbeat = 1s\nnonsense', 3, ''),
    ('[wsd]\necho = maybe', 3, 'echo'),
    ('[nonsense]\nx = 1', 3, 'nonsense'),
    ('[retention a.*]\nage = x', 3, 'age'),
    ('[retention a.*]\ntotal = 5M', 3, 'total'),
    ('[retention]\ncount = -1', 3, 'count'),
]


def attempt(argv, seconds=10, **kw):
    try:
        return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=seconds * PATIENCE, **kw)
    except subprocess.TimeoutExpired as e:
        return subprocess.CompletedProcess(argv, 'still runs', '', str(e.stderr))


def main(tap):
    with Site() as site:
        bad = os.path.join(site.dir, 'bad.conf')
        sock = 'unix:' + os.path.join(site.dir, 'x.sock')
        for text, line, word in CONFIGS:
            with open(bad, 'w') as f:
                f.write('[tidings]\n' + text + '\n')
            wrong = []
            for argv in ([TIDINGS, '-c', bad, 'check'], [TIDINGS, '-c', bad, 'run'],
                         [BINARIES[0], '-c', bad, '-l', sock],
                         [BINARIES[-1], '-c', bad]):
                r = attempt(argv)
                if (r.returncode != 1 or bad not in r.stderr or word not in r.stderr
                        or 'line %d' % line not in r.stderr or r.stderr.count('\n') != 1):
                    wrong.append((argv, r.returncode, r.stderr))
            tap.ok(not wrong, 'refused with its line: %r' % text, *wrong)
        r = attempt([TIDINGS, '-c', '/nonexistent/x.conf', 'check'])
        tap.ok(r.returncode == 1 and '/nonexistent/x.conf' in r.stderr, 'no such file', r)
        r = attempt([TIDINGS, '-c', site.conf, 'check'])
        tap.ok(r.returncode == 0, 'a good one is good', r)
        for binary in BINARIES + [TIDINGS]:
            for args in (['-Q'], ['extra', 'words'], ['-c']):
                r = attempt([binary] + args)
                if r.returncode != 2 or not r.stderr.splitlines()[-1:] or \
                        'usage: ' not in r.stderr:
                    tap.ok(False, '%s %s: usage' % (binary, args), r)
            r = attempt([binary, '-V'])
            if r.returncode != 0 or 'tidings' not in r.stdout:
                tap.ok(False, binary + ' -V', r)
        tap.ok(True, 'options were asked of all')

        # Where another one listens.
        r = attempt([BINARIES[4], '-c', site.conf, '-l',
                     'unix:' + os.path.join(site.run_dir, 'sse.sock')])
        tap.ok(r.returncode == 1 and 'sse.sock' in r.stderr, 'a socket in use', r)
        r = attempt([BINARIES[-1], '-c', site.conf])
        tap.ok(r.returncode == 1 and str(site.ws_port) in r.stderr, 'a port in use', r)
        r = attempt([TIDINGS, '-c', site.conf, 'run'])
        tap.ok(r.returncode == 1 and 'listens' in r.stderr, 'a second `tidings run`', r)
        tap.ok(site.get('/push/poll?channel=a').status == 200 and
               site.post('/push/publish?channel=a', 'x').status == 201,
               'the first one is not disturbed')
        for where in ('unix:/nonexistent/x.sock', 'unix:' + 'x' * 200, 'nonsense', '127.0.0.1',
                      '127.0.0.1:http', '256.1.1.1:80'):
            r = attempt([BINARIES[4], '-c', site.conf, '-l', where])
            tap.ok(r.returncode == 1 and where[5:] in r.stderr, 'listen on %.30s' % where, r)

        # Databases that can't be used.
        def database(name, make):
            path = os.path.join(site.data_dir, name)
            make(path)
            conf = os.path.join(site.dir, name + '.conf')
            run_dir = os.path.join(site.dir, 'run-' + name)
            os.makedirs(run_dir, exist_ok=True)
            if os.geteuid() == 0:
                # Whose folder the database lies in is whom root becomes.
                shutil.chown(run_dir, 'www-data', 'www-data')
            with open(conf, 'w') as f:
                f.write('[tidings]\ndatabase = %s\nrun_dir = %s\n' % (path, run_dir))
            return path, conf

        def ours(path, *statements):
            site.sql('VACUUM INTO \'%s\'' % path)
            db = sqlite3.connect(path, isolation_level=None)
            db.execute('PRAGMA journal_mode = WAL')
            for s in statements:
                db.execute(s)
            db.close()

        def write(data):
            def make(path):
                with open(path, 'wb') as f:
                    f.write(data)
            return make

        def others(path):
            db = sqlite3.connect(path)
            db.execute('CREATE TABLE changes(id INTEGER PRIMARY KEY, channel, data)')
            db.commit()
            db.close()

        def damaged(path):
            ours(path)
            with open(path, 'r+b') as f:
                f.seek(100)
                f.write(b'\xa5' * 8000)

        rows = [
            ('missing', lambda p: None, 'tidings init'),
            ('folder', os.mkdir, ''),
            ('text', write(b'This is not a database at all.\n' * 200), 'not a database'),
            ('empty', write(b''), ''),
            ('short', write(b'SQLite format 3\0' + bytes(50)), ''),
            ('foreign', others, 'not a Tidings database'),
            ('newer', lambda p: ours(p, 'PRAGMA user_version = 99'), '99'),
            ('older', lambda p: ours(p, 'PRAGMA user_version = 0'), 'tidings init'),
            ('damaged', damaged, 'malformed'),
        ]
        for name, make, word in rows:
            path, conf = database(name, make)
            wrong = []
            for argv in [[b, '-c', conf, '-l', sock] for b in (BINARIES[4], BINARIES[3])] \
                    + [[BINARIES[-1], '-c', conf, '-l', '127.0.0.1:0'],
                       [TIDINGS, '-c', conf, 'epoch'], [TIDINGS, '-c', conf, 'prune'],
                       [TIDINGS, '-c', conf, 'publish', 'a', 'x']]:
                r = attempt(argv)
                if (r.returncode != 1 or path not in r.stderr or word not in r.stderr
                        or r.stderr.count('\n') != 1):
                    wrong.append((argv, r.returncode, r.stderr))
            tap.ok(not wrong, 'a database that is %s: refused' % name, *wrong)
            if name in ('text', 'foreign', 'newer', 'damaged', 'short'):
                with open(path, 'rb') as f:
                    before = f.read()
                r = attempt([TIDINGS, '-c', conf, 'init'])
                with open(path, 'rb') as f:
                    after = f.read()
                tap.ok(r.returncode == 1 and path in r.stderr and before == after,
                       'init does not touch what is %s' % name, r)
        leftover = [f for f in os.listdir(site.dir) if f.endswith('.sock')]
        tap.equal(leftover, [], 'no socket is left behind')
        tap.ok(site.supervisor.poll() is None, 'the site lives')


run(main)
