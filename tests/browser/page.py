# SPDX-License-Identifier: MIT
"""What the tests of the pages have in common: a headless Chromium, and
waiting with a deadline.

    def test(t):
        with Site(feeders=True) as site, Browser() as browser:
            browser.open(site.url + '/clock-poll.html')
            t.soon(lambda: browser.clock(), 'the clock shows a time')

    run(test)

Chromium is driven by Debian's python3-selenium; that is why the tests name
/usr/bin/python3.  Without it they are skipped.

It is chromium-headless-shell: the engine and the network of Chromium without
the windows, menus and profiles around them, which take half of the processor's
time.  TIDINGS_CHROMIUM=chromium takes the whole one.
"""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, '..', 'lib'))
import tidings_test  # noqa: E402

# The browser is on this machine; a proxy would not know it.
os.environ['NO_PROXY'] = os.environ['no_proxy'] = '*'

DEADLINE_S = 20
TIME = re.compile(r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$')


class Tap(tidings_test.Tap):
    def soon(self, condition, name, seconds=DEADLINE_S, *details):
        """Passed if the condition becomes true before the deadline; the
        details are called and told if not.  Returns what it gave."""
        got = until(condition, seconds)
        self.ok(got, name, 'not within %g s' % seconds,
                *[] if got else [one() for one in details])
        return got


def until(condition, seconds=DEADLINE_S):
    """Waits for the condition to give something true, and returns that, or
    the last thing it gave."""
    end = tidings_test.deadline(seconds)
    while True:
        got = condition()
        if got or time.monotonic() >= end:
            return got
        time.sleep(0.05)


def run(test, *browsers):
    """Runs the test and exits; a skip if a tool is missing.  It needs a
    Chromium unless it names other programs."""
    browsers = browsers or (Browser.binary(),)
    tidings_test.need(*browsers)
    if {Browser.binary(), Whole.binary()} & set(browsers):
        tidings_test.need('chromedriver')
        try:
            import selenium.webdriver  # noqa: F401
        except ImportError:
            tidings_test.skip_all('needs python3-selenium')
    # So that "with" closes the browser and the site.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    tidings_test.Tap = Tap
    tidings_test.run(test)


def rows(database, sql, *arguments):
    """Reads from the database of the site."""
    connection = sqlite3.connect(database, timeout=5)
    try:
        return connection.execute(sql, arguments).fetchall()
    finally:
        connection.close()


class Pages:
    """What a test does with the page in front, in whichever browser: each
    has click(), js(), type() and so on of its own."""

    def open(self, url):
        """Goes to the page; what went wrong before is forgotten."""
        self.navigate('about:blank')
        self.complaints()
        self.visit(url)

    def visit(self, url):
        """Goes there from where it is."""
        self.origin = re.match(r'\w+://[^/]*/', url).group()
        self.navigate(url)

    def text(self, name):
        """The text of the element with that id."""
        return self.js('return document.getElementById(arguments[0])'
                       '.textContent', name)

    def number(self, name):
        return int(self.text(name))

    def choose(self, name, value):
        self.click('input[name="%s"][value="%s"]' % (name, value))

    def state(self, name='state'):
        """live, wait or error."""
        return self.js('return document.getElementById(arguments[0])'
                       '.dataset.state', name)

    def clock(self):
        """The time that the clock shows, as it was published; else None."""
        value, text = self.js(
            'const clock = document.getElementById("clock");'
            'return [clock.dateTime, clock.textContent]')
        if not TIME.match(value):
            return None
        assert value[11:19] == text, 'shows %r for %r' % (text, value)
        return value

    def log(self):
        """The lines of the page's log, oldest first: [tag, text]."""
        return self.js(
            'return [...document.querySelectorAll("#log li")].reverse()'
            '.map(line => [...line.children].map(e => e.textContent))')

    def stopped(self):
        """Its processes stand still while the "with" lasts, as those of a
        machine that sleeps."""
        return tidings_test.stopped(self.pids())


class Browser(Pages):
    """A Chromium without a screen."""

    name = 'chromium'
    SHELL = 'chromium-headless-shell'

    FLAGS = (
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-dev-shm-usage',
        '--no-proxy-server',
        '--window-size=1280,900',
        # One process for what a page needs: each costs half a second.
        '--renderer-process-limit=1',
        '--disable-site-isolation-trials',
        '--disable-features=IsolateOrigins,site-per-process,SpareRendererForSitePerProcess',
    )

    @classmethod
    def binary(cls):
        return os.environ.get('TIDINGS_CHROMIUM', cls.SHELL)

    def __enter__(self):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        self.directory = tempfile.mkdtemp(prefix='tidings-browser.')
        options = webdriver.ChromeOptions()
        if self.binary() == self.SHELL:
            options.set_capability('browserName', 'chrome-headless-shell')
        else:
            options.add_argument('--headless=new')
        options.binary_location = shutil.which(self.binary())
        for flag in self.FLAGS:
            options.add_argument(flag)
        options.add_argument('--user-data-dir=' + self.directory)
        options.set_capability('goog:loggingPrefs',
                               {'browser': 'ALL', 'performance': 'ALL'})
        try:
            self.driver = webdriver.Chrome(
                service=Service(shutil.which('chromedriver'),
                                log_path=os.devnull),
                options=options)
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        # On a busy machine even about:blank takes its time.
        self.driver.set_page_load_timeout(4 * DEADLINE_S)
        self.driver.set_script_timeout(DEADLINE_S)
        self.origin = None      # of the page
        self.requests = {}      # URL by request id
        return self

    def __exit__(self, *_):
        try:
            self.driver.quit()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def pids(self):
        """Of Chromium and all its children; not of its driver."""
        driver = self.driver.service.process.pid
        return [pid for pid in tidings_test.family(driver) if pid != driver]

    def navigate(self, url):
        self.driver.get(url)

    def back(self):
        self.driver.back()

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def js_async(self, script, *arguments):
        """The script calls its last argument with what is returned."""
        return self.driver.execute_async_script(script, *arguments)

    def click(self, selector):
        self.driver.find_element('css selector', selector).click()

    def type(self, selector, text):
        element = self.driver.find_element('css selector', selector)
        element.clear()
        element.send_keys(text)

    @contextlib.contextmanager
    def frozen(self):
        """The page looked at stands still, as those in the background may."""
        freeze = functools.partial(self.driver.execute_cdp_cmd,
                                   'Page.setWebLifecycleState')
        freeze({'state': 'frozen'})
        tab = self.tab()
        try:
            yield
        finally:
            self.look(tab)
            freeze({'state': 'active'})

    def screenshot(self, path):
        self.driver.save_screenshot(path)

    def complaints(self):
        """What went wrong since the last call: requests that failed or were
        refused, and what the console calls severe."""
        bad = [entry['message'] for entry in self.driver.get_log('browser')
               if entry['level'] == 'SEVERE']
        for entry in self.driver.get_log('performance'):
            message = json.loads(entry['message'])['message']
            method, what = message['method'], message['params']
            if method == 'Network.requestWillBeSent':
                self.requests[what['requestId']] = what['request']['url']
            # Not what the browser does by itself when it starts.
            url = self.requests.get(what.get('requestId'), '')
            if self.origin is None or not url.startswith(self.origin):
                continue
            if method == 'Network.responseReceived':
                if what['response']['status'] >= 400:
                    bad.append('%d: %s' % (what['response']['status'], url))
            elif method == 'Network.loadingFailed':
                # Canceled is what the page itself broke off.
                if not what.get('canceled'):
                    bad.append('%s: %s' % (what['errorText'], url))
        return bad

    # -- tabs: what is done to a page is done to the one looked at

    def tab(self):
        """The one looked at."""
        return self.driver.current_window_handle

    def tabs(self):
        return self.driver.window_handles

    def new_tab(self, url=None):
        """Opens one, in front, looks at it and returns it."""
        self.driver.switch_to.new_window('tab')
        if url is not None:
            self.visit(url)
        return self.tab()

    def look(self, tab):
        """At that one, wherever it is."""
        self.driver.switch_to.window(tab)

    def switch(self, tab):
        """To the front with it."""
        self.look(tab)
        self.driver.execute_cdp_cmd('Page.bringToFront', {})

    def close_tab(self):
        """Closes the one looked at; looks at one that is left."""
        self.driver.close()
        left = self.tabs()
        if left:
            self.look(left[-1])


class Whole(Browser):
    """The Chromium that people have: the shell knows no hidden tab, and keeps
    no page to go back to."""

    @classmethod
    def binary(cls):
        return 'chromium'


def ticks(t, browser, site, changes=2, tag=None):
    """Three checks that every clock passes: it changes, what it showed is what
    the database has, and no request failed.  If a tag is given, only lines of
    the log with that tag count."""
    seen = []

    def changed():
        value = browser.clock()
        if value and value not in seen:
            seen.append(value)
        return len(seen) > changes

    t.soon(changed, 'the clock changes at least twice', DEADLINE_S,
           lambda: 'saw %r, state %r, log %r' % (
               seen, browser.text('state'), browser.log()))

    # The log has the latest messages: one after the other, none missing,
    # none twice.
    logged = [line[-1] for line in browser.log()
              if TIME.match(line[-1]) and tag in (None, line[0])]
    stored = [row[0] for row in rows(
        site.db, "SELECT data FROM changes WHERE channel = 'clock' "
        'ORDER BY id') if TIME.match(row[0])]
    at = stored.index(logged[0]) if logged and logged[0] in stored else 0
    t.equal(logged or 'nothing', stored[at:at + len(logged)],
            'what it showed is what the database has, in order')
    t.equal(browser.complaints(), [], 'no request failed')


def published(t, browser, site, channel='clock'):
    """One check: a message by plain SQL shows up as the very same text."""
    words = 'Hello <b>&amp; "you"</b> \u00e4\u20ac\U0001f514 %d' % t.n
    site.publish_sql(channel, words)
    t.soon(lambda: words in [line[-1] for line in browser.log()],
           'a row by plain SQL shows up as it is', DEADLINE_S, browser.log)


def panels_are_true(t, browser):
    """One check: what a page shows of its server side is what the server runs.
    Lines of <code data-of="FILE"> stand in that file, in this order; a line
    with dots stands for some that are left out."""
    lost = []
    shown = browser.js('return [...document.querySelectorAll("code[data-of]")]'
                       '.map(code => [code.dataset.of, code.textContent])')
    for name, code in shown:
        with open(os.path.join(tidings_test.SRC, 'htdocs', name)) as f:
            lines = [line.strip() for line in f]
        at = 0
        for line in filter(None, map(str.strip, code.splitlines())):
            if line == '\u2026':
                continue
            if line in lines[at:]:
                at = lines.index(line, at) + 1
            else:
                lost.append('%s: %s' % (name, line))
    t.ok(shown and not lost, 'the server side that it shows is the real one', *lost)
