#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-clock-ws.t - issue 1: the page over a WebSocket says hello and shows the
# answer; its clock ticks with tidings.json and with bare frames; it publishes,
# subscribes and unsubscribes; it resumes, and tells when the server is gone.

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, published, rows, run, ticks, until  # noqa: E402
from tidings_test import Site  # noqa: E402


def lines(browser, tag):
    return [line[-1] for line in browser.log() if line[0] == tag]


def lively(t, browser, site):
    browser.open(site.url + '/clock-ws.html')
    t.soon(lambda: browser.text('state') == 'OPEN (1), tidings.json',
           'open, with the subprotocol')
    ticks(t, browser, site)
    browser.choose('form', 'raw')
    t.soon(lambda: browser.text('state') == 'OPEN (1), no subprotocol',
           'open, without')
    ticks(t, browser, site, tag='frame')
    published(t, browser, site)


def echo(t, browser):
    t.soon(lambda: browser.text('answer') == 'Hello, server', 'it said hello')
    words = 'Gr\u00fc\u00dfe <i> "\u20ac"'
    browser.type('#hello', words)
    browser.click('#echo button')
    t.soon(lambda: browser.text('answer') == words,
           'the answer is what was sent')


def quiet(t, browser, site):
    browser.open(site.url + '/clock-ws.html')
    echo(t, browser)
    until(lambda: browser.state() == 'live')

    browser.type('#data', 'Good <morning>')
    browser.click('#send')
    t.soon(lambda: browser.text('said') == 'Answer to order 1: ok',
           'the order is answered', 20, lambda: browser.text('said'))
    t.soon(lambda: lines(browser, 'hello') == ['Good <morning>'],
           'what it published comes back', 20, browser.log)
    t.equal(rows( site.db, 'SELECT channel, data FROM changes'),
            [('hello', 'Good <morning>')], 'and is in the database')

    browser.type('#channel', 'a,b*')
    browser.click('#subscribe')
    t.soon(lambda: browser.text('said') == 'Answer to order 2: ok',
           'subscribing is answered')
    site.publish_sql('a,b*', 'after')
    t.soon(lambda: lines(browser, 'a,b*') == ['after'],
           'what comes there is shown', 20, browser.log)
    browser.click('#unsubscribe')
    t.soon(lambda: browser.text('said') == 'Answer to order 3: ok',
           'unsubscribing is answered')
    site.publish_sql('a,b*', 'late')
    site.publish_sql('hello', 'last')
    t.soon(lambda: 'last' in lines(browser, 'hello'),
           'and ends it, but not the rest')
    t.equal(lines(browser, 'a,b*'), ['after'], 'really')
    browser.click('#ping')
    t.soon(lambda: browser.text('said') == 'Answer to order 4: ok',
           'ping is answered')
    browser.type('#channel', ' ')
    browser.js('document.getElementById("channel").value = ""')
    browser.click('#send')
    t.soon(lambda: re.match('Answer to order 5: (?!ok)',
                            browser.text('said')),
           'an order that is wrong is refused in words', 20,
           lambda: browser.text('said'))

    browser.click('#stop')
    t.equal(browser.text('state'), 'closed by you', 'closed')
    site.publish_sql('hello', 'meanwhile')
    browser.click('#stop')
    t.soon(lambda: lines(browser, 'hello')[-2:] == ['last', 'meanwhile'],
           'resumes at its cursor', 20, browser.log)
    t.equal(browser.complaints(), [], 'no request failed')
    t.equal(browser.number('errors'), 0, 'no error')


def test(t):
    with Browser() as browser:
        with Site(feeders=True) as site:
            lively(t, browser, site)
        with Site() as site:
            quiet(t, browser, site)
        t.soon(lambda: 'CLOSED (3), code' in browser.text('state'),
               'tells when the server is gone')
        t.soon(lambda: 'CLOSED (3), code' in browser.text('echo-state'),
               'of the echo too')
        t.soon(lambda: browser.number('errors') > 1, 'and goes on trying')


run(test)
