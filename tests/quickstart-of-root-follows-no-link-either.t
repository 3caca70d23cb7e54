#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# quickstart-of-root-follows-no-link-either.t - the demo that root starts works as
# httpd's user, in a state folder where that user makes the database.  Root wrote
# its configuration, logs and process ids there as well, had httpd put a socket
# and a process id there, and gave away whatever stood in /var/tmp under a name
# that anybody can foretell.
import os
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from planted_links import *
from tidings_test import *

TO_FILES = ('tidings.conf', 'httpd.conf', 'httpd.pid', 'feed-clock.pid', 'tidings.db-lock',
            'tidings.db-bell', 'tidings.db-prune')
TO_FOLDERS = ('ctl', 'log', 'app', 'run')


def quickstart(*args):
    return subprocess.run([os.path.join(SRC, 'quickstart')] + list(args), text=True,
                          capture_output=True, timeout=400 * PATIENCE, stdin=subprocess.DEVNULL)


def start_and_stop(args):
    """Both, whatever comes of them; what start said."""
    try:
        return quickstart('start', *args)
    finally:
        quickstart('stop', *args)


def planted_before(tap, top, victim):
    state = os.path.join(top, 'before')
    os.mkdir(state)
    for name in TO_FILES:
        os.symlink(victim.file, os.path.join(state, name))
    for name in TO_FOLDERS:
        os.symlink(victim.empty, os.path.join(state, name))
    with open(os.path.join(state, 'real'), 'w') as f:
        f.write(victim.empty + '\n')
    for name in os.listdir(state) + ['.']:
        os.lchown(os.path.join(state, name), *uid_gid())
    r = start_and_stop(['--port', str(free_port()), '--state', state])
    tap.equal(victim.look(), victim.before, 'links at every name: nothing of root\'s changes')
    tap.ok('http://127.0.0.1' in r.stdout or 'quickstart:' in r.stderr,
           'it starts, or says why it does not', r.stdout, r.stderr)
    sb = os.stat(state)
    tap.equal((sb.st_uid, sb.st_mode & stat.S_ISVTX), (0, stat.S_ISVTX),
              'the state folder is root\'s and sticky')
    for name in ('ctl', 'log'):
        sb = os.lstat(os.path.join(state, name))
        tap.ok(stat.S_ISDIR(sb.st_mode) and sb.st_uid == 0, name + ' is a folder of root\'s')


def planted_meanwhile(tap, top, victim):
    state = os.path.join(top, 'meanwhile')
    args = ['--port', str(free_port()), '--state', state]
    os.mkdir(state)
    os.chown(state, *uid_gid())
    paths = [os.path.join(state, n) for n in TO_FILES + (
        'run/sse.pid', 'run/wsd.sock.handover', 'run/poll.sock', 'run/cgid.sock', 'ctl/httpd.pid',
        'ctl/cgid.sock', 'ctl/new', 'log/httpd-error.log', 'log/tidings.log')]
    with swapping(victim, paths, [(os.path.join(state, n), victim.empty) for n in TO_FOLDERS]):
        start_and_stop(args)
    tap.equal(victim.look(), victim.before, 'swapped during a start and a stop: nor does anything')


def planted_in_var_tmp(tap, top, victim):
    private = os.path.join(top, 'private')
    os.mkdir(private, 0o700)
    state = os.path.join(private, 'state')
    sum = subprocess.run(['cksum'], input=state, text=True, capture_output=True).stdout
    real = '/var/tmp/tidings-' + sum.replace(' ', '').strip()
    for what in ('a link', 'a folder of somebody else'):
        if what == 'a link':
            os.symlink(victim.empty, real)
        else:
            os.mkdir(real)
            os.chown(real, 65534, 65534)
        try:
            r = start_and_stop(['--port', str(free_port()), '--state', state])
            tap.ok(r.returncode == 1 and real in r.stderr, what + ' in /var/tmp: it does not start',
                   r.stdout, r.stderr)
            tap.equal(victim.look(), victim.before, 'and nothing is given away')
            tap.ok(os.path.islink(real) or os.lstat(real).st_uid == 65534, 'nor taken')
        finally:
            (os.unlink if os.path.islink(real) else os.rmdir)(real)


def main(tap):
    if os.geteuid() != 0:
        skip_all('needs root, to be several users')
    if os.path.realpath(BUILD) != os.path.realpath(SRC):
        skip_all('needs a build in the source tree')
    need('sqlite3', 'cksum')
    with tempfile.TemporaryDirectory(prefix='tidings-test-') as top:
        os.chmod(top, 0o755)
        victim = Victim(top)
        planted_before(tap, top, victim)
        planted_in_var_tmp(tap, top, victim)
        planted_meanwhile(tap, top, victim)
        # Where that user may write in the folder above there is no safe state.
        above = os.path.join(top, 'above')
        os.mkdir(above)
        os.chown(above, *uid_gid())
        r = quickstart('start', '--port', str(free_port()), '--state', above + '/state')
        tap.ok(r.returncode == 1 and 'can write in ' + above in r.stderr,
               'a state folder in one of httpd\'s user is refused', r.stdout, r.stderr)


run(main)
