#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-quotes.t - issue 4: the page of quotes begins with five years of history,
# shows the rates that are in the table as they come, tells up from down without
# colour, moves nothing while it ticks, and its SQL works.

import functools
import json
import os
import re
import shutil
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from firefox import Firefox  # noqa: E402
from page import Browser, rows, run  # noqa: E402
from tidings_test import SRC, Site  # noqa: E402

PAIRS = ['EURUSD', 'GBPUSD', 'AUDUSD', 'USDJPY', 'USDCHF', 'USDCAD', 'USDCNY',
         'USDINR', 'USDKRW', 'USDMXN', 'USDBRL', 'USDZAR']
TWO = ('USDJPY', 'USDKRW')      # shown with two digits behind the point
MONTHS = ('January February March April May June July August September October '
          'November December').split()
LATEST = '''SELECT channel, data FROM changes WHERE id IN (
    SELECT max(id) FROM changes WHERE channel LIKE 'quotes.%'
    GROUP BY channel)'''

SHIFTS = '''
    window.shifts = [];
    new PerformanceObserver(list => {
        for (const entry of list.getEntries())
            if (!entry.hadRecentInput)
                window.shifts.push([entry.value, ...entry.sources.map(s =>
                    s.node && (s.node.id || s.node.className || s.node.nodeName))]);
    }).observe({ type: 'layout-shift', buffered: true });'''

# What a screen reader would be told of again and again: parts of the page that
# are live, also by themselves, and changed though what they say is a number.
SHOUTS = '''
    window.loud = [];
    new MutationObserver(records => {
        for (const one of records) {
            const live = one.target.parentElement && (one.target.closest ?
                one.target : one.target.parentElement).closest(
                '[aria-live], output, [role=status], [role=log], [role=alert]');
            if (live && live.ariaLive !== 'off' && live.id !== 'state')
                window.loud.push(live.id + ': ' + live.textContent);
            if (one.type === 'attributes')
                window.loud.push('slider: ' + one.target.ariaValueText);
        }
    }).observe(document.querySelector('main'), { subtree: true,
        childList: true, characterData: true, attributes: true,
        attributeFilter: ['aria-valuetext'] });
    document.getElementById('back').focus();'''


def table(browser):
    """Rate, change to the month before and to the year before, by pair."""
    return browser.js('''
        const all = {};
        for (const row of document.querySelectorAll('#rows tr'))
            all[row.dataset.symbol] = [...row.querySelectorAll(
                '.rate, .change')].map(cell => cell.textContent);
        return all;''')


def drawn(browser, selector):
    """How many canvases there are with anything on them."""
    return browser.js('''
        return [...document.querySelectorAll(arguments[0] + ' canvas')].filter(
            one => one.getContext('2d').getImageData(0, 0, one.width,
                one.height).data.some(byte => byte)).length;''', selector)


def digits(pair, rate):
    return '%.*f' % (2 if pair in TWO else 4, rate)


def put(site, pair, rate, month):
    site.publish_sql('quotes.' + pair,
                     json.dumps({'rate': rate, 'month': month}))


def slide(browser, value):
    """Reads the chart there: rate and month."""
    return browser.js('''
        const back = document.getElementById('back');
        back.value = arguments[0];
        back.dispatchEvent(new Event('input'));
        return ['rate', 'month'].map(id =>
            document.getElementById(id).textContent);''', value)


def arrow(browser, pair):
    return browser.js('''
        return getComputedStyle(document.querySelector(
            '[data-symbol=' + arguments[0] + '] .change'), '::before').content
            .slice(1, 2);''', pair)


def told(t, browser, site):
    """Without the feeder, so that it is known what comes when."""
    for n in range(13):
        put(site, 'USDJPY', 100 + n, '20%02d-%02d' % (1 + n // 12,
                                                      1 + n % 12))
    browser.open(site.url + '/quotes.html')
    t.equal(list(table(browser)), sorted(PAIRS), 'a row for each pair')
    t.soon(lambda: table(browser)['USDJPY'] == ['112.00', '+0.9 %',
                                                '+12.0 %'],
           'what is in the table is shown, with its changes', 20,
           lambda: table(browser)['USDJPY'])
    t.equal(table(browser)['EURUSD'], ['\u2013'] * 3, 'what is not is left open')
    t.equal(arrow(browser, 'USDJPY'), '\u25b2', 'an arrow shows up')
    put(site, 'USDJPY', 90.5, '2002-02')
    t.soon(lambda: table(browser)['USDJPY'] == ['90.50', '\u221219.2 %',
                                                '\u221210.4 %'],
           'the next one comes by itself', 20,
           lambda: table(browser)['USDJPY'])
    t.equal(arrow(browser, 'USDJPY'), '\u25bc', 'an arrow shows down')
    put(site, 'USDJPY', 90.51, '2002-03')
    t.soon(lambda: table(browser)['USDJPY'][1] == '0.0 %', 'hardly a change')
    t.ok(arrow(browser, 'USDJPY') not in '\u25b2\u25bc', 'has no arrow')
    put(site, 'USDJPY', 113.29, '1999-01')
    t.soon(lambda: table(browser)['USDJPY'] == ['113.29', '\u2013', '\u2013'],
           'where the replay begins anew nothing is compared', 20,
           lambda: table(browser)['USDJPY'])
    for nonsense in ('', 'x', 'null', '[]', '{}', '{"rate":"1"}',
                     '{"rate":1,"month":"1999-13"}', '{"rate":1}',
                     '{"rate":null,"month":"1999-02"}'):
        site.publish_sql('quotes.USDJPY', nonsense)
    put(site, 'XXXYYY', 1, '1999-01')
    put(site, '<b>', 1, '1999-01')
    put(site, 'USDCHF', 1.5, '1999-01')
    t.soon(lambda: table(browser)['USDCHF'][0] == '1.5000',
           'nonsense and other channels are passed over')
    t.equal(table(browser)['USDJPY'][0], '113.29', 'and not shown')
    t.equal(len(table(browser)), len(PAIRS), 'nor given a row')

    # The chart.
    browser.click('[data-symbol=USDJPY] .pick')
    t.equal([browser.text('pair'), browser.text('rate')],
            ['USD/JPY', '113.29'], 'a click brings a pair into the chart')
    t.equal(browser.js('return [...document.querySelectorAll('
                       '"[aria-pressed=true]")].map(e => e.textContent)'),
            ['USD/JPY'], 'and marks it alone')
    t.equal(slide(browser, 58), ['90.51', 'March 2002'],
            'the slider reads the past')
    t.equal(browser.js('return document.getElementById("back").ariaValueText'),
            'March 2002, 90.51', 'and says so itself')
    t.equal(slide(browser, 59), ['113.29', 'January 1999'], 'and the latest')
    t.equal(browser.js('return document.getElementById("chart")'
                       '.getAttribute("aria-label")'),
            'USD/JPY over five years: from 90.50 to 113.29',
            'who does not see the chart is told of it')
    t.equal(drawn(browser, '#chart'), 1, 'the chart is drawn')

    # The SQL of the page.
    site.sql(browser.text('insert'))
    t.soon(lambda: table(browser)['EURUSD'][0] == '1.1591',
           'the INSERT of the page publishes')
    site.sql('CREATE TABLE rates(symbol, rate, month)')
    site.sql("INSERT INTO rates VALUES('USDBRL', 1, '1999-01')")
    site.sql(browser.text('trigger'))
    site.sql("UPDATE rates SET rate = 1.512")
    t.soon(lambda: table(browser)['USDBRL'][0] == '1.5120',
           'so does its trigger')
    site.sql('DROP TABLE rates')
    t.equal(browser.complaints(), [], 'no request failed')


# What is written on a canvas since it was last wiped: [text, x].
WRITTEN = '''{
    const draw = CanvasRenderingContext2D.prototype;
    const { fillText, clearRect } = draw;
    draw.fillText = function (text, x, y) {
        const at = this.getTransform().transformPoint({ x, y });
        (this.canvas.written = this.canvas.written || []).push([text, at.x]);
        return fillText.apply(this, arguments);
    };
    draw.clearRect = function () {
        this.canvas.written = [];
        return clearRect.apply(this, arguments);
    };
}'''
# The years below the chart: [year, which of the 60 months it stands at].
YEARS = '''
    const over = document.querySelector('#chart .u-over');
    const canvas = document.querySelector('#chart canvas');
    const written = canvas && canvas.written || [];
    return written.filter(one => /^\\d{4}$/.test(one[0])).map(one => [one[0],
        Math.round((one[1] / devicePixelRatio - over.offsetLeft) /
            over.clientWidth * 59)]);'''


def fill(site, pair, first, months):
    """So many months from the one of that number on, in one commit."""
    site.sql('''WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n
        WHERE i < %d) INSERT INTO changes(channel, data) SELECT 'quotes.%s',
        json_object('rate', 100 + i %% 7, 'month',
        printf('%%04d-%%02d', i / 12, i %% 12 + 1)) FROM n''' % (
            first, first + months - 1, pair))


def labels_are_true(t, browser, pair, last, months, name):
    """The years stand where they begin in the data that is drawn, whose last
    month that is."""
    want = [['%04d' % (month // 12), month - last + 59]
            for month in range(last - months + 1, last + 1) if month % 12 == 0]
    t.soon(lambda: browser.js(YEARS) == want, pair + ', ' + name, 10,
           lambda: [browser.js(YEARS), want])


def labelled(t, browser, site):
    script = browser.driver.execute_cdp_cmd(
        'Page.addScriptToEvaluateOnNewDocument', {'source': WRITTEN})
    with site:
        at = 12 * 1990 + 3
        fill(site, 'EURUSD', at, 60)
        fill(site, 'GBPUSD', 12 * 2001 + 8, 40)
        browser.open(site.url + '/quotes.html')
        last = at + 59
        labels_are_true(t, browser, 'EURUSD', last, 60, 'years where they begin')
        for more in (1, 1, 5, 13):
            fill(site, 'EURUSD', last + 1, more)
            last += more
            labels_are_true(t, browser, 'EURUSD', last, 60,
                            'years after %d months more' % more)
        browser.click('[data-symbol=GBPUSD] .pick')
        labels_are_true(t, browser, 'GBPUSD', 12 * 2001 + 47, 40,
                        'years of another pair')
        browser.click('[data-symbol=EURUSD] .pick')
        labels_are_true(t, browser, 'EURUSD', last, 60, 'and back again')
        # What is older than five years is not kept.
        month = lambda n: '%s %d' % (MONTHS[n % 12], n // 12)
        t.equal([slide(browser, x)[1] for x in (0, 1, 59)],
                [month(last - 59), month(last - 58), month(last)],
                'the slider reads the same months')
        put(site, 'EURUSD', 900, '2010-01')
        t.soon(lambda: browser.text('rate') == '900.0000', 'one that is high')
        fill(site, 'EURUSD', 12 * 2010 + 1, 59)
        label = ('return document.getElementById("chart")'
                 '.getAttribute("aria-label")')
        t.soon(lambda: 'to 900.0000' in browser.js(label) and
               slide(browser, 0)[1] == 'January 2010', 'is the oldest', 10,
               lambda: [browser.js(label), slide(browser, 0)])
        fill(site, 'EURUSD', 12 * 2010 + 60, 1)
        t.soon(lambda: 'to 106.0000' in browser.js(label), 'and then gone', 10,
               lambda: browser.js(label))
        t.equal(slide(browser, 0)[1], 'February 2010', 'nothing older is kept')
    browser.driver.execute_cdp_cmd('Page.removeScriptToEvaluateOnNewDocument',
                                   script)


def same(browser, site):
    """Whether the page shows the latest of each pair in the table."""
    want = {}
    for channel, data in rows(site.db, LATEST):
        pair = channel[len('quotes.'):]
        want[pair] = digits(pair, json.loads(data)['rate'])
    return want == {pair: cells[0]
                    for pair, cells in table(browser).items()} and want


def lively(t, browser, site):
    browser.open(site.url + '/quotes.html')
    if isinstance(browser, Browser):
        browser.js(SHIFTS)
    t.soon(lambda: browser.state() == 'live', 'live')
    t.soon(lambda: drawn(browser, '.spark') == len(PAIRS),
           'each pair has its sparkline')
    for pair in PAIRS:
        browser.click('[data-symbol=%s] .pick' % pair)
        first, last = (int(slide(browser, x)[1][-4:]) for x in (0, 59))
        t.ok(last - first in (4, 5), pair + ' begins with five years',
             first, last)
    t.ok(all('%' in cell for cells in table(browser).values()
             for cell in cells[1:]), 'and with their changes',
         table(browser))
    slide(browser, 30)
    browser.js(SHOUTS)
    states = set()

    def ticked():
        states.add(json.dumps(same(browser, site)))
        return len(states - {'false'}) > 4

    t.soon(ticked, 'it shows what is in the table, as it changes', 30,
           lambda: states)
    t.equal(browser.js('return window.loud'), [],
            'no screen reader is told of each')
    if isinstance(browser, Browser):
        shifts = browser.js('return window.shifts')
        t.ok(sum(one[0] for one in shifts) < 0.001,
             'nothing moved as it opened and while it ticked', shifts)
    t.equal(browser.complaints(), [], 'no request failed')


class InPieces(SimpleHTTPRequestHandler):
    """The pages' folder, with a page that comes tag by tag."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.translate_path(self.path)
        if not path.endswith('.html'):
            return super().do_GET()
        with open(path, 'rb') as file:
            pieces = re.split(b'(?<=>)', file.read())
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
            time.sleep(0.02)        # longer than a frame: it is shown by itself


def pieces(t, browser):
    """On a slow machine or a slow line the page is shown as far as it came."""
    folder = functools.partial(InPieces, directory=os.path.join(SRC, 'htdocs'))
    with ThreadingHTTPServer(('127.0.0.1', 0), folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.open('http://127.0.0.1:%d/quotes.html' % server.server_port)
        browser.js(SHIFTS)
        t.equal(browser.js_async('setTimeout(arguments[0], 100, window.shifts)'), [],
                'nothing of it moved as the rest came')
        t.equal(sorted(table(browser)), sorted(PAIRS), 'and all of it came')
        server.shutdown()


def test(t):
    with Browser() as browser:
        pieces(t, browser)
        with Site() as site:
            told(t, browser, site)
        labelled(t, browser, Site())
        with Site(feeders=True) as site:
            lively(t, browser, site)
        t.soon(lambda: browser.state() == 'error',
               'tells when the server is gone')
    if shutil.which('firefox-esr') is None:
        t.skip_rest('needs firefox-esr')
        return
    t.note('Firefox')
    with Site(feeders=True) as site, Firefox() as browser:
        lively(t, browser, site)


run(test)
