#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-chat-in-readme.t - the chat that README shows to be pasted: what is
# written in the page is there once, others get it, and nothing is lost or
# doubled when its line breaks.

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, rows, run  # noqa: E402
from tidings_test import SRC, Site  # noqa: E402


def paste(folder):
    with open(os.path.join(SRC, 'README.md'), encoding='utf-8') as f:
        page = re.search(r'^```html\n(<!DOCTYPE.*?)^```', f.read(),
                         re.M | re.S).group(1)
    with open(os.path.join(folder, 'hello-chat.html'), 'w', encoding='utf-8') as f:
        f.write(page)


def talk(browser):
    return browser.js('return [...document.querySelectorAll("#talk li")]'
                      '.map(item => item.textContent)')


def write(browser, text):
    browser.type('#line', text + '\n')


def shows(t, browser, lines, name):
    t.soon(lambda: talk(browser) == lines, name, 20, lambda: talk(browser))


def chat(t, browser, site):
    site.publish_sql('hello-chat', 'before')
    browser.open(site.url + '/hello-chat.html')
    shows(t, browser, ['before'], 'begins with what was said')
    words = 'Gr\u00fc\u00dfe <b>&amp;</b>'
    write(browser, words)
    t.soon(lambda: rows(site.db, 'SELECT data FROM changes ORDER BY id') ==
           [('before',), (words,)], 'what is written is published')
    site.publish_sql('hello-chat', 'an answer')
    shows(t, browser, ['before', words, 'an answer'], 'and shown once')
    t.equal([c for c in browser.complaints() if 'favicon' not in c], [],
            'no request failed')

    site.kill('wsd')
    site.publish_sql('hello-chat', 'meanwhile')
    write(browser, 'last words')
    t.soon(lambda: len(talk(browser)) == 5, 'it comes back')
    site.publish_sql('hello-chat', 'afterwards')
    t.soon(lambda: len(talk(browser)) == 6, 'and goes on')
    t.equal(talk(browser), [row[0] for row in rows(
        site.db, 'SELECT data FROM changes ORDER BY id')],
            'with all that was written, in order and nothing twice')


def test(t):
    with Browser() as browser, Site() as site:
        paste(os.path.join(site.dir, 'htdocs'))
        chat(t, browser, site)


run(test)
