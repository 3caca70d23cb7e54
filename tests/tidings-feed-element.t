#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# tidings-feed-element.t - issue 4: <tidings-feed>: what it shows of messages with
# and without a template, in which order and how many, always as text; it goes on
# where it was when it is moved in the document, and is silent when it is taken
# out.

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, run, until  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402
from tidings_test import Site  # noqa: E402


EVIL = '<img src=x onerror="broken = 1"> & <b>"bold"</b>'
PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<title>element</title>
<link rel="icon" href="icon.svg">
<script>var thrown = []; addEventListener('error', e => thrown.push(e.message));</script>
<script src="tidings.js"></script>
<div id="place"></div><div id="other"></div>
"""
TEMPLATE = """<tidings-feed channels="json" since="earliest"><h2>Head</h2><template>
<article class="item"><b data-tidings="data.headline"></b><i data-tidings="data.by.name"></i>
<u data-tidings="data"></u><time data-tidings="time"></time><s data-tidings="channel"></s>
<q data-tidings="event"></q><a data-tidings="id" href="#"></a><em data-tidings="data.no.such"></em>
</article></template></tidings-feed>"""
SHOW = 'document.getElementById("place").innerHTML = arguments[0]'
# Of each item: its texts by tag.
ITEMS = """return [...document.querySelectorAll('tidings-feed .item')].map(item =>
	Object.fromEntries([...item.children].map(e => [e.localName, e.textContent])))"""
TEXTS = """return [...document.querySelectorAll('tidings-feed [data-id]')]
	.map(item => item.textContent)"""


def texts(browser):
    return browser.js(TEXTS)


def shows(t, browser, want, name):
    t.soon(lambda: texts(browser) == want, name, 10, lambda: texts(browser))


def without_template(t, site, browser):
    for n in range(5):
        site.publish_sql('plain', 'text %d' % n)
    site.publish_sql('plain', EVIL)
    browser.js(SHOW, '<tidings-feed channels="plain other" since="-3"></tidings-feed>')
    shows(t, browser, ['text 3', 'text 4', EVIL], 'the last three, oldest first')
    t.equal(browser.js('const at = document.querySelector("tidings-feed"); return [at.children.length,'
                       'at.querySelectorAll("p").length, at.querySelectorAll("img, b").length,'
                       'window.broken || 0]'), [3, 3, 0, 0], 'paragraphs of text, no markup')
    t.equal(browser.js('return document.querySelector("tidings-feed").getAttribute("role")'), 'log',
            'it is a log to a screen reader')
    t.soon(lambda: browser.js('return document.querySelector("tidings-feed").getAttribute("state")')
           == 'open', 'and tells its state')
    site.publish_sql('other', 'of the other')
    shows(t, browser, ['text 3', 'text 4', EVIL, 'of the other'], 'several channels')
    ids = browser.js('return [...document.querySelectorAll("tidings-feed p")].map(p => p.dataset.id)')
    rows = site.sql("SELECT id FROM changes ORDER BY id DESC LIMIT 4")
    t.equal([int(id.rpartition('-')[2]) for id in ids], sorted(row[0] for row in rows),
            'each has its id')
    for first in '', 'newest-first':
        browser.js(SHOW, '<tidings-feed role="status" prefixes="pl" max="2" since="-3" %s>'
                   '<p>Fixed.</p></tidings-feed>' % first)
        want = [EVIL, 'text 4'] if first else ['text 4', EVIL]
        shows(t, browser, want, 'two at most ' + first)
        site.publish_sql('plain', 'more ' + first)
        want = ['more ' + first, EVIL] if first else [EVIL, 'more ' + first]
        shows(t, browser, want, 'a new one: the oldest goes ' + first)
        t.ok('Fixed.' in browser.js('return document.querySelector("tidings-feed").textContent'),
             'what was there stays')
        t.equal(browser.js('return document.querySelector("tidings-feed").getAttribute("role")'),
                'status', 'its own role too')
        site.sql("DELETE FROM changes WHERE data LIKE 'more%'")


def with_template(t, site, browser):
    site.publish_sql('json', '{"headline": "<i>%s</i>", "by": {"name": "Zoë"}}' % 'One', 'news')
    site.publish_sql('json', EVIL)
    site.publish_sql('json', '{"headline": null, "by": 7}')
    site.publish_sql('json', '{"headline": 0}')
    browser.js(SHOW, TEMPLATE)
    t.soon(lambda: len(browser.js(ITEMS)) == 4, 'template: all come', 10, lambda: browser.js(ITEMS))
    got = browser.js(ITEMS)
    t.equal([item.get('b') for item in got], ['<i>One</i>', '', '', '0'],
            'members of the data, as text')
    t.equal([item.get('i') for item in got], ['Zoë', '', '', ''], 'and deeper')
    t.equal([item.get('em') for item in got], [''] * 4, 'what is not there is empty')
    t.equal(got[1].get('u'), EVIL, 'the data as it is')
    t.equal([item.get('s') for item in got], ['json'] * 4, 'the channel')
    t.equal([item.get('q') for item in got], ['news', '', '', ''], 'the event')
    stored = site.sql("SELECT id, created_ms FROM changes WHERE channel = 'json' ORDER BY id")
    t.equal([int(item.get('a').rpartition('-')[2]) for item in got], [row[0] for row in stored], 'the id')
    t.equal([item.get('time') for item in got], browser.js(
        'return arguments[0].map(ms => new Date(ms).toLocaleString())', [row[1] for row in stored]),
        'the time, as the visitor writes it')
    t.equal(browser.js('return [document.querySelectorAll("tidings-feed .item img").length,'
                       'window.broken || 0]'), [0, 0], 'no markup of data')
    t.equal(browser.js('return document.querySelector("tidings-feed").firstElementChild.textContent'),
            'Head', 'what was there stays first')


def odd_templates(t, site, browser):
    for n in range(4):
        site.publish_sql('odd', 'odd %d' % n)
    for first, want in (('', ['odd 2', 'odd 3']), ('newest-first', ['odd 3', 'odd 2'])):
        browser.js(SHOW, '<tidings-feed channels="odd" since="-4" max="2" %s><template><div class="odd">'
                   '<b data-id="mine" data-tidings="data"></b></div></template></tidings-feed>' % first)
        t.soon(lambda: browser.js('return [...document.querySelectorAll("tidings-feed .odd")]'
                                  '.map(e => e.textContent)') == want,
               'a data-id of the template is its own ' + first, 10)
    browser.js(SHOW, '<tidings-feed channels="odd" since="-2"><template></template></tidings-feed>')
    shows(t, browser, ['odd 2', 'odd 3'], 'an empty template is none')


MOVE = 'document.getElementById("other").appendChild(document.querySelector("tidings-feed"))'


def moved(t, site, browser, proxy):
    for n in range(4):
        site.publish_sql('move', str(n))
    browser.js(SHOW + ';' + MOVE, '<tidings-feed channels="move" since="-3"></tidings-feed>')
    shows(t, browser, ['1', '2', '3'], 'moved before the first answer: from its start on')
    browser.js('document.getElementById("place").appendChild(document.querySelector("tidings-feed"))')
    site.publish_sql('move', '4')
    shows(t, browser, ['1', '2', '3', '4'], 'moved later: from where it was on')
    browser.js('window.at = document.querySelector("tidings-feed"); at.remove()')
    t.equal(browser.js('return at.feed.status.state'), 'closed', 'taken out: closed')
    t.soon(lambda: proxy.open('/push/') == 0, 'nothing is open', 10,
           lambda: [link.path for link in proxy.links])
    ended = time.monotonic()
    site.publish_sql('move', '5')
    until(lambda: time.monotonic() > ended + 1)
    t.equal(proxy.requests('/push/', ended), 0, 'nothing is asked for')
    t.equal(browser.js('return at.lastElementChild.textContent'), '4', 'nothing is shown')
    browser.js('document.getElementById("place").appendChild(at)')
    shows(t, browser, ['1', '2', '3', '4', '5'], 'put in again: what it missed')
    site.publish_sql('move', '6')
    shows(t, browser, ['1', '2', '3', '4', '5', '6'], 'and goes on, each once')


def test(t):
    with Site() as site, FaultProxy(site) as proxy, Browser() as browser:
        with open(os.path.join(site.dir, 'htdocs', 'element.html'), 'w') as f:
            f.write(PAGE)
        browser.open(proxy.url + '/element.html')
        without_template(t, site, browser)
        with_template(t, site, browser)
        odd_templates(t, site, browser)
        browser.js(SHOW, '')
        moved(t, site, browser, proxy)
        t.equal(browser.js('return thrown'), [], 'nothing is thrown')
        t.equal(browser.complaints(), [], 'no request failed')


run(test)
