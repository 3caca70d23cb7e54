#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-home.t - issues 1 and 4: the home page, in each language, leads to all
# pages and to the status, shows live what is published, and the examples that
# it shows work when they are typed in.

import os
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, rows, run  # noqa: E402
from tidings_test import Site  # noqa: E402

CARDS = ['compare.html', 'quotes.html', 'news.html', 'chat.html',
         'login.html', 'monitor.html']
CLOCKS = ['clock-poll.html', 'clock-longpoll.html', 'clock-iframe.html',
          'clock-sse.html', 'clock-ws.html']


def stored(site):
    return [row[0] for row in rows(site.db, "SELECT data FROM changes "
                                   "WHERE channel = 'hello' ORDER BY id")]


def cards(browser, selector):
    return browser.js('return [...document.querySelectorAll(arguments[0])]'
                      '.map(a => a.getAttribute("href"))', selector)


def links(t, browser, page):
    t.equal(cards(browser, '#main > .pages a'), CARDS,
            page + ' lists the product pages')
    t.equal(cards(browser, '#clocks .pages a'), CLOCKS, 'and the five clocks')
    t.equal(browser.js(
        'return [...document.querySelectorAll(".pages p")].every('
        'p => /^[^.\u3002]+[.\u3002]$/.test(p.textContent))'),
            True, 'each with one sentence')
    answers = browser.driver.execute_async_script('''
        const done = arguments[arguments.length - 1];
        Promise.all([...document.querySelectorAll('[href]')].map(e =>
            fetch(e.href).then(r => [e.getAttribute('href'), r.status])))
            .then(done)''')
    t.equal([one for one in answers if one[1] != 200], [], 'no link is broken')
    t.ok(['push/status', 200] in answers, 'one is to the status', answers)
    t.equal(browser.js('''
        return [...document.querySelectorAll('link[hreflang]')].map(link =>
            [link.hreflang, link.getAttribute('href')]);'''),
            [['en', 'index.html'], ['zh-CN', 'index.zh-CN.html']],
            'it names both languages')


def live(t, browser, site, page):
    t.soon(lambda: browser.state() == 'live', page + ' is live')
    site.publish_sql('clock', '2025-01-31T12:34:56Z')
    t.soon(lambda: browser.text('clock') == '12:34:56', 'its clock is')
    words = 'Hello <b>&amp; "you"</b> ' + page
    site.publish_sql('hello', words)
    t.soon(lambda: browser.text('hello') == words,
           'and shows what is published, as it is')
    browser.open(site.url + '/' + page)
    t.soon(lambda: browser.text('hello') == words, 'also to who comes later')


def examples(t, browser, site):
    curl, sqlite = browser.js('return [...document.querySelectorAll('
                              '".examples code")].map(e => e.textContent)')
    before = len(stored(site))
    subprocess.run(shlex.split(curl) + ['-fsS'], check=False,
                   stdout=subprocess.DEVNULL)
    t.equal(len(stored(site)), before + 1, 'the example with curl publishes')
    t.soon(lambda: browser.text('hello') == stored(site)[-1], 'and it shows')
    command = shlex.split(sqlite)
    command[command.index('var/tidings.db')] = site.db
    subprocess.run(command, check=False)
    t.equal(len(stored(site)), before + 2, 'the one with sqlite3 too')
    t.soon(lambda: browser.text('hello') == stored(site)[-1], 'and it shows')


def ten_lines(t, browser, site, page):
    """What the page says one begins with does work."""
    insert, script = browser.js('''
        return [...document.querySelectorAll('.begin code')].slice(1)
            .map(e => e.textContent);''')
    with open(os.path.join(site.dir, 'htdocs', 'begin.html'), 'w',
              encoding='utf-8') as f:
        f.write('<!doctype html><meta charset="utf-8">' + script)
    browser.open(site.url + '/begin.html')
    browser.js('feed.on("open", () => { document.title = "open" })')
    t.soon(lambda: browser.js('return document.title || feed.status.state')
           == 'open', 'the page of ' + page + ' opens')
    subprocess.run(['sqlite3', '-cmd', '.timeout 5000', site.db, insert],
                   check=False)
    t.soon(lambda: browser.text('hello') and
           browser.text('hello') == stored(site)[-1],
           'and shows what its INSERT publishes')


def test(t):
    with Site() as site, Browser() as browser:
        for page in ('index.html', 'index.zh-CN.html'):
            browser.open(site.url + '/' + page)
            links(t, browser, page)
            live(t, browser, site, page)
            examples(t, browser, site)
            t.equal(browser.complaints(), [], 'no request failed')
            ten_lines(t, browser, site, page)


run(test)
