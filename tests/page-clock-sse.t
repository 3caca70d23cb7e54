#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-clock-sse.t - issue 1: the clock over server-sent events ticks, custom
# events arrive with their JSON, close() and opening anew lose nothing, and
# both kinds of error show: CONNECTING when the line breaks, CLOSED when
# refused.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, published, rows, run, ticks, until  # noqa: E402
from tidings_test import Site  # noqa: E402


def lively(t, browser, site):
    browser.open(site.url + '/clock-sse.html')
    t.soon(lambda: browser.text('state') == 'OPEN (1)', 'open')
    ticks(t, browser, site)
    published(t, browser, site)
    t.soon(lambda: browser.number('slides') > 0, 'the feeder brings a slide')


def quiet(t, browser, site):
    browser.open(site.url + '/clock-sse.html')
    t.soon(lambda: browser.number('opens') == 1, 'open counts')
    site.publish_sql('slides', '{"n":7,"title":"Seven"}', 'slide')
    t.soon(lambda: [browser.text('slide'), browser.text('under')] ==
           ['Seven', 'slide 7'],
           'slide')
    site.publish_sql('slides', '{"n":7,"seconds":3}', 'pause')
    t.soon(lambda: browser.text('under') == 'a pause of 3 s after slide 7',
           'pause')
    site.publish_sql('clock', 'two\nlines')
    t.soon(lambda: browser.text('words') == 'two\nlines',
           'two lines are one message')
    site.publish_sql('slides', 'no JSON', 'slide')
    t.soon(lambda: browser.text('slide') == 'no JSON',
           'a slide that is no JSON is shown as it is')
    t.equal([browser.number(name) for name in (
        'messages', 'slides', 'pauses', 'errors')], [1, 2, 1, 0],
            'each counted once')
    t.equal(browser.text('cursor').split('-')[-1],
            str(rows(site.db, 'SELECT max(id) FROM changes')[0][0]),
            'the id is that of the last')

    browser.click('#close')
    t.equal(browser.text('state'), 'CLOSED (2)', 'close()')
    site.publish_sql('clock', 'meanwhile')
    browser.click('#open')
    t.soon(lambda: browser.text('words') == 'meanwhile',
           'what came meanwhile comes when it is opened anew')
    t.equal(browser.number('messages'), 2, 'and only that')
    t.equal(browser.complaints(), [], 'no request failed')

    browser.click('#wrong')
    t.soon(lambda: browser.text('state').startswith('CLOSED (2): refused'),
           'CLOSED when refused')
    site.publish_sql('clock', 'and again')
    t.soon(lambda: browser.text('words') == 'and again',
           'opened anew by the page, at its cursor')
    t.equal(browser.number('messages'), 3, 'still each message once')
    browser.complaints()  # the 400 that was asked for


def reset(t, browser, site):
    """A cursor of another database."""
    browser.js('EventSource = new Proxy(EventSource, { construct: (f, [url]) '
               '=> new f(url.replace(/since=[^&]*/, "since=other-1")) })')
    browser.click('#open')
    t.soon(lambda: 'tidings.reset' in [line[0] for line in browser.log()],
           'tidings.reset is told')


def lives(t, browser, site):
    """Streams end; the server ends them after a second or two here."""
    browser.open(site.url + '/clock-sse.html')
    sent = ['0']
    site.publish_sql('clock', '0')
    until(lambda: browser.text('words') == '0')

    def publish():
        sent.append('%d' % len(sent))
        site.publish_sql('clock', sent[-1])
        return browser.number('opens') > 3

    t.soon(publish, 'an ended stream is opened anew by the browser')
    t.soon(lambda: browser.text('words') == sent[-1], 'and goes on')
    t.equal(browser.number('messages'), len(sent), 'without a loss')


def test(t):
    with Browser() as browser:
        with Site(feeders=True) as site:
            lively(t, browser, site)
        with Site() as site:
            quiet(t, browser, site)
            reset(t, browser, site)
        with Site({'tidings': {'life_min': '1s', 'life_max': '2s',
                               'retry': '200ms'}}) as site:
            lives(t, browser, site)
        t.soon(lambda: browser.text('state').startswith(
            'CONNECTING (0): the browser'),
               'CONNECTING when the line breaks')
        t.soon(lambda: browser.number('errors') > 2, 'again and again', 40)


run(test)
