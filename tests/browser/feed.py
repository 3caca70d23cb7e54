# SPDX-License-Identifier: MIT
"""What the tests of tidings.js share: Chromium and Firefox side by side on
feed.html, a proxy with faults before each, and a publisher that never stops.

    def test(t, stage):
        stage.watch('sse', transports=['sse'])
        stage.publish()
        for client in stage.clients:
            client.proxy.cut()
        stage.flows(t, 'after a cut')
        stage.complete(t)

    stage_test(test)

TIDINGS_BROWSERS=firefox runs a test in that one alone, unless it names its own.
"""

import concurrent.futures
import contextlib
import os
import shutil
import threading

from firefox import Firefox
from page import DEADLINE_S, Browser, Whole, run, tidings_test, until
from fault_proxy import FaultProxy

HERE = os.path.dirname(os.path.abspath(__file__))
BROWSERS = {'chromium': Browser, 'whole chromium': Whole, 'firefox': Firefox}

# So that a test takes seconds: the programs beat often, and the library is
# impatient in proportion.
SETTINGS = {'tidings': {'heartbeat': '500ms', 'life_min': '20s',
                        'life_max': '30s'},
            'retention': {'count': '1000000'}}
OPTIONS = {'channels': ['feed'], 'since': 'earliest', 'share': False,
           'timeout': 2000, 'silence': 2500, 'retry': 200, 'maxRetry': 1000,
           'upgrade': 1500, 'interval': 300, 'wait': 2000}


class Publisher(threading.Thread):
    """Numbered messages by plain INSERT, one each `every` seconds."""

    def __init__(self, site, channel='feed', every=0.02):
        super().__init__(daemon=True)
        self.site, self.channel, self.every = site, channel, every
        self.n = 0
        self.ending = threading.Event()

    def run(self):
        db = self.site.connect()
        while not self.ending.wait(self.every):
            db.execute('INSERT INTO changes(channel, data, event) '
                       'VALUES (?, ?, ?)', (self.channel, 'message %d' % self.n,
                                            'slide' if self.n % 3 == 0 else None))
            self.n += 1
        db.close()

    def end(self):
        self.ending.set()
        self.join()


class Client:
    """A browser with the proxy before it.  Feeds are known by name, in
    whichever tab they are."""

    def __init__(self, browser, proxy):
        self.browser, self.proxy = browser, proxy
        self.name = browser.name
        self.js = browser.js
        self.watched = []       # names
        self.places = {}        # the tab of each, where there are several

    def open(self, page='/feed.html', url=None):
        """A fresh page; which transport worked is forgotten."""
        self.browser.open((url or self.proxy.url) + page)
        self.js('localStorage.clear()')
        self.watched, self.places = [], {}

    def tab(self, name, page='/feed.html', **options):
        """One more tab with one more feed, which shares the line."""
        if self.watched:
            self.browser.new_tab(self.proxy.url + page)
        self.watch(name, **dict({'share': True}, **options))
        self.places[name] = self.browser.tab()

    def watch(self, name, then='', **options):
        """Begins a feed; the script `then` runs before anything has come."""
        self.js('watch(arguments[0], arguments[1]);' + then, name,
                dict(OPTIONS, **options))
        self.watched.append(name)

    def at(self, name, script, *arguments):
        """Runs the script in the tab of that feed, whose name comes first."""
        if name in self.places:
            self.browser.look(self.places[name])
        return self.js(script, name, *arguments)

    def forget(self, *names):
        """Closes those feeds."""
        for name in names or list(self.watched):
            self.at(name, 'feeds[arguments[0]].close()')
            self.watched.remove(name)

    def got(self, name):
        """[id, channel, event, data, time] of each message."""
        return self.at(name, 'return got[arguments[0]]')

    def count(self, name):
        return self.at(name, 'return got[arguments[0]].length')

    def last(self, name):
        """The id of the last one, as a number."""
        last = self.at(name, 'const all = got[arguments[0]];'
                       'return all.length ? all[all.length - 1][0] : "-0"')
        return int(last.rpartition('-')[2])

    def told(self, name, type=None):
        """{type, detail, at} of each event that is no message."""
        return [one for one in self.at(name, 'return told[arguments[0]]')
                if type in (None, one['type'])]

    def status(self, name):
        return self.at(name, 'return Object.assign({}, feeds[arguments[0]].status)')

    def leaders(self):
        """Of the feeds that are watched."""
        return [name for name in self.watched if self.status(name)['leader']]

    def thrown(self):
        """What was thrown in any of the tabs."""
        names = {self.places.get(name): name for name in self.watched}
        return [one for name in names.values()
                for one in self.at(name, 'return thrown')]

    def live_by(self, name):
        """The transport that messages come by, else None."""
        status = self.status(name)
        return status['transport'] if status['state'] == 'open' else None

    def story(self, name):
        """What happened, for a person to read."""
        lines = []
        for one in self.told(name):
            detail = one['detail']
            lines.append('%s %s' % (one['type'], ' '.join(
                str(detail[k]) for k in detail)))
        return '%s, %s: %d messages; %s' % (
            self.name, name, self.count(name), '; '.join(lines[-25:]))


class Stage:
    """A site, the browsers, and their proxies."""

    def __init__(self, settings=None, only=None, **kw):
        self.names = chosen(only)
        self.settings = {k: dict(SETTINGS.get(k, {}), **(settings or {}).get(k, {}))
                         for k in set(SETTINGS) | set(settings or {})}
        self.kw = kw
        self.publisher = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.site = stack.enter_context(
                tidings_test.Site(self.settings, **self.kw))
            self.add_page('feed.html')
            kinds = [kind for name, kind in BROWSERS.items()
                     if name in self.names]
            # Each takes seconds to start: at once, then.
            with concurrent.futures.ThreadPoolExecutor() as pool:
                starts = [pool.submit(kind().__enter__) for kind in kinds]
            for start in starts:
                if start.exception() is None:
                    stack.push(start.result())
            self.clients = [
                Client(start.result(), stack.enter_context(FaultProxy(self.site)))
                for start in starts]
            for client in self.clients:
                client.open()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exc):
        if self.publisher is not None:
            self.publisher.end()
        return self.stack.__exit__(*exc)

    def add_page(self, name, text=None):
        """Puts a file of this folder, or that text, beside tidings.js."""
        to = os.path.join(self.site.dir, 'htdocs', name)
        if text is None:
            shutil.copy(os.path.join(HERE, name), to)
        else:
            with open(to, 'w') as f:
                f.write(text)
        os.chmod(to, 0o644)

    def watch(self, name, **options):
        for client in self.clients:
            client.watch(name, **options)

    def watched(self):
        return [(client, name) for client in self.clients
                for name in client.watched]

    def publish(self, **kw):
        self.publisher = Publisher(self.site, **kw)
        self.publisher.start()

    def soon(self, t, condition, name, seconds=DEADLINE_S):
        """Once for each browser: condition(client)."""
        for client in self.clients:
            t.soon(lambda: condition(client), '%s: %s' % (client.name, name),
                   seconds, *[lambda n=n: client.story(n)
                              for n in client.watched])

    def flows(self, t, when, more=5, seconds=DEADLINE_S):
        """One check each: messages committed from now on arrive."""
        site = self.site
        at = (site.sql('SELECT coalesce(max(id), 0) FROM changes'))[0][0]
        for client, name in self.watched():
            t.soon(lambda: client.last(name) > at + more,
                   '%s, %s: messages come %s' % (client.name, name, when),
                   seconds, lambda: client.story(name))

    def complete(self, t, end=True):
        """One check each: every message that is in the table by now arrived
        once, in order and as it was stored; and there was no reset.  Ends the
        publisher before, if asked to."""
        if end:
            self.publisher.end()
        want = self.messages()
        t.note('%d messages' % len(want))
        for client, name in self.watched():
            until(lambda: client.count(name) >= len(want))
            got = client.got(name)
            if not end:
                got = got[:len(want)]
            self.compare(t, client, name, got, want)
        for client in self.clients:
            t.equal(client.thrown(), [],
                    client.name + ': the page threw nothing')

    def messages(self):
        """All of the channel, as got() has them."""
        rows = self.site.sql('SELECT id, channel, event, data, created_ms '
                             "FROM changes WHERE channel = 'feed' ORDER BY id")
        epoch = self.site.tidings('epoch').split('-')[0]
        return [['%s-%d' % (epoch, row[0])] + list(row[1:]) for row in rows]

    def compare(self, t, client, name, got, want):
        label = '%s, %s: ' % (client.name, name)
        ids = [int(m[0].rpartition('-')[2]) for m in got]
        t.ok(got == want and want, label + 'every message once and in order',
             'got %d of %d; %d twice; in order: %s' % (
                 len(got), len(want), len(ids) - len(set(ids)),
                 ids == sorted(ids)),
             'first difference: %r' % (next(
                 ((i, g, w) for i, (g, w) in enumerate(zip(got, want))
                  if g != w), None),),
             'missing: %r' % (sorted({m[0] for m in want} -
                                     {m[0] for m in got})[:5],),
             *[] if got == want else [client.story(name)])
        t.equal(client.told(name, 'reset'), [], label + 'no reset')


def chosen(only=None):
    return (only or os.environ.get('TIDINGS_BROWSERS', 'chromium,firefox')).split(',')


def stage_test(test, settings=None, only=None, **kw):
    """Runs test(t, stage) and exits; `only` in those browsers, if named."""
    def main(t):
        with Stage(settings, only, **kw) as stage:
            test(t, stage)
    run(main, *[BROWSERS[name].binary() for name in chosen(only)])


