#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-operations-leave-nothing-in-httpd.t - programs that are killed and
# stopped while clients are held, clients that go with output waiting for them,
# hand-overs that nobody takes: by the hundred they leave no descriptor and no
# memory in a child of httpd.  Links to programs that were gone, and output of
# clients that left, could have stayed there without any test noticing.
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from handover_cases import *

HTTPD = '''
ServerLimit 1
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 16
MinSpareThreads 1
MaxSpareThreads 16
AsyncRequestWorkerFactor 100
LogLevel tidings:warn
<Location "/push/away">
    TidingsHandover "unix:${TIDINGS_RUN}/away.sock"
</Location>
<Location "/push/refuses">
    TidingsHandover "unix:${TIDINGS_RUN}/refuses.sock"
    TidingsHandoverTimeout 100ms
</Location>
'''
NOW = struct.pack('ii', 1, 0)
PARKS = int(600 / PATIENCE)
REFUSALS = int(600 / PATIENCE)
RESTARTS = 6
ROOM = 1000  # KB that may come and go


class Child:
    """Descriptors and memory of the one child."""

    def __init__(self, site):
        self.site, self.pid = site, site.httpd_children()[0]

    def quiet(self):
        seen = []

        def still():
            seen.append(descriptors(self.pid))
            return seen[-1:] == seen[-2:-1] and self.site.board()['ConnsTotal'] in '01'
        wait_for(still, 30, 'quiet', 0.2)
        return seen[-1], private_kb(self.pid)

    def leaves_nothing(self, tap, what, operation, times):
        """A tenth of the operations makes the room that the others may use."""
        for n in range(max(2, times // 10)):
            operation(n)
        before = self.quiet()
        for n in range(times):
            operation(n)
        after = self.quiet()
        # One link and one idle connection of mod_proxy for each program may come.
        tap.ok(after[0] <= before[0] + 4, what + ': no descriptor is left', before, after)
        with contextlib.suppress(Failure):
            wait_for(lambda: private_kb(self.pid) < before[1] + ROOM, 10, 'room', 0.2)
        after = descriptors(self.pid), private_kb(self.pid)
        if not os.environ.get('TIDINGS_CHECKED'):
            tap.ok(after[1] < before[1] + ROOM, what + ': no memory', before, after)
        tap.note('%s, %d times: %d descriptors and %d KB before, %d and %d after' % (
            (what, times) + before + after))
        tap.equal(self.site.httpd_children(), [self.pid], what + ': it is the same child')


def restart(site, n):
    """Clients are held by it in both ways when it goes."""
    program = ('sse', 'longpoll')[n % 2]
    held = [Talk(site, tls=tls).ask('/push/%s?channel=r&wait=60' % program)
            for tls in (True, True, False)]
    wait_for(lambda: site.subscribers('r') >= 3, 10, 'held clients')
    site.kill(program, (signal.SIGKILL, signal.SIGTERM)[n // 2 % 2])
    for c in held:
        c.wait_end()
        c.close()


def leave_output(site, n):
    """The client has a head, 100 KB wait for it in httpd and more in the program."""
    with Talk(site, tls=True, rcvbuf=4096) as c:
        c.get('/push/sse?channel=large&since=earliest')
        if n % 2:
            c.reset()


def refuse(site, n):
    with Talk(site, tls=bool(n % 2)) as c:
        c.get(('/push/away', '/push/refuses')[n // 2 % 2])
        if c.status not in (404, 503):
            raise Failure('not declined: ' + c.head)


def main(tap):
    with HandoverSite(httpd_extra=HTTPD, tls=True) as site:
        for n in range(8):
            site.publish_sql('large', str(n) + 'x' * 100000)
        child = Child(site)
        child.leaves_nothing(tap, 'output that waits', lambda n: leave_output(site, n), PARKS)
        # By now each worker has had its buffers.
        child.leaves_nothing(tap, 'programs that end', lambda n: restart(site, n), RESTARTS)
        refuses = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        refuses.bind(os.path.join(site.run_dir, 'refuses.sock.handover'))
        os.chmod(os.path.join(site.run_dir, 'refuses.sock.handover'), 0o666)
        refuses.listen(128)
        stop = threading.Event()

        def hang_up():
            while not stop.is_set():
                if select.select([refuses], [], [], 0.1)[0]:
                    refuses.accept()[0].close()
        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        child.leaves_nothing(tap, 'hand-overs that nobody takes', lambda n: refuse(site, n),
                             REFUSALS)
        stop.set()
        thread.join()
        refuses.close()
        ways = [line.split()[0] for line in site.lines('ways.log') if 'channel=large' in line]
        tap.ok(ways.count(PARKED) > PARKS, 'they were parked', len(ways), set(ways))
        tap.ok(wait_for(lambda: site.busy() == 0, 20, 'free workers'), 'no worker is busy')


need(MOD_TIDINGS, 'openssl')
run(main)
