#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# hand-overs-are-taken-from-httpds-user-alone.t - a link is taken from the user
# of the program, or from whom handover_user names, and from nobody else, be it
# root; the socket has the mode of the others.
import os
import signal
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from fake_httpd import *

PROGRAMS = ('iframe', 'longpoll', 'sse', 'wsd')


def taken(site, user, program='sse'):
    """Whether that user's link is taken."""
    with Link(site, program, user=user, hello=False) as link:
        try:
            link.greet()
        except (OSError, Failure):
            return False
        link.hand_over('/push/sse?channel=a').wait(
            'retry:' if program == 'sse' else 'HTTP/1.1', 5)
        return True


def set_user(site, name):
    site.settings.setdefault('tidings', {})['handover_user'] = name
    site.write_conf()
    n = site.programs_log().count('was read anew')
    site.supervisor.send_signal(signal.SIGHUP)
    wait_for(lambda: site.programs_log().count('was read anew') >= n + 7, 10, 'the reload')


def by_hand(tap, site):
    """A program that nobody gave sockets to makes its own, and removes it."""
    path = os.path.join(site.dir, 'own.sock')
    argv = [os.path.join(reachable_build(), 'cgi-bin', 'sse'), '-c', site.conf,
            '-l', 'unix:' + path]
    for stale in (False, True):
        child = site.spawn(argv)
        wait_for(lambda: os.path.exists(path + '.handover'), 10, 'the socket')
        wait_for(lambda: site.programs_log().count('ready') >= 8 + stale, 10, 'ready')
        with Link(site, '', path=path + '.handover', user='www-data') as link:
            link.hand_over('/push/sse?channel=a').wait('retry:')
            tap.ok(True, 'a program by itself takes them' + (
                ', where a dead one left its socket' if stale else ''))
        if not stale:
            child.kill()
            child.wait()
            tap.ok(os.path.exists(path + '.handover'), 'a killed one leaves its socket')
            continue
        second = site.spawn(argv)
        tap.equal(second.wait(10 * PATIENCE), 1, 'a second one is refused')
        with Link(site, '', path=path + '.handover', user='www-data') as link:
            link.hand_over('/push/sse?channel=a').wait('retry:')
        tap.ok(True, 'and the first one has its socket still')
        child.terminate()
        tap.equal(child.wait(10 * PATIENCE), 0, 'it stops')
        tap.ok(not os.path.exists(path + '.handover'), 'and removes its socket')
    long = os.path.join(site.dir, 'x' * (105 - len(site.dir) - 6) + '.sock')
    child = site.spawn(argv[:-1] + ['unix:' + long])
    wait_for(lambda: site.programs_log().count('ready') >= 10, 10, 'ready')
    tap.ok('no hand-overs: ' in site.programs_log(), 'a path too long for it: there is none')
    child.terminate()
    child.wait()


def main(tap):
    if os.geteuid() != 0:
        skip_all('needs root, to be several users')
    with Site() as site:
        for name in PROGRAMS:
            sb = os.stat(socket_of(site, name))
            like = os.stat(os.path.join(site.run_dir, 'sse.sock'))
            tap.ok(stat.S_ISSOCK(sb.st_mode) and (sb.st_mode, sb.st_uid, sb.st_gid) == (
                like.st_mode, like.st_uid, like.st_gid), name + ': mode and owner')
        for name in ('poll', 'publish', 'status'):
            tap.ok(not os.path.exists(socket_of(site, name)), name + ' has none')
        tap.ok(taken(site, 'www-data'), 'the user of the programs is taken')
        tap.ok(taken(site, 'www-data', 'wsd'), 'by wsd as well')
        tap.ok(not taken(site, 'root'), 'root is not')
        tap.ok(not taken(site, 'root', 'wsd'), 'nor by wsd')
        # Who can reach the socket is another matter.
        os.chmod(socket_of(site, 'sse'), 0o666)
        tap.ok(not taken(site, 'nobody'), 'somebody else is not')
        log = [l for l in site.programs_log().splitlines() if 'may not hand clients over' in l]
        tap.ok(1 <= len(log) <= 2 and all(
            'user 0 (process %d)' % os.getpid() in l for l in log),
            'one line of each program says who', *log)
        set_user(site, 'nobody')
        tap.ok(taken(site, 'nobody'), 'handover_user names him: he is')
        tap.ok(not taken(site, 'www-data'), 'and the other one is not any more')
        set_user(site, 'no-such-user')
        tap.ok('there is no user no-such-user' in site.programs_log(), 'an unknown one is told')
        tap.ok(taken(site, 'nobody'), 'and changes nothing')
        del site.settings['tidings']['handover_user']
        site.write_conf()
        by_hand(tap, site)
        site.supervisor.terminate()
        site.supervisor.wait(20)
        tap.equal([n for n in os.listdir(site.run_dir) if 'handover' in n], [],
                  'none is left at the end')
    with Site({'tidings': {'handover_user': 'no-such-user'}}, programs=False) as site:
        child = site.spawn([os.path.join(reachable_build(), 'cgi-bin', 'sse'), '-c', site.conf,
                            '-l', 'unix:' + os.path.join(site.dir, 'x.sock')])
        tap.equal(child.wait(10 * PATIENCE), 1, 'an unknown user at the start is refused')


run(main)
