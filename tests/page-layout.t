#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-layout.t - issues 1 and 4: all pages of htdocs/ share one look and one
# header, fit a phone of 360 pixels and a wide screen, also with letters twice as
# big, can be read in light and dark and in colours of the system, name their
# controls, do not move as they open and while they tick, can be gone through by
# keys, and fetch nothing from elsewhere.

import glob
import itertools
import os
import re
import sys
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, run  # noqa: E402
from tidings_test import SRC, Site, need  # noqa: E402

PAGES = sorted(os.path.basename(path) for path in glob.glob(
    os.path.join(SRC, 'htdocs', '*.html')))
NAV = ['compare.html', 'quotes.html', 'news.html', 'chat.html', 'login.html',
       'monitor.html', 'index.html#clocks']

# Each element with text of its own and its contrast to what is behind it, if
# that is below the 4.5 that WCAG 2 (1.4.3) asks for.
PALE = '''
    const canvas = document.createElement('canvas').getContext('2d',
        { willReadFrequently: true });
    const luminance = colors => {
        // One over the other, as they may be seen through.
        for (const color of ['#fff', ...colors]) {
            canvas.fillStyle = color;
            canvas.fillRect(0, 0, 1, 1);
        }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => {
            v /= 255;
            return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        }).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    };
    const behind = e => e ? [...behind(e.parentElement),
        getComputedStyle(e).backgroundColor] : [];
    return [...document.querySelectorAll('body *')].filter(e =>
        !e.disabled && e.getClientRects().length &&
        [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
    ).map(e => {
        const pair = [luminance([...behind(e), getComputedStyle(e).color]),
            luminance(behind(e))];
        return [e.tagName + '.' + e.className, e.textContent.slice(0, 30),
            (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
    }).filter(one => one[2] < 4.5);'''

WIDER = '''
    const width = document.documentElement.clientWidth;
    return [...document.querySelectorAll('body *:not(.skip)')].filter(e =>
        e.getBoundingClientRect().right > width + 1 &&
        !e.closest('pre') && !e.closest('svg')
    ).map(e => e.tagName + '.' + e.className + ' ' +
        e.textContent.slice(0, 30));'''

# Times of day that take more than a line, or reach out of what they are in.
BROKEN = '''
    return [...document.querySelectorAll('time')].filter(e => {
        const range = document.createRange();
        range.selectNodeContents(e);
        const lines = [...range.getClientRects()];
        const around = e.parentElement.getBoundingClientRect();
        return new Set(lines.map(line => line.top)).size > 1 ||
            lines.some(line => line.right > around.right + 1 ||
                line.left < around.left - 1);
    }).map(e => e.className + ' ' + e.textContent);'''

NAMELESS = '''
    return [...document.querySelectorAll(
        'input:not([type=hidden]), button, select, textarea, a, [role=img]'
    )].filter(e =>
        !(e.labels && [...e.labels].some(l => l.textContent.trim())) &&
        !e.textContent.trim() && !e.getAttribute('aria-label')
    ).map(e => e.outerHTML);'''

FOREIGN = '''
    return performance.getEntriesByType('resource').map(e => e.name).filter(
        name => new URL(name).host !== location.host &&
        !name.startsWith('data:'));'''


# How much has moved since the page settled, without anybody touching it, and
# what; 0 is nothing, 1 all of the window.
MOVED = '''
    const done = arguments[0], moved = [];
    const observer = new PerformanceObserver(list => {
        for (const entry of list.getEntries())
            if (!entry.hadRecentInput)
                moved.push(...entry.sources.map(source => source.node ?
                    source.node.nodeName + '.' + source.node.className + ' ' +
                    source.node.textContent.slice(0, 30) : ''));
    });
    observer.observe({ type: 'layout-shift' });
    setTimeout(() => {
        observer.disconnect();
        done(moved);
    }, 2500);'''

# The same since the page was opened: how much, and what.
OPENED = '''
    const done = arguments[0], moved = [];
    let sum = 0;
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) {
            sum += entry.hadRecentInput ? 0 : entry.value;
            moved.push(...entry.sources.map(source => source.node &&
                source.node.nodeName + '.' + source.node.className));
        }
    }).observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => done([sum, moved]), 100);'''

# In colours of the system: entries of the header that look as the current one
# does, and bars that can't be seen.
FORCED = '''
    const line = e => getComputedStyle(e).borderBottomColor;
    const canvas = getComputedStyle(document.body).backgroundColor;
    return [...document.querySelectorAll('.top li a')].filter(e =>
        line(e) !== canvas !== e.hasAttribute('aria-current')
    ).concat([...document.querySelectorAll('.cost i')].filter(e =>
        getComputedStyle(e).backgroundColor === canvas)
    ).map(e => e.outerHTML);'''

HEADER = '''
    const links = [...document.querySelectorAll('.top nav a')];
    return [links.map(a => a.getAttribute('href')),
        [...document.querySelectorAll('.top [aria-current]')].map(a =>
            a.getAttribute('href')),
        Boolean(document.querySelector('.foot a[href="push/status"]'))];'''


def screen(browser, width, scheme):
    browser.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
        'width': width, 'height': 800, 'deviceScaleFactor': 1,
        'mobile': width < 500})
    browser.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {
        'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})
    # What follows the size, as the charts do, has followed.
    browser.driver.execute_async_script('requestAnimationFrame(() => '
        'requestAnimationFrame(() => setTimeout(arguments[0])))')


def wider(browser):
    return browser.js(WIDER) + browser.js(
        'const root = document.documentElement;'
        'return root.scrollWidth > root.clientWidth ? [root.scrollWidth] : []')


def settled(browser):
    return browser.js('return document.readyState === "complete" && '
                      '!document.querySelector(".state[data-state=wait]")')


def header(t, browser, page):
    links, current, foot = browser.js(HEADER)
    chinese = page.endswith('.zh-CN.html')
    t.equal([link.replace('zh-CN.', '') for link in links], NAV,
            page + ' has the header of all')
    own = ('./' if page == 'index.html' else page if chinese else
           'index.html#clocks' if page.startswith('clock-') else page)
    t.equal([current, foot], [[own], True], 'and says which it is')


def keys(t, browser, page):
    """Whoever presses the tab key sees where he is."""
    browser.js('document.activeElement.blur(); scrollTo(0, 0)')
    seen = []
    for _ in range(4):
        browser.driver.switch_to.active_element.send_keys('\ue004')
        seen.append(browser.js('''
            const e = document.activeElement, box = e.getBoundingClientRect();
            return getComputedStyle(e).outlineStyle !== 'none' &&
                box.left >= 0 && box.width > 0;'''))
    t.equal(seen, [True] * 4, page + ' shows the focus, first the way past '
            'the header')


def look(t, browser, page):
    for width in (360, 768, 1280):
        screen(browser, width, 'light')
        t.equal(wider(browser), [], '%s fits %d pixels' % (page, width))
        t.equal(browser.js(BROKEN), [], 'and breaks no time in two')
    browser.js('document.documentElement.style.fontSize = "200%"')
    screen(browser, 1280, 'light')
    t.equal(wider(browser), [], page + ' fits with letters twice as big')
    browser.js('document.documentElement.style.fontSize = ""')
    browser.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {
        'features': [{'name': 'forced-colors', 'value': 'active'}]})
    t.equal(browser.js(FORCED), [], page + ' tells in the colours of the '
            'system what it tells')
    for scheme in ('light', 'dark'):
        screen(browser, 1280, scheme)
        t.equal(browser.js(PALE), [], '%s can be read, %s' % (page, scheme))
    t.equal(browser.js(NAMELESS), [], page + ' names its controls')
    t.equal(browser.js(
        'return [document.querySelectorAll("h1").length, '
        'document.documentElement.lang, /Tidings/.test(document.title)]'),
            [1, 'zh-CN' if '.zh-CN.' in page else 'en', True],
            page + ' has one heading, a language and a title')


def post(site, path, fields):
    """As the page of a PHP example does, with its cookie and its token."""
    r = site.get(path)
    token = re.search(r'"token"(?:: ?| value=)"(\w+)"', r.text).group(1)
    cookie = r.headers['Set-Cookie'].split(';')[0]
    return site.post(path, urllib.parse.urlencode(dict(fields, token=token)),
                     'application/x-www-form-urlencoded', {'Cookie': cookie})


def fill(site):
    """Something to show, with words that don't break; a page made by PHP."""
    words = 'Donaudampfschifffahrtsgesellschaft' * 3
    article = 'examples/wordpress-style.php'
    post(site, '/examples/news.php', {'headline': words, 'text': words})
    post(site, '/' + article, {'author': words[:40], 'comment': words})
    return [article]


def phone(site):
    """The page behind a code, which is good for two minutes from its turn on."""
    yield post(site, '/examples/login.php', {'do': 'begin'}).json['link']


def test(t):
    need('/usr/bin/php-cgi')
    t.ok(len(PAGES) > 8, 'all pages are found', PAGES)
    with Site(feeders=True, php=True) as site, Browser() as browser:
        for page in itertools.chain(PAGES, fill(site), phone(site)):
            screen(browser, 1280, 'light')
            browser.open(site.url + '/' + page)
            page = page.partition('?')[0]
            t.soon(lambda: settled(browser), page + ' gets to work')
            moved, what = browser.driver.execute_async_script(OPENED)
            t.ok(moved < 0.02, page + ' opens without moving', moved, what)
            screen(browser, 360, 'light')
            t.equal(browser.driver.execute_async_script(MOVED), [],
                    page + ' stands still on a phone while it ticks')
            if page in PAGES:
                header(t, browser, page)
            keys(t, browser, page)
            if browser.js('return Boolean(document.querySelector("summary"))'):
                browser.click('summary')
            look(t, browser, page)
            t.equal(browser.js(FOREIGN), [],
                    page + ' fetches nothing from elsewhere')
        t.equal(browser.complaints(), [], 'no request failed')


run(test)
