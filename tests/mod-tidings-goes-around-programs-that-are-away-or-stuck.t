#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-goes-around-programs-that-are-away-or-stuck.t - no socket, one of
# another kind, a program that refuses httpd, answers nothing or reads nothing:
# the request goes by mod_proxy, soon, and no worker stays stuck; when the
# program is there again it is handed clients again.
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from handover_site import *

EXTRA = '''
<Location "/push/fake">
    TidingsHandover "unix:${TIDINGS_RUN}/fake.sock"
</Location>
<Location "/push/fake/patient">
    TidingsHandoverTimeout 4
</Location>
<Location "/push/fake/hasty">
    TidingsHandoverTimeout 0
</Location>
ErrorDocument 404 "by httpd"
'''
AT_ONCE = 3  # seconds: who waits for a program does so for four or five
LONGPOLL = '/push/longpoll?channel=a&wait=0'


def ask_fake(site, path='/push/fake'):
    """Seconds until httpd itself answered, and why."""
    began = time.monotonic()
    with Talk(site) as c:
        c.get(path)
        if (c.status, c.read_body()) != (404, b'by httpd'):
            raise Failure('not by httpd: ' + c.head)
        return time.monotonic() - began, site.why(c)


def wait_hand_over(site, fake):
    """Until a client is handed over; all so far are closed."""
    def handed():
        with Talk(site) as c:
            c.ask('/push/fake')
            return wait_for(lambda: site.logged(c), 5, 'a way')[0][0] == HANDED
    wait_for(handed, 5, 'a hand-over')
    wait_for(lambda: fake.clients, 5, 'the client')
    for _, sock in fake.clients:
        sock.close()
    fake.clients.clear()


def without_a_socket(tap, site):
    path = os.path.join(site.run_dir, 'fake.sock.handover')

    def plain_file():
        open(path, 'w').close()

    def stream():
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
            s.listen()
            os.chmod(path, 0o666)
            return s.detach()

    def nobody_listens():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.bind(path)
            os.chmod(path, 0o666)

    def forbidden():
        nobody_listens()
        os.chmod(path, 0)

    for what, make in (('missing', lambda: None), ('a plain file', plain_file),
                       ('a folder', lambda: os.mkdir(path)), ('a stream', stream),
                       ('nobody behind it', nobody_listens), ('forbidden', forbidden),
                       ('a link to nothing', lambda: os.symlink('nothing', path))):
        fd = make()
        took = [ask_fake(site) for _ in range(3)]
        tap.ok(max(t for t, _ in took) < AT_ONCE * PATIENCE and all(
            'not handed over: ' + path not in w for _, w in took),
               'a socket that is %s: by httpd at once' % what, took)
        if fd is not None:
            os.close(fd)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
    # Whoever came before: a socket that is there now is used, soon.
    with FakeProgram(path) as fake:
        wait_hand_over(site, fake)
        tap.ok(True, 'and a good one is used again')


def bad_manners(tap, site):
    path = os.path.join(site.run_dir, 'fake.sock.handover')
    with FakeProgram(path, greets=False):
        took, _ = ask_fake(site)
        tap.ok(4 < took < 5 + 3 * PATIENCE, 'no greeting: by httpd in %.1f s' % took)
        # Who does not want to wait does not, nor for those who do.
        with Talk(site) as patient:
            patient.ask('/push/fake/patient')
            took, _ = ask_fake(site, '/push/fake/hasty')
            tap.ok(took < AT_ONCE * PATIENCE, 'and at once if none is waited for: %.3f s' % took)
        took, end = [], deadline(1)

        def ask():
            while time.monotonic() < end:
                took.append(ask_fake(site, '/push/fake/hasty')[0])
                time.sleep(0.02)
        many = [threading.Thread(target=ask) for _ in range(20)]
        for thread in many:
            thread.start()
        for thread in many:
            thread.join(20 * PATIENCE)
        tap.ok(max(took) < AT_ONCE * PATIENCE, 'nor does a crowd: %d answers, %.2f s at most' % (
            len(took), max(took)))
    wait_for(lambda: ask_fake(site)[0] < 0.5, 10, 'a quick answer')
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(path)
        os.chmod(path, 0o666)
        server.listen()
        server.settimeout(0.05)
        stop, seen = threading.Event(), []

        def refuse():
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    link, _ = server.accept()
                    seen.append(link)
                    link.send(b'what?') if len(seen) % 2 else None
                    link.close()
        thread = threading.Thread(target=refuse)
        thread.start()
        try:
            took = [ask_fake(site)[0] for _ in range(20)]
            wait_for(lambda: ask_fake(site) and len(seen) > 1, 10, 'a second try')
            tap.ok(max(took) < AT_ONCE * PATIENCE, 'a wrong greeting and none: by httpd at once', took)
            tap.ok(len(seen) < 10, 'a program that refuses is not asked for every client', seen)
        finally:
            stop.set()
            thread.join()
    os.unlink(path)


def full_link(tap, site):
    """The program takes no packet; how many the link holds is the kernel's."""
    path = os.path.join(site.run_dir, 'fake.sock.handover')
    with FakeProgram(path, reads=False) as fake:
        fake.reads = True
        wait_hand_over(site, fake)
        fake.reads = False
        held, late = [], []
        while not late and len(held) < 20000:
            c = Talk(site).ask('/push/fake/hasty?' + 'x' * 6000)
            wait_for(lambda: c.fill(0) and False or site.logged(c), 10, 'a way', every=0.001)
            (held if site.logged(c)[0][0] == HANDED else late).append(c)
        tap.ok(held and late, 'a full link: by httpd after %d clients' % len(held))
        took, _ = ask_fake(site, '/push/fake/hasty?' + 'x' * 6000)
        tap.ok(took < AT_ONCE * PATIENCE, 'without a wait if none is wanted: %.3f s' % took)
        took, _ = ask_fake(site, '/push/fake?' + 'x' * 6000)
        tap.ok(4 < took < 5 + 3 * PATIENCE, 'by default five seconds later: %.3f s' % took)
        with Talk(site) as c:
            c.ask('/push/fake/patient?' + 'x' * 6000)
            fake.reads = True
            tap.equal(site.way(c), HANDED, 'who may wait is handed over when there is room')
        wait_for(lambda: len(fake.clients) == len(held) + 1, 10, 'all of them')
        for _, sock in fake.clients:
            sock.sendall(b'HTTP/1.1 200 OK\r\n\r\nat last')
            sock.close()
        fake.clients.clear()
        got = [c.read_head().read_body() for c in held]
        tap.ok(set(got) == {b'at last'}, 'nobody who was in the link is lost', set(got))
        for c in held + late:
            c.close()
        tap.equal(fake.odd, [], 'nothing odd was said')


def stopped_program(tap, site):
    """A real one, that stands still with clients coming in."""
    pid = site.pid('longpoll')
    with Talk(site) as c:
        c.get(LONGPOLL)
        tap.equal(site.way(c), HANDED, 'a program that lives')
    with stopped([pid]):
        waiting = [Talk(site).ask(LONGPOLL) for _ in range(30)]
        for c in waiting:
            site.way(c)
        tap.ok(wait_for(lambda: site.busy() == 0, 5, 'free workers'),
               'it stands still: its clients wait in the link, on no worker')
        began = time.monotonic()
        tap.equal(site.get('/push/poll?channel=a').status, 200, 'others have their answers')
        tap.ok(time.monotonic() - began < AT_ONCE * PATIENCE, 'at once')
    began = time.monotonic()
    got = {c.read_head().status for c in waiting}
    took = time.monotonic() - began
    tap.ok(got == {200} and took < AT_ONCE * PATIENCE, 'it goes on: all are answered in %.2f s' % took,
           got)
    for c in waiting:
        c.close()


def stopped_before_the_first(tap, site):
    """One that stands still when httpd wants to greet it."""
    with stopped([site.pid('iframe')]):
        waiting = [Talk(site).ask('/push/iframe?channel=a') for _ in range(10)]
        for c in waiting:
            wait_for(lambda: site.why(c), 10, 'a line of the log')
    began = time.monotonic()
    got = {c.read_head().status for c in waiting}
    took = time.monotonic() - began
    tap.ok(got == {200} and took < AT_ONCE * PATIENCE,
           'not even a greeting, then it goes on: all are answered in %.2f s' % took, got)
    for c in waiting:
        c.close()


def changing_program(tap, site):
    """Killed, stopped in order, all stopped and started: clients go on."""
    for program, target, headers, sigs in (
            ('sse', '/push/sse?channel=a', {}, (signal.SIGKILL, signal.SIGTERM)),
            ('wsd', '/push/ws?channel=a', UPGRADE, (signal.SIGTERM,))):
        for sig in sigs:
            with Talk(site) as held:
                held.get(target, headers=headers)
                tap.equal(site.way(held), HANDED, program + ': handed over')
                site.kill(program, sig)
                held.wait_end()
                with Talk(site) as c:
                    c.get(target, headers=headers)
                    tap.ok(c.status == (101 if headers else 200) and site.way(c) == HANDED,
                           'and so is the next one after a signal %d' % sig, c.head,
                           site.why(c))
    site.supervisor.send_signal(signal.SIGTERM)
    site.supervisor.wait(20 * PATIENCE)
    with Talk(site) as c:
        c.get(LONGPOLL)
        tap.ok(c.status == 503 and len(site.why(c)) == 1, 'all are stopped: 503', c.head,
               site.why(c))
    os.unlink(site.log)
    site.start_programs()
    with Talk(site) as c:
        c.get(LONGPOLL)
        tap.ok(c.status == 200 and site.way(c) == HANDED, 'and started: handed over', c.head,
               site.why(c))


def another_user(tap):
    # Who may hand over is not who httpd is.
    with HandoverSite({'tidings': {'handover_user': 'daemon'}}) as site:
        site.publish_sql('a', 'here')
        for n in range(3):
            with Talk(site) as c:
                c.get('/push/sse?channel=a&since=earliest').wait('here')
                tap.ok(c.is_chunked and len(site.why(c)) == 1,
                       'another user may hand over: by mod_proxy', c.head, site.why(c))
        log = at_last(site.programs_log, lambda log: 'may not hand clients over' in log)
        tap.ok('may not hand clients over' in log, 'the program says why', log[-500:])
        tap.ok(site.lives(), 'the programs live')


def main(tap):
    with HandoverSite({'tidings': {'heartbeat': '300ms'}}, EXTRA) as site:
        without_a_socket(tap, site)
        bad_manners(tap, site)
    # A crowd makes httpd start another child, which has a link of its own.
    with HandoverSite({'tidings': {'heartbeat': '300ms'}}, EXTRA) as site:
        full_link(tap, site)
        stopped_program(tap, site)
        stopped_before_the_first(tap, site)
        changing_program(tap, site)
        tap.ok(wait_for(lambda: site.busy() == 0, 20, 'free workers'), 'no worker stays busy')
    if os.geteuid() == 0:
        another_user(tap)


need(MOD_TIDINGS)
run(main)
