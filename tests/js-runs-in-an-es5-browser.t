#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 4: in a real browser whose window has lost all that ES5 browsers did not
# have, fetch, EventSource, WebSocket, Promise, Map and the like, the library's
# frames and polls bring every message of the real server once and in order,
# while their program is killed as well, and it publishes; so does the ladder by
# itself, and a line is shared between frames of the page without Web Locks.
import json, os, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'browser'))
from page import Browser, rows, run
from tidings_test import Failure, Site

GONE = '''fetch Request Response Headers EventSource WebSocket Promise BroadcastChannel
    ReadableStream WritableStream TransformStream TextDecoder TextEncoder AbortController
    AbortSignal URL URLSearchParams Map Set WeakMap WeakSet WeakRef Symbol Proxy Reflect BigInt
    customElements MutationObserver IntersectionObserver ResizeObserver requestIdleCallback
    queueMicrotask structuredClone SharedWorker Worker MessageChannel crypto performance
    Object.assign Object.entries Object.values Object.fromEntries Object.is
    Array.from Array.of Array.prototype.find Array.prototype.findIndex Array.prototype.includes
    Array.prototype.fill Array.prototype.flat Array.prototype.flatMap Array.prototype.at
    Number.isInteger Number.isFinite Number.isNaN Number.parseFloat Math.trunc Math.sign
    String.prototype.startsWith String.prototype.endsWith String.prototype.includes
    String.prototype.repeat String.prototype.padStart String.prototype.trimStart
    String.prototype.matchAll String.prototype.replaceAll
    Element.prototype.remove Element.prototype.append Element.prototype.prepend
    Element.prototype.closest Element.prototype.matches Element.prototype.toggleAttribute
    Navigator.prototype.locks Navigator.prototype.sendBeacon Navigator.prototype.serviceWorker
    '''.split()

PAGE = '''<!DOCTYPE html>
<html><head>
<meta charset="utf-8">
<link rel="icon" href="icon.svg">
<title>Of old</title>
<script>
var gone = '%s'.split(' '), left = [], i;
for (i = 0; i < gone.length; i++)
    (function (steps) {
        var last = steps.pop(), at = window, k;

        for (k = 0; at && k < steps.length; k++)
            at = at[steps[k]];
        if (at)
            delete at[last];
        if (at && last in at && !(at === Navigator.prototype))
            left.push(gone[i]);
    })(gone[i].split('.'));
if (navigator.locks)
    left.push('navigator.locks');
</script>
<script src="tidings.js"></script>
<script>
var data = [], states = [], published = [], resets = 0;
function begin(options) {
    window.feed = new Tidings('/push', options);
    feed.on('message', function (m) {
        if (m.channel === 'own')
            published.push(m.id);
        else
            data.push(m.data);
    });
    feed.on('status', function (status) {
        states.push(status.state + ' ' + status.transport);
    });
    feed.on('reset', function () {
        resets++;
    });
}
function publish() {
    feed.publish('own', { n: 1 }, null, function (error, id) {
        window.answer = error ? String(error) : id;
    });
}
</script>
</head><body><p>A page as it was.</p></body></html>
'''


class Publisher(threading.Thread):
    """Inserts numbers until it is stopped."""

    def __init__(self, site, channel):
        super().__init__(daemon=True)
        self.site, self.channel = site, channel
        self.sent, self.going = [], True
        self.start()

    def run(self):
        while self.going:
            self.publish('%d \u00e4</script>' % len(self.sent))
            time.sleep(0.05)

    def publish(self, data):
        self.site.publish_sql(self.channel, data)
        self.sent.append(data)

    def end(self):
        self.going = False
        self.join()
        self.publish('the end')
        return self.sent


def ask(browser, expression):
    """What it is in the page.  What else the driver does there wants a browser
    of today, and this does nothing in the page but that."""
    got = browser.driver.execute_cdp_cmd(
        'Runtime.evaluate', {'expression': expression, 'returnByValue': True})
    if 'exceptionDetails' in got:
        raise Failure(got['exceptionDetails'])
    return got['result'].get('value')


def open_page(t, browser, site, name):
    browser.open(site.url + '/of-old.html')
    t.equal(ask(browser, 'left'), [], name + ': the browser has lost all of it')


def state(browser):
    return ask(browser, 'feed.status.state + " " + feed.status.transport')


def delivers(t, browser, site, transports, program):
    """With these transports alone; `program` is the one that it comes to use."""
    name = ', '.join(transports) if transports else 'the ladder'
    channel = 'old-' + '-'.join(transports or ['all'])
    site.publish_sql(channel, 'before')
    open_page(t, browser, site, name)
    options = {'channels': [channel, 'own'], 'since': 'earliest', 'share': False,
               'interval': 200, 'retry': 300, 'silence': 4000}
    if transports:
        options['transports'] = transports
    ask(browser, 'begin(%s)' % json.dumps(options))
    data = lambda: ask(browser, 'data')
    t.soon(lambda: data() == ['before'], name + ': it begins', 20,
           lambda: ask(browser, 'states'))
    t.equal(state(browser), 'open ' + program, name + ': it is open')

    publisher = Publisher(site, channel)
    try:
        for _ in range(2):
            n = len(data())
            t.soon(lambda: len(data()) > n + 5, name + ': messages come', 30, data)
            site.kill(program)
        n = len(data())
        t.soon(lambda: len(data()) > n + 5, name + ': they go on after it was killed', 30, data)
    finally:
        sent = publisher.end()
    t.soon(lambda: data()[-1:] == ['the end'], name + ': to the last', 30, data)
    t.equal(data(), ['before'] + sent, name + ': each once and in order')
    ask(browser, 'publish()')
    t.soon(lambda: ask(browser, 'window.answer && published.indexOf(answer) >= 0'),
           name + ': it publishes, and has it', 20, lambda: ask(browser, 'window.answer'))
    t.equal(ask(browser, 'resets'), 0, name + ': no reset')
    ask(browser, 'feed.close()')
    t.equal(rows(site.db, "SELECT data FROM changes WHERE channel = 'own' ORDER BY id DESC LIMIT 1"),
            [('{"n":1}',)], name + ': as JSON')


def shares(t, browser, site):
    """Two pages of a browser that has storage events and no more."""
    site.publish_sql('shared', 'before')
    open_page(t, browser, site, 'two tabs')
    options = {'channels': ['shared'], 'since': 'earliest', 'transports': ['longpoll']}
    first = browser.driver.current_window_handle
    ask(browser, 'begin(%s)' % json.dumps(options))
    t.soon(lambda: ask(browser, 'data.length'), 'two tabs: the first begins')
    browser.driver.switch_to.new_window('tab')
    second = browser.driver.current_window_handle
    browser.driver.get(site.url + '/of-old.html')
    ask(browser, 'begin(%s)' % json.dumps(options))
    t.soon(lambda: ask(browser, 'data.join()') == 'before', 'two tabs: the second begins', 20,
           lambda: ask(browser, '[data, states]'))
    t.equal(ask(browser, 'feed.status.leader'), False, 'two tabs: by the line of the first')
    site.wait_subscribers('shared', 1)
    for n in range(20):
        site.publish_sql('shared', str(n))
    want = 'before,' + ','.join(map(str, range(20)))
    for handle, which in ((second, 'second'), (first, 'first')):
        browser.driver.switch_to.window(handle)
        t.soon(lambda: ask(browser, 'data.join()') == want,
               'two tabs: all comes to the ' + which, 20, lambda: ask(browser, 'data'))
    browser.driver.close()
    browser.driver.switch_to.window(second)
    site.publish_sql('shared', 'alone')
    t.soon(lambda: ask(browser, 'data.join()') == want + ',alone',
           'two tabs: the second goes on when the first is closed', 40,
           lambda: ask(browser, '[data, states]'))
    t.equal(ask(browser, 'feed.status.leader'), True, 'two tabs: it leads')


def test(t):
    # Chromium tells nobody that a frame broke off: that it is silent does.
    with Site(settings={'tidings': {'heartbeat': '1s'}}) as site, Browser() as browser:
        with open(os.path.join(site.dir, 'htdocs', 'of-old.html'), 'w') as f:
            f.write(PAGE % ' '.join(GONE))
        delivers(t, browser, site, ['iframe'], 'iframe')
        delivers(t, browser, site, ['poll'], 'poll')
        delivers(t, browser, site, ['longpoll'], 'longpoll')
        delivers(t, browser, site, None, 'longpoll')
        shares(t, browser, site)


run(test)
