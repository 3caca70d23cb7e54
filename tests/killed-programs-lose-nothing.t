#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# killed-programs-lose-nothing.t - kill -9 of every program, three times, while
# messages are published by SQL and by HTTP: clients of all five transports get
# every message once and in order, and what HTTP acknowledged is there once.
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import FOLLOWERS

SETTINGS = {'tidings': {'life_min': '700ms', 'life_max': '2s'},
            'retention': {'count': '1000000', 'every': '200ms'}}


class Publishers:
    def __init__(self, site):
        self.site, self.stopping, self.acked, self.odd = site, False, [], []
        self.sql_n = 0
        self.threads = [threading.Thread(target=t, daemon=True)
                        for t in (self.by_sql, self.by_http)]
        for t in self.threads:
            t.start()

    def by_sql(self):
        db = self.site.connect()
        while not self.stopping:
            db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)",
                       ('s%d' % self.sql_n,))
            self.sql_n += 1
            time.sleep(0.004)
        db.close()

    def by_http(self):
        """Repeats each until it is acknowledged: the key makes it one."""
        n = 0
        while not self.stopping:
            text = 'h%d' % n
            try:
                r = self.site.post('/push/publish?channel=a', text,
                                   headers={'Idempotency-Key': text})
                if r.status == 201:
                    self.acked.append((r.json['id'], text))
                    n += 1
                elif r.status not in (502, 503):
                    self.odd.append(repr(r))
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                pass
            time.sleep(0.004)

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(30 * PATIENCE)


def main(tap):
    with Site(SETTINGS) as site:
        followers = [F(site) for F in FOLLOWERS]
        publishers = Publishers(site)
        for _ in range(3):
            # Who dies young is not started again at once, by design.
            n = publishers.sql_n
            wait_for(lambda: publishers.sql_n > n + 450, 30, 'more messages')
            for name in ('sse', 'longpoll', 'poll', 'iframe', 'wsd', 'publish'):
                before = len(publishers.acked), [len(f.got) for f in followers]
                site.kill(name)
                wait_for(lambda: len(publishers.acked) > before[0] + 3 and all(
                    len(f.got) > n + 3 for f, n in zip(followers, before[1])),
                    20, 'life after the death of ' + name)
        publishers.stop()
        site.publish_sql('a', 'last')
        for f in followers:
            with contextlib.suppress(Failure):
                f.wait_data('last')
            f.stop()
        rows = site.sql('SELECT id, data FROM changes ORDER BY id')
        epoch = site.tidings('epoch').split('-')[0]
        want = [('%s-%d' % (epoch, i), d) for i, d in rows]
        tap.note('%d messages, %d of them by HTTP' % (len(want), len(publishers.acked)))
        for f in followers:
            name = type(f).__name__[:-8].lower()
            tap.ok(f.got == want, '%s: every message once, in order' % name,
                   'got %d, want %d' % (len(f.got), len(want)),
                   'first difference: %r' % next(
                       ((g, w) for g, w in zip(f.got, want) if g != w), None),
                   'missing: %r' % (sorted(set(want) - set(f.got))[:5],))
            tap.ok(not f.resets and not f.odd, name + ': no reset, nothing odd',
                   f.resets[:5], f.odd[:5])
            tap.ok(f.connects > 2, '%s: it did have to come back (%d connections)'
                   % (name, f.connects))
        tap.ok(set(publishers.acked) <= set(want), 'acknowledged is stored',
               sorted(set(publishers.acked) - set(want))[:5])
        data = [d for _, d in want]
        tap.equal(len(set(data)), len(data), 'nothing is stored twice')
        tap.ok(not publishers.odd, 'refusals meanwhile are 502 and 503',
               publishers.odd[:5])
        for name in PROGRAMS + ('wsd',):
            os.kill(site.pid(name), 0)
        tap.ok(site.supervisor.poll() is None, 'all programs live')


run(main)
