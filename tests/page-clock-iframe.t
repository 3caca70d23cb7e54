#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-clock-iframe.t - issue 1: the scripts of the hidden iframe make the
# parent's clock tick, by the default callback and by another; a new frame
# goes on at the last cursor; a lost server is told.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, published, run, ticks, until  # noqa: E402
from tidings_test import Site  # noqa: E402

FRAMES = 'return document.querySelectorAll("iframe").length'


def lively(t, browser, site):
    browser.open(site.url + '/clock-iframe.html')
    ticks(t, browser, site)
    t.equal(browser.js('return document.readyState'), 'complete',
            'the parent counts as loaded')
    t.equal(browser.js('return /^[^-]+-[0-9]+$/.test(document.querySelector('
                       '"iframe").contentWindow.tidings.cursor)'),
            True, 'the stream tells its cursor')
    published(t, browser, site)

    # A message that comes while there is no frame is not lost.
    browser.click('#stop')
    t.equal(browser.js(FRAMES), 0, 'no frame when stopped')
    site.publish_sql('clock', 'meanwhile')
    browser.click('#stop')
    t.soon(lambda: 'meanwhile' in [line[-1] for line in browser.log()],
           'what came meanwhile is brought by the next frame')
    browser.click('#reload')
    t.soon(lambda: browser.number('frames') == 3, 'another frame')
    browser.choose('callback', 'tick')
    t.soon(lambda: 'callback=tick' in browser.js(
        'return document.querySelector("iframe").src'),
           'with another callback')
    ticks(t, browser, site)
    t.equal(browser.js(FRAMES), 1, 'one frame at a time')
    t.equal(browser.number('failures'), 0, 'no failure')


def quiet(t, browser, site):
    """What an ended stream does to the page, and what the data may not do."""
    browser.open(site.url + '/clock-iframe.html')
    evil = '</script><script>parent.document.title="gone"</script><!--'
    site.publish_sql('clock', evil)
    t.soon(lambda: browser.text('words') == evil,
           'data does not break out of its script', 20, browser.log)
    t.equal('gone' in browser.js('return document.title'), False,
            'and runs nothing')
    t.equal(browser.number('messages'), 1, 'it is the one message')
    browser.js('document.querySelector("iframe").src = "style.css"')
    t.soon(lambda: browser.state() == 'error',
           'a frame that is no stream is a failure')
    site.publish_sql('clock', '2025-01-31T12:00:00Z')
    t.soon(lambda: browser.clock() == '2025-01-31T12:00:00Z',
           'and another goes on')
    t.equal(browser.number('messages'), 2, 'where the last was')


def lives(t, browser, site):
    """Streams end; the server ends them after a second or two here."""
    browser.open(site.url + '/clock-iframe.html')
    sent = ['0']
    site.publish_sql('clock', '0')
    until(lambda: browser.text('words') == '0')

    def publish():
        sent.append('%d' % len(sent))
        site.publish_sql('clock', sent[-1])
        return browser.number('frames') > 3

    t.soon(publish, 'an ended stream is opened anew')
    t.soon(lambda: browser.text('words') == sent[-1], 'and goes on')
    t.equal(browser.number('messages'), len(sent), 'without a loss')
    t.equal(browser.number('failures'), 0, 'which is no failure')
    t.equal(browser.complaints(), [], 'no request failed')


def test(t):
    with Browser() as browser:
        with Site(feeders=True) as site:
            lively(t, browser, site)
        with Site() as site:
            quiet(t, browser, site)
        with Site({'tidings': {'life_min': '1s', 'life_max': '2s'}}) as site:
            lives(t, browser, site)
        # Longer than the page takes to see that nothing comes any more: a
        # document that was cut off does not load to its end.
        t.soon(lambda: browser.state() == 'error',
               'tells when the server is gone', 60)
        t.soon(lambda: browser.number('failures') > 1, 'and goes on trying')


run(test)
