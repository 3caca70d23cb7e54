#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-clients-outlive-httpd.t - graceful restart, restart, graceful stop
# and stop of httpd: who was handed over has the messages of before and after on
# one connection, and httpd is not kept waiting by any of them.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from handover_cases import *

EACH = 5  # clients of each kind
GRACE = 5  # seconds that old children may take


class Crowd:
    """Clients of all kinds of a channel of theirs, each with one connection."""

    def __init__(self, site, channel):
        self.site, self.channel, self.sent = site, channel, 0
        self.streams = [Talk(site).get('/push/%s?channel=%s' % (kind, channel))
                        for kind in ('sse', 'iframe') * EACH]
        self.ws = [Ws(site.port, '/push/ws?channel=' + channel) for _ in range(EACH)]
        self.echo = [Ws(site.port, '/push/ws/echo') for _ in range(EACH)]

    def live(self):
        """Whether all get a message now, and the WebSockets are heard."""
        self.sent += 1
        text = 'message %d.' % self.sent
        self.site.publish_sql(self.channel, text)
        for c in self.streams:
            c.wait(text)
        for ws in self.ws:
            if ws.read() != (1, text.encode()):
                return False
        for ws in self.echo:
            ws.send(2, text)
            if ws.read() != (2, text.encode()):
                return False
        return True

    def close(self):
        for c in self.streams + self.ws + self.echo:
            c.close()


def restarts(tap, mpm):
    with HandoverSite(httpd_extra=FEW[mpm], mpm=mpm) as site:
        crowds = [Crowd(site, 'first')]
        for sig in ('SIGUSR1', 'SIGHUP', 'SIGUSR1'):
            old = site.httpd_children()
            site.httpd.send_signal(getattr(signal, sig))
            began = time.monotonic()
            wait_for(lambda: not any(map(alive, old)), GRACE, 'the end of the old children')
            tap.ok(True, '%s: old children end in %.1f s' % (sig, time.monotonic() - began))

            def answers():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    return site.get('/').status == 200
            wait_for(answers, 10, 'httpd')
            tap.ok(all(c.live() for c in crowds), 'and who was handed over before is live')
            crowds.append(Crowd(site, 'o%d' % len(crowds)))
            tap.ok(crowds[-1].live(), 'as is who comes then')
        board = site.board()
        tap.equal((board['BusyWorkers'], board.get('Stopping', '0')), ('1', '0'),
                  'no worker is busy, no child lingers')
        sig = {'event': signal.SIGWINCH, 'worker': signal.SIGTERM, 'prefork': signal.SIGWINCH}[mpm]
        began = time.monotonic()
        pids = family(site.httpd.pid)
        site.httpd.send_signal(sig)
        site.httpd.wait(GRACE * PATIENCE)
        wait_for(lambda: not any(map(alive, pids)), GRACE, 'the end of httpd')
        tap.ok(True, '%s: httpd ends in %.1f s' % (sig.name, time.monotonic() - began))
        tap.ok(all(c.live() for c in crowds), 'all clients are live without it')
        site.children.remove(site.httpd)
        site.start_httpd()
        tap.ok(all(c.live() for c in crowds), 'and when there is another one')
        # Killed, it has no time to say anything.
        site.kill_httpd()
        tap.ok(all(c.live() for c in crowds), 'and when that was killed')
        with Talk(site) as c:
            c.get('/push/sse?channel=o')
            tap.equal(site.way(c), HANDED, 'which hands over too')
        for c in crowds:
            c.close()
        left = [site.wait_subscribers(c.channel, 0) for c in crowds]
        tap.ok(left, 'nobody is held for who is gone')


def main(tap):
    for mpm in ('event', 'worker', 'prefork'):
        tap.note(mpm)
        restarts(tap, mpm)


need(MOD_TIDINGS)
run(main)
