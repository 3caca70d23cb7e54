#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-compare.t - issue 4: the page that compares the transports shows the
# messages of the table on all five, counts the requests that httpd counts, and
# as many bytes as httpd sends and takes, and measures delays.

import json
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from firefox import Firefox  # noqa: E402
from page import Whole, rows, run, until  # noqa: E402
from tidings_test import Site  # noqa: E402

KINDS = ['ws', 'sse', 'longpoll', 'iframe', 'poll']
# Bytes in and out of each request, with headers, as httpd counts them.
LOG = '''LogFormat "%m %U%q %I %O" bytes
CustomLog "logs.bytes" bytes'''
# httpd notices by this that a stream was stopped, and writes its line.
BEATS = {'tidings': {'heartbeat': '2s'}}


def shown(browser):
    """The numbers of each row, by transport and column."""
    return browser.js('''
        const all = {};
        for (const row of document.querySelectorAll('#rows tr')) {
            const mine = all[row.dataset.transport] = {};
            for (const cell of row.querySelectorAll('[data-value]'))
                mine[(cell.closest('td')).className] =
                    Number(cell.dataset.value);
        }
        return all;''')


def column(browser, name):
    return {kind: row[name] for kind, row in shown(browser).items()}


def logged(site):
    """Requests, bytes in and bytes out by transport; and what the last
    request got, which a long poll was broken off in."""
    found = {kind: [0, 0, 0, 0] for kind in KINDS}
    with open(os.path.join(site.dir, 'logs.bytes')) as f:
        for line in f:
            # What asks where to begin is no feed.
            match = re.match(r'GET /push/(\w+)(?!\w|\?since=latest)\S* '
                             r'(\d+) (\d+)$', line)
            if match and match.group(1) in found:
                one = found[match.group(1)]
                one[0] += 1
                one[1] += int(match.group(2))
                one[3] = int(match.group(3))
                one[2] += one[3]
    return found


def last(browser):
    return browser.js('return document.getElementById("said").textContent')


def costs(t, browser, site):
    """Without a feeder, so that it is known what there is to count."""
    for n in range(3):
        site.publish_sql('clock', 'from before %d' % n)
    browser.open(site.url + '/compare.html')
    t.equal(browser.js('return [...document.querySelectorAll("#rows tr")]'
                       '.map(row => row.dataset.transport)'),
            KINDS, 'a row for each transport')
    t.soon(lambda: browser.state() == 'live', 'all five are live', 20,
           lambda: browser.text('rows'))
    t.equal(browser.text('state'), '5 of 5 are live', 'and it says so')
    t.equal(column(browser, 'messages'), dict.fromkeys(KINDS, 0),
            'what was there before does not count')
    for n in range(8):
        site.publish_sql('clock', 'message %d \u20ac' % n)
        until(lambda: column(browser, 'messages')['ws'] == n + 1)
    browser.click('#burst')
    t.soon(lambda: last(browser).startswith('20 messages'),
           'a burst is published', 20, lambda: last(browser))
    t.equal(rows(site.db, "SELECT count(*), count(DISTINCT id) FROM changes "
                 "WHERE channel = 'compare'"), [(20, 20)], 'as 20 rows')
    t.soon(lambda: column(browser, 'messages') == dict.fromkeys(KINDS, 28),
           'all five show as many messages as the table has', 20,
           lambda: column(browser, 'messages'))
    # One more poll, which brings nothing.
    before = column(browser, 'requests')['poll']
    t.soon(lambda: column(browser, 'requests')['poll'] > before,
           'a short poll asks again and again')
    t.equal(column(browser, 'messages'), dict.fromkeys(KINDS, 28),
            'and nothing is counted twice')
    delays = column(browser, 'delay')
    t.ok(all(0 <= delays[kind] < 2000 for kind in KINDS if kind != 'poll'),
         'who is told at once has it on the screen soon', delays)
    t.ok(delays['poll'] > max(delays[kind] for kind in KINDS
                              if kind != 'poll'),
         'and who polls later', delays)
    browser.click('#stop')
    t.soon(lambda: browser.text('state') == 'stopped', 'it can be stopped')

    # httpd writes its log when a request is over: that of a stream when a
    # sign of life can't be sent, that of a long poll when it is answered.
    page = shown(browser)
    until(lambda: all(logged(site)[kind][0] >= page[kind]['requests']
                      for kind in KINDS if kind != 'longpoll'))
    site.publish_sql('clock', 'for the long poll that was broken off')
    until(lambda: logged(site)['longpoll'][0] >= page['longpoll']['requests'])
    log = logged(site)
    t.equal({kind: page[kind]['requests'] for kind in KINDS},
            {kind: log[kind][0] for kind in KINDS},
            'as many requests as httpd has seen')
    t.note(json.dumps({kind: [page[kind]['sent'], page[kind]['received']] +
                       log[kind] for kind in KINDS}))
    for kind in KINDS:
        _, took, gave, broken = log[kind]
        gave -= broken if kind == 'longpoll' else 0
        t.ok(abs(page[kind]['sent'] - took) <= 0.1 * took,
             '%s: sent about what httpd took' % kind,
             page[kind]['sent'], took)
        t.ok(abs(page[kind]['received'] - gave) <= 0.05 * gave,
             '%s: received about what httpd gave' % kind,
             page[kind]['received'], gave)
    cost = column(browser, 'cost')
    t.equal({kind: int((page[kind]['sent'] + page[kind]['received']) / 28 + 0.5)
             for kind in KINDS}, cost, 'a message costs both, shared by all')
    t.ok(min(cost, key=cost.get) == 'ws', 'a WebSocket costs least', cost)
    t.equal(browser.complaints(), [], 'no request failed')

    browser.click('#stop')
    t.soon(lambda: browser.state() == 'live', 'and started again')
    t.equal(column(browser, 'messages'), dict.fromkeys(KINDS, 0),
            'from zero')
    site.publish_sql('clock', 'after the start')
    t.soon(lambda: column(browser, 'messages') == dict.fromkeys(KINDS, 1),
           'and counts on')


def late(t, browser, site):
    """Of a message that was committed so long before it could be had, the page
    shows all of the delay."""
    browser.open(site.url + '/compare.html')
    t.soon(lambda: browser.state() == 'live', 'live')
    for n in range(5):
        site.sql("INSERT INTO changes(channel, data, created_ms) VALUES "
                 "('clock', 'late', CAST(1000 * (julianday('now') - 2440587.5) "
                 "* 86400 AS INTEGER) - 8000)")
    t.soon(lambda: column(browser, 'messages') == dict.fromkeys(KINDS, 5),
           'messages that are 8 s old come')
    t.soon(lambda: all(browser.js('return [...document.querySelectorAll('
                                  '".delay")].map(e => e.dataset.value)')),
           'with their delays')
    delays = column(browser, 'delay')
    # A short poll comes up to its interval later.
    t.ok(all(8000 <= delays[kind] < 15000 + 5000 * (kind == 'poll')
             for kind in KINDS), 'which are all of it', delays)


def patient(t, browser, site):
    """Connections are no more than there are feeds, and none while the page
    is hidden."""
    # Of what was open before, nothing is left: a long poll that was broken off
    # is noticed when it is answered.
    browser.navigate('about:blank')
    site.publish_sql('clock', 'for the long poll')
    until(lambda: site.subscribers('clock') == 0)
    # What tells the page where to begin takes its time.
    script = browser.driver.execute_cdp_cmd(
        'Page.addScriptToEvaluateOnNewDocument', {'source': '''{
            const fetch = window.fetch;
            window.fetch = function (address) {
                return new Promise(go => setTimeout(go,
                    /since=latest|publish/.test(address) ? 1000 : 0)).then(
                    () => fetch.apply(window, arguments));
            };
        }'''})
    browser.open(site.url + '/compare.html')
    browser.js('const stop = document.getElementById("stop");'
               'stop.click(); stop.click()')
    t.soon(lambda: browser.state() == 'live', 'stopped and started at once')
    held = site.subscribers('clock')
    t.ok(0 < held <= 4, 'each feed is one connection, and polls are none', held)
    browser.driver.execute_cdp_cmd('Page.removeScriptToEvaluateOnNewDocument',
                                   script)
    page = browser.tab()
    browser.new_tab()
    t.soon(lambda: site.subscribers('clock') <= 1, 'hidden it lets go')
    for n in range(5):
        site.publish_sql('clock', 'while hidden %d' % n)
    t.soon(lambda: site.subscribers('clock') == 0,
           'so that there is none any more', 20,
           lambda: site.subscribers('clock'))
    browser.close_tab()
    browser.switch(page)
    t.soon(lambda: column(browser, 'messages') == dict.fromkeys(KINDS, 5),
           'seen again, it goes on where it was', 20,
           lambda: column(browser, 'messages'))
    t.equal(browser.js('return [...document.querySelectorAll(".delay")].map('
                       'cell => cell.textContent).join("")'), '\u2013' * 5,
            'what came meanwhile says nothing of delays')
    site.publish_sql('clock', 'seen')
    t.soon(lambda: column(browser, 'messages') == dict.fromkeys(KINDS, 6),
           'and what comes next counts', 20,
           lambda: column(browser, 'messages'))
    t.soon(lambda: '\u2013' not in browser.js(
        'return [...document.querySelectorAll(".delay")].map('
        'cell => cell.textContent)'), 'with its delay')
    browser.click('#stop')
    site.publish_sql('clock', 'for the long poll')
    t.soon(lambda: site.subscribers('clock') == 0, 'when stopped there is none',
           20, lambda: site.subscribers('clock'))
    t.equal(browser.complaints(), [], 'no request failed')


def lively(t, browser, site):
    """With the feeder, and with clocks that differ."""
    browser.open(site.url + '/compare.html')
    t.soon(lambda: min(column(browser, 'messages').values()) >= 1,
           'the clock comes in five ways')
    t.ok('one clock' in ' '.join(browser.text('clocks').split()),
         'on one machine there is one clock', browser.text('clocks'))
    # The charts draw: some pixel of each is not transparent.
    t.equal(browser.js('''
        return [...document.querySelectorAll('.delays canvas')].map(one =>
            one.getContext('2d').getImageData(0, 0, one.width, one.height)
                .data.some(byte => byte)).join()'''),
            'true,true,true,true,true', 'each row has a chart')
    # The scripts add up: an hour back, then an hour ahead.
    for ms, where in ((-3600000, 'ahead'), (7200000, 'back')):
        browser.driver.execute_cdp_cmd(
            'Page.addScriptToEvaluateOnNewDocument', {'source': '''{
                const now = Date.now;
                Date.now = () => now() + %d;
            }''' % ms})
        browser.open(site.url + '/compare.html')
        t.soon(lambda: min(column(browser, 'messages').values()) >= 1,
               'the clock of the server is an hour ' + where)
        t.soon(lambda: 'not the same' in browser.text('clocks'),
               'which is noticed', 20, lambda: column(browser, 'delay'))
        t.soon(lambda: all(0 <= delay < 20000 for delay in
                           column(browser, 'delay').values()),
               'and taken off the delays', 20,
               lambda: column(browser, 'delay'))
    t.equal(browser.complaints(), [], 'no request failed')
    browser.click('#burst')
    t.soon(lambda: last(browser).startswith('Not published: '),
           'who may not publish is told so', 20, lambda: last(browser))
    t.note(last(browser))
    t.equal(rows(site.db, "SELECT count(*) FROM changes WHERE "
                 "channel = 'compare'"), [(0,)], 'and nothing was')


def test(t):
    with Whole() as browser:
        with Site(BEATS, httpd_extra=LOG) as site:
            costs(t, browser, site)
            patient(t, browser, site)
        with Site() as site:
            late(t, browser, site)
        with Site({'access': {'publish_from_loopback': 'no'}},
                  feeders=True) as site:
            lively(t, browser, site)
        t.soon(lambda: browser.state() == 'error',
               'tells when the server is gone')
    if shutil.which('firefox-esr') is None:
        t.skip_rest('needs firefox-esr')
        return
    t.note('Firefox')
    with Site(BEATS, httpd_extra=LOG) as site, Firefox() as browser:
        costs(t, browser, site)


run(test, Whole.binary())
