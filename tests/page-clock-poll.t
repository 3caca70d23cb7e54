#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-clock-poll.t - issue 1: the clock over short polling ticks with
# XMLHttpRequest and with fetch, every one and every two seconds, hands back
# its cursor in both ways, counts the 304s and tells when the server is gone.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, published, rows, run, ticks, until  # noqa: E402
from tidings_test import Site  # noqa: E402


def quiet(t, browser, site):
    """Without a feeder, so that it is known what comes when."""
    site.publish_sql('clock', '2025-01-31T12:00:00Z')
    browser.open(site.url + '/clock-poll.html')
    t.soon(lambda: browser.clock() == '2025-01-31T12:00:00Z',
           'the first question brings the last message')
    for client in ('xhr', 'fetch'):
        browser.choose('client', client)
        before = browser.number('unchanged')
        t.soon(lambda: browser.number('unchanged') > before + 1,
               '304 is counted, ' + client)
    for client in ('xhr', 'fetch'):
        browser.choose('client', client)
        browser.choose('cursor', 'since')
        until(lambda: browser.log()[-1] == ['200', 'an empty list'])
        before = browser.number('unchanged'), browser.number('ok')
        until(lambda: browser.number('ok') > before[1] + 1)
        t.equal((browser.number('unchanged'), browser.log()[-1]),
                (before[0], ['200', 'an empty list']),
                'since= brings empty lists and no 304, ' + client)
        browser.choose('cursor', 'etag')
        published(t, browser, site)
    t.equal(browser.number('messages'), 3, 'three messages, none twice')
    t.equal(int(browser.text('cursor').split('-')[-1]),
            rows(site.db, 'SELECT max(id) FROM changes')[0][0],
            'the cursor is that of the last')


def lively(t, browser, site):
    """With the feeder."""
    browser.open(site.url + '/clock-poll.html')
    ticks(t, browser, site)
    browser.choose('client', 'fetch')
    browser.choose('interval', '2000')
    ticks(t, browser, site)
    t.equal(browser.text('state'), 'asking every two seconds',
            'and tells how it asks')
    browser.click('#stop')
    asked = browser.number('asked')
    t.equal(until(lambda: browser.number('asked') > asked, 3), False,
            'it stops')
    browser.click('#stop')
    t.soon(lambda: browser.number('asked') > asked, 'and goes on')
    t.equal(browser.number('failures'), 0, 'still without a failure')


def test(t):
    with Browser() as browser:
        with Site() as site:
            quiet(t, browser, site)
        with Site(feeders=True) as site:
            lively(t, browser, site)
        t.soon(lambda: browser.state() == 'error',
               'tells when the server is gone')
        t.soon(lambda: browser.number('failures') > 1,
               'and goes on asking, less often')


run(test)
