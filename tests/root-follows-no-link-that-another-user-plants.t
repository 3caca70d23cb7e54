#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# root-follows-no-link-that-another-user-plants.t - the folders of sockets and of
# the database belong to httpd's user, who may be somebody who got in by the
# site.  `tidings run` as root truncated, and gave him, what he pointed
# run/sse.pid or a socket at; init gave him what he pointed the database at.
# Root does nothing in a folder of his: here he plants links, hard links and
# FIFOs at every name, before and during each command, and files of root's stay
# as they are: content, owner, mode, and nothing new among them.
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from planted_links import *
from tidings_test import *

NAMES = PROGRAMS + ('wsd',)
IN_RUN = ([n + s for n in NAMES + ('tidings',) for s in ('.pid', '.pid.tmp')]
          + [n + s for n in NAMES for s in ('.sock', '.sock.handover')]
          + ['sse.%d.board' % n for n in range(1, 4)])
IN_DATA = ['tidings.db' + s for s in ('', '-wal', '-shm', '-journal', '-lock', '-prune', '-bell')]
COMMANDS = (['init'], ['publish', 'a', 'x'], ['prune'], ['epoch'])


class Ground:
    """A site's folders as they are in practice: of httpd's user."""

    def __init__(self, top, user=True):
        self.dir = tempfile.mkdtemp(dir=top)
        os.chmod(self.dir, 0o755)
        self.run = os.path.join(self.dir, 'run')
        self.data = os.path.join(self.dir, 'data')
        for d in (self.run, self.data):
            os.mkdir(d)
        for d in (self.dir, self.run, self.data):
            shutil.chown(d, 'www-data', 'www-data')
        self.db = os.path.join(self.data, 'tidings.db')
        self.conf = os.path.join(top, os.path.basename(self.dir) + '.conf')
        with open(self.conf, 'w') as f:
            f.write('[tidings]\ndatabase = %s\nrun_dir = %s\n%s[wsd]\nlisten = 127.0.0.1:%d\n' % (
                self.db, self.run, 'user = www-data\n' if user else '', free_port()))
        self.tidings = os.path.join(reachable_build(), 'tools', 'tidings')

    def command(self, *args, seconds=60):
        """What became of it; a user who makes a FIFO of his own file waits."""
        try:
            return subprocess.run([self.tidings, '-c', self.conf] + list(args), text=True,
                                  capture_output=True, timeout=seconds * PATIENCE,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as e:
            return subprocess.CompletedProcess(args, -1, '', str(e))

    def run_for_a_moment(self, seconds=0.0):
        """Starts all programs and stops them once they run, or have failed."""
        log = os.path.join(os.path.dirname(self.conf), 'log')
        with open(log, 'wb') as f:
            child = subprocess.Popen([self.tidings, '-c', self.conf, 'run'], stdout=f,
                                     stderr=f, stdin=subprocess.DEVNULL)
        try:
            def settled():
                with open(log, errors='replace') as f:
                    return child.poll() is not None or 'running' in f.read()
            wait_for(settled, 20, 'a start or its refusal')
            if seconds:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(seconds)
            owners = {os.stat('/proc/%d' % p).st_uid if p != child.pid else
                      uid_of(p) for p in family(child.pid) if alive(p)}
        finally:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(40 * PATIENCE)
            if child.poll() is None:
                child.kill()
                child.wait()
        with open(log, errors='replace') as f:
            return owners, f.read()


def uid_of(pid):
    with contextlib.suppress(OSError):
        with open('/proc/%d/status' % pid) as f:
            return int(f.read().partition('Uid:')[2].split()[1])
    return None


def planted_before(tap, top, victim, kind):
    """Every name at once, then each command."""
    ground = Ground(top)
    tap.ok(ground.command('init').returncode == 0, kind + ': the database is made')
    for name in IN_RUN:
        plant(kind, victim, os.path.join(ground.run, name))
    ground.run_for_a_moment(0.3)
    tap.equal(victim.look(), victim.before, kind + ': run changes nothing of root\'s')
    for name in IN_DATA[1:]:
        plant(kind, victim, os.path.join(ground.data, name))
    for command in COMMANDS:
        ground.command(*command, seconds=2)
        tap.equal(victim.look(), victim.before,
                  '%s beside the database: nor does %s' % (kind, command[0]))
    for name in os.listdir(ground.data):
        os.unlink(os.path.join(ground.data, name))
    plant(kind, victim, ground.db)
    for command in COMMANDS:
        ground.command(*command, seconds=2)
        tap.equal(victim.look(), victim.before,
                  '%s for the database: nor does %s' % (kind, command[0]))


def planted_folders(tap, top, victim):
    """The folders themselves are links, to one of root's that is empty."""
    for what in ('run', 'data'):
        ground = Ground(top)
        os.rmdir(getattr(ground, what))
        os.symlink(victim.empty, getattr(ground, what))
        ground.command('init')
        ground.run_for_a_moment()
        tap.equal(victim.look(), victim.before, what + ' is a link to a folder of root\'s: it stays')
        os.unlink(getattr(ground, what))
        os.symlink(victim.missing, getattr(ground, what))
        ground.command('init')
        ground.run_for_a_moment()
        tap.equal(victim.look(), victim.before, what + ' is a dangling link: nothing is made')


def planted_meanwhile(tap, top, victim):
    """The same in a race, with sockets and files that are there for a moment."""
    ground = Ground(top)
    ground.command('init')
    with swapping(victim, [os.path.join(ground.run, n) for n in IN_RUN],
                  [(ground.run, victim.empty)]):
        for _ in range(6):
            ground.run_for_a_moment()
    tap.equal(victim.look(), victim.before, 'swapped during starts: nothing changes')
    with swapping(victim, [os.path.join(ground.data, n) for n in IN_DATA],
                  [(ground.data, victim.empty)]):
        for _ in range(4):
            for command in COMMANDS:
                ground.command(*command, seconds=2)
    tap.equal(victim.look(), victim.before, 'swapped during commands: nothing changes')


def whom_it_is(tap, top):
    """Nobody of it stays root, and what it makes is the user's."""
    uid = uid_gid()[0]
    ground = Ground(top)
    tap.ok(ground.command('init').returncode == 0, 'init works')
    owners, log = ground.run_for_a_moment(0.3)
    tap.equal(owners, {uid}, 'nobody of it is root once it runs')
    for user in (True, False):
        ground = Ground(top, user)
        name = 'with a user' if user else 'without a user in the configuration'
        for command in COMMANDS:
            r = ground.command(*command)
            tap.equal(r.returncode, 0, '%s: %s works' % (name, command[0]))
            tap.equal({os.lstat(os.path.join(ground.data, n)).st_uid
                       for n in os.listdir(ground.data)}, {uid}, 'and all files are the user\'s')
    # A program that root starts by hand, without `tidings run`.
    log = os.path.join(top, 'log')
    with open(log, 'wb') as f:
        child = subprocess.Popen(
            [os.path.join(reachable_build(), 'cgi-bin', 'sse'), '-c', ground.conf, '-l',
             'unix:%s/by-hand.sock' % ground.run], stdout=f, stderr=f, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: child.poll() is not None or b'ready' in open(log, 'rb').read(), 20, 'ready')
        tap.equal(uid_of(child.pid), uid, 'a program by hand is not root either')
    finally:
        child.terminate()
        child.wait()
    # What root alone can make is made, and given, also behind a link of root's.
    for link in (False, True):
        ground = Ground(top)
        place = os.path.join(top, 'var%d' % link)
        os.mkdir(place, 0o755)
        if link:
            os.symlink('var1', os.path.join(top, 'link'))
            place = os.path.join(top, 'link')
        ground.run, ground.data = place + '/run', place + '/data'
        with open(ground.conf, 'w') as f:
            f.write('[tidings]\ndatabase = %s/t.db\nrun_dir = %s\nuser = www-data\n'
                    '[wsd]\nlisten = 127.0.0.1:%d\n' % (ground.data, ground.run, free_port()))
        r = ground.command('init')
        owners, log = ground.run_for_a_moment()
        tap.ok(r.returncode == 0 and owners == {uid},
               'folders below one of root\'s%s: it runs' % (', by a link of root\'s' if link else ''),
               r.stderr, log)
        tap.equal([os.stat(d).st_uid for d in (ground.run, ground.data)], [uid] * 2,
                  'and they are the user\'s')
    # One that has something in it is not ours to give.
    full = os.path.join(top, 'full')
    os.makedirs(os.path.join(full, 'something'))
    with open(ground.conf, 'w') as f:
        f.write('[tidings]\ndatabase = %s/t.db\nrun_dir = %s\nuser = www-data\n' % (full, full))
    r = ground.command('init')
    tap.ok(r.returncode == 1 and 'chown www-data ' + full in r.stderr,
           'a folder of root\'s that is not empty is refused with what to do', r.stderr)
    owners, log = ground.run_for_a_moment()
    tap.ok('running' not in log and full in log, 'by run as well', log)
    tap.equal(os.stat(full).st_uid, 0, 'and stays root\'s')


def others_have_a_hand_in_it(tap, top, victim):
    """Folders of root's that others may write in, or where they have a link."""
    ground = Ground(top)
    sticky = os.path.join(top, 'sticky')
    os.mkdir(sticky)
    os.chmod(sticky, 0o1777)
    link = os.path.join(sticky, 'link')
    os.symlink(victim.dir, link)
    os.lchown(link, *uid_gid())
    for run_dir in (link + '/new', link + '/empty', link):
        with open(ground.conf, 'w') as f:
            f.write('[tidings]\ndatabase = %s/t.db\nrun_dir = %s\nuser = www-data\n'
                    '[wsd]\nlisten = 127.0.0.1:%d\n' % (run_dir, run_dir, free_port()))
        ground.command('init')
        ground.run_for_a_moment()
        tap.equal(victim.look(), victim.before, 'by a link of his in a sticky folder: ' +
                  run_dir[len(sticky):])
    os.unlink(link)
    with open(ground.conf, 'w') as f:
        f.write('[tidings]\ndatabase = %s/t.db\nuser = www-data\n' % sticky)
    ground.command('init')
    tap.equal(os.stat(sticky).st_uid, 0, 'a sticky folder is given to nobody')
    # A file of his in a folder of root's.
    with open(ground.conf, 'w') as f:
        f.write('[tidings]\ndatabase = %s/t.db\n' % sticky)
    db = os.path.join(sticky, 't.db')
    tap.equal(os.stat(db).st_uid, uid_gid()[0], 'a database of his in a folder of root\'s')
    tap.equal(ground.command('publish', 'a', 'x').returncode, 0, 'root publishes')
    tap.equal({os.lstat(os.path.join(sticky, n)).st_uid for n in os.listdir(sticky)},
              {uid_gid()[0]}, 'as the owner of the file')


def boards_are_buried(tap, top):
    """Who reaps a killed program removes its scoreboard."""
    with Site() as site:
        def boards():
            return sorted(n for n in os.listdir(site.run_dir) if '.board' in n)
        old = site.pid('sse')
        tap.ok('sse.%d.board' % old in boards(), 'a program has its board')
        site.kill('sse')
        wait_for(lambda: 'sse.%d.board' % site.pid('sse') in boards(), 10, 'the new board')
        tap.ok('sse.%d.board' % old not in boards(), 'that of the dead one is gone', boards())


def main(tap):
    if os.geteuid() != 0:
        skip_all('needs root, to be several users')
    # By root the hard links are made that the kernel forbids others.
    top = tempfile.mkdtemp(prefix='tidings-test-')
    try:
        os.chmod(top, 0o755)
        victim = Victim(top)
        whom_it_is(tap, top)
        for kind in KINDS:
            planted_before(tap, top, victim, kind)
        planted_folders(tap, top, victim)
        others_have_a_hand_in_it(tap, top, victim)
        planted_meanwhile(tap, top, victim)
        boards_are_buried(tap, top)
    finally:
        shutil.rmtree(top, ignore_errors=True)


run(main)
