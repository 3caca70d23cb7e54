#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-clock-longpoll.t - issue 1: the clock over long polling ticks with
# XMLHttpRequest and fetch, as GET and as POST; it asks again when an answer
# came, when its two seconds are over and, more slowly, when asking failed.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, published, run, ticks, until  # noqa: E402
from tidings_test import Site  # noqa: E402


def lively(t, browser, site):
    """With the feeder."""
    browser.open(site.url + '/clock-longpoll.html')
    for client in ('xhr', 'fetch'):
        for method in ('GET', 'POST'):
            t.note('%s, %s' % (client, method))
            browser.choose('client', client)
            browser.choose('method', method)
            ticks(t, browser, site)
    t.equal(browser.number('failures'), 0, 'no failure')


def quiet(t, browser, site):
    """Without one, so that the questions time out."""
    site.publish_sql('clock', '2025-01-31T12:00:00Z')
    browser.open(site.url + '/clock-longpoll.html')
    t.soon(lambda: browser.clock() == '2025-01-31T12:00:00Z',
           'the first question brings the last message')
    for client in ('xhr', 'fetch'):
        for method in ('GET', 'POST'):
            t.note('%s, %s' % (client, method))
            browser.choose('client', client)
            browser.choose('method', method)
            before = browser.number('timeouts')
            t.soon(lambda: browser.number('timeouts') > before + 1,
                   'asks again when the time is over')
            published(t, browser, site)
    t.equal(browser.number('messages'), 5, 'each message once')
    browser.choose('channel', 'slides')
    site.publish_sql('slides', '{"n":7,"title":"Seven"}', 'slide')
    t.soon(lambda: [browser.text('clock'), browser.text('date')] ==
           ['Seven', 'slide 7'],
           'a slide is read as JSON')
    t.equal(browser.number('failures'), 0, 'no failure')
    browser.click('#stop')
    asked = browser.number('asked')
    t.equal(until(lambda: browser.number('asked') > asked, 3), False,
            'it stops')
    browser.click('#stop')
    t.soon(lambda: browser.number('asked') > asked, 'and goes on')
    t.equal(browser.complaints(), [], 'no request failed')


def test(t):
    with Browser() as browser:
        with Site(feeders=True) as site:
            lively(t, browser, site)
        with Site() as site:
            quiet(t, browser, site)
        t.soon(lambda: browser.state() == 'error',
               'tells when the server is gone')
        t.soon(lambda: browser.number('failures') > 1, 'and goes on asking')


run(test)
