#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-clocks-in-firefox.t - issue 4: the clocks of all five transports tick in
# Firefox too, one after the other in tabs of their own.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from firefox import Firefox  # noqa: E402
from page import published, run, ticks  # noqa: E402
from tidings_test import Site  # noqa: E402


def test(t):
    with Site(feeders=True) as site, Firefox() as browser:
        for transport in ('ws', 'sse', 'longpoll', 'iframe', 'poll'):
            browser.new_tab(site.url + '/clock-%s.html' % transport)
            t.note(transport)
            ticks(t, browser, site, 1)
            published(t, browser, site)
            browser.close_tab()
        browser.open(site.url + '/clock-sse.html')
        browser.js('fetch("/nowhere");'
                   'setTimeout(() => { throw new Error("thrown"); })')
        told = []

        def complained():
            told.extend(browser.complaints())
            return len(told) > 1
        t.soon(complained, 'a request refused and an error thrown are noticed',
               20, lambda: told)


run(test, Firefox.binary())
