#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# quickstart start, status and stop, a second start, a port that is taken, stale
# process ids, a state folder that httpd's user can't look into: each gets its
# sentence, and stop leaves no process.
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def quickstart(*args):
    return subprocess.run([os.path.join(SRC, 'quickstart')] + list(args), text=True,
                          capture_output=True, timeout=300, stdin=subprocess.DEVNULL)


def living(mark):
    """Processes with `mark` in their command line that are no zombies."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid) as f:
                line = f.read().replace('\0', ' ')
            with open('/proc/%s/stat' % pid) as f:
                zombie = f.read().rsplit(')', 1)[1].split()[0] == 'Z'
        except OSError:
            continue
        if mark in line and not zombie and int(pid) != os.getpid():
            found.append(line)
    return found


def fetch(port, path):
    return Site.get(Site(), path, port=port)


def walk_through(t, state, mark):
    port = free_port()
    args = ['--port', str(port), '--state', state]
    try:
        r = quickstart('start', *args)
        t.ok(r.returncode == 0 and 'http://127.0.0.1:%d/' % port in r.stdout,
             'start tells the address', r.stdout, r.stderr)
        wait_for(lambda: fetch(port, '/push/poll?channel=clock&since=-1').json['messages'], 15, 'the clock')
        t.ok(True, 'the clock ticks')
        page = fetch(port, '/')
        t.ok(page.status == 200 and 'Tidings' in page.text, 'the home page is there')
        t.equal(fetch(port, '/examples/news.php').status, 200, 'PHP runs')
        r = quickstart('status', *args)
        t.ok(r.returncode == 0 and r.stdout.count('runs (process') == 5,
             'status says that all of it runs', r.stdout, r.stderr)
        r = quickstart('start', *args)
        t.ok(r.returncode == 1 and 'it runs already' in r.stderr, 'a second start is refused',
             r.stdout, r.stderr)
        r = quickstart(*args)
        t.ok(r.returncode == 1 and 'it runs already' in r.stderr,
             'a second start in the foreground is refused as well', r.stdout, r.stderr)
        r = quickstart('status', *args)
        t.equal(r.returncode, 0, 'and leaves the first one alone')
        with tempfile.TemporaryDirectory() as other:
            r = quickstart('start', '--port', str(port), '--state', other)
            t.ok(r.returncode == 1 and 'port %d is taken' % port in r.stderr,
                 'a port that is taken is named', r.stdout, r.stderr)
        r = subprocess.run(['sqlite3', '-cmd', '.timeout 5000', os.path.join(state, 'tidings.db'),
                            "INSERT INTO changes(channel, data) VALUES ('qs', 'x')"])
        t.equal(r.returncode, 0, 'the database is where the state is')
    finally:
        r = quickstart('stop', *args)
    t.ok(r.returncode == 0 and 'Stopped' in r.stdout, 'stop', r.stdout, r.stderr)
    t.equal(living(mark), [], 'no process is left')
    r = quickstart('status', *args)
    t.equal(r.returncode, 3, 'status says that nothing runs')
    r = quickstart('stop', *args)
    t.ok(r.returncode == 0 and 'Nothing runs' in r.stdout, 'a second stop is fine')


def foreground(t, state):
    """Ctrl-C ends all of it."""
    port = free_port()
    child = subprocess.Popen([os.path.join(SRC, 'quickstart'), '--port', str(port), '--state', state],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             stdin=subprocess.DEVNULL,
                             # In the background of a shell it is ignored.
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        for line in child.stdout:
            if 'Ctrl-C' in line:
                break
        t.equal(fetch(port, '/push/status').status, 200, 'in the foreground it runs')
    finally:
        child.send_signal(signal.SIGINT)
        try:
            out = child.communicate(timeout=60 * PATIENCE)[0]
        except subprocess.TimeoutExpired:
            child.terminate()
            out = 'nothing came of it: ' + child.communicate(timeout=60 * PATIENCE)[0]
    t.ok('Stopping' in out, 'Ctrl-C is heard', out)
    t.equal(living(state), [], 'and leaves no process')


def main(t):
    if os.path.realpath(BUILD) != os.path.realpath(SRC):
        skip_all('needs a build in the source tree')
    need('sqlite3')
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        state = os.path.join(top, 'state')
        os.mkdir(state)
        # What a machine that went down left behind, with a number in use.
        os.mkdir(os.path.join(state, 'ctl'))
        for name in ('httpd.pid', 'feed-clock.pid', 'tidings.pid'):
            with open(os.path.join(state, 'ctl', name), 'w') as f:
                f.write('%d\n' % os.getpid())
        walk_through(t, state, state)
        foreground(t, state)
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as top:
            t.note('a folder of root alone')
            state = os.path.join(top, 'state')
            walk_through(t, state, top)
            with open(os.path.join(state, 'real')) as f:
                shutil.rmtree(f.read().strip())
    for args, word in ((['--port', '0'], '--port'), (['--port', 'x'], '--port'),
                       (['--state'], '--state'), (['dance'], 'dance')):
        r = quickstart(*args)
        t.ok(r.returncode == 2 and word in r.stderr and 'usage:' in r.stderr,
             'refused: ' + ' '.join(args), r.stderr)
    r = quickstart('start', '--state', '/proc/nowhere', '--port', str(free_port()))
    t.ok(r.returncode == 1 and 'be made' in r.stderr, 'a state folder that can\'t be made', r.stderr)


run(main)
