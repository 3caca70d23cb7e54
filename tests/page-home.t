#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-home.t - issue 1: the home page leads to the six pages and to the
# status, and the examples that it shows work when they are typed in.

import os
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, rows, run  # noqa: E402
from tidings_test import Site  # noqa: E402

PAGES = ['clock-poll.html', 'clock-longpoll.html', 'clock-iframe.html',
         'clock-sse.html', 'clock-ws.html', 'monitor.html']


def stored(site):
    return [row[0] for row in rows(site.db, "SELECT data FROM changes "
                                   "WHERE channel = 'clock' ORDER BY id")]


def test(t):
    with Site() as site, Browser() as browser:
        browser.open(site.url + '/')
        links = browser.js('return [...document.querySelectorAll('
                           '".pages a")].map(a => a.getAttribute("href"))')
        t.equal(links, PAGES, 'it lists the six pages')
        t.equal(browser.js(
            'return [...document.querySelectorAll(".pages p")].every('
            'p => /^[^.]+\\.$/.test(p.textContent))'),
                True, 'each with one sentence')
        answers = browser.driver.execute_async_script('''
            const done = arguments[arguments.length - 1];
            Promise.all([...document.links].map(a => fetch(a.href)
                .then(r => [a.getAttribute('href'), r.status]))).then(done)''')
        t.equal([one for one in answers if one[1] != 200], [],
                'no link is broken')
        t.ok(['push/status', 200] in answers, 'one is to the status', answers)

        curl, sqlite = browser.js('return [...document.querySelectorAll('
                                  '".examples code")].map(e => e.textContent)')
        subprocess.run(shlex.split(curl) + ['-fsS'], check=False,
                       stdout=subprocess.DEVNULL)
        t.equal(stored(site), ['Hello from curl'],
                'the example with curl publishes')
        command = shlex.split(sqlite)
        command[1] = site.db
        subprocess.run(command, check=False)
        t.equal(stored(site), ['Hello from curl', 'Hello from SQL'],
                'the example with sqlite3 publishes')
        t.equal(browser.complaints(), [], 'no request failed')


run(test)
