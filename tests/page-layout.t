#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-layout.t - issue 1: the pages share one look, fit a phone of 360 pixels
# and a wide screen, can be read in light and dark, name their controls, and
# fetch nothing from elsewhere.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, run  # noqa: E402
from tidings_test import Site  # noqa: E402

PAGES = ['index.html', 'clock-poll.html', 'clock-longpoll.html',
         'clock-iframe.html', 'clock-sse.html', 'clock-ws.html',
         'monitor.html']

# Each element with text of its own and its contrast to what is behind it, if
# that is below the 4.5 that WCAG 2 (1.4.3) asks for.
PALE = '''
    const parse = color => color.match(/[\\d.]+/g).map(Number);
    const light = color => parse(color).slice(0, 3).map(v => {
        v /= 255;
        return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    }).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = e => {
        for (; e; e = e.parentElement) {
            const color = getComputedStyle(e).backgroundColor;
            if (parse(color)[3] !== 0)
                return color;
        }
        return 'rgb(255, 255, 255)';
    };
    return [...document.querySelectorAll('body *')].filter(e =>
        !e.disabled && e.getClientRects().length &&
        [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
    ).map(e => {
        const pair = [light(getComputedStyle(e).color), light(behind(e))];
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

NAMELESS = '''
    return [...document.querySelectorAll(
        'input, button, select, textarea, a, [role=img]')].filter(e =>
        !(e.labels && [...e.labels].some(l => l.textContent.trim())) &&
        !e.textContent.trim() && !e.getAttribute('aria-label')
    ).map(e => e.outerHTML);'''

FOREIGN = '''
    return performance.getEntriesByType('resource').map(e => e.name).filter(
        name => new URL(name).host !== location.host &&
        !name.startsWith('data:'));'''


def screen(browser, width, scheme):
    browser.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
        'width': width, 'height': 800, 'deviceScaleFactor': 1,
        'mobile': width < 500})
    browser.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {
        'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})


def settled(browser):
    return browser.js('return document.readyState === "complete" && '
                      '!document.querySelector(".state[data-state=wait]")')


def test(t):
    with Site(feeders=True) as site, Browser() as browser:
        for page in PAGES:
            browser.open(site.url + '/' + page)
            t.soon(lambda: settled(browser), page + ' gets to work')
            if page != 'index.html':
                browser.click('summary')
            for width in (360, 1280):
                screen(browser, width, 'light')
                t.equal(browser.js(WIDER), [],
                        '%s fits %d pixels' % (page, width))
            for scheme in ('light', 'dark'):
                screen(browser, 1280, scheme)
                t.equal(browser.js(PALE), [],
                        '%s can be read, %s' % (page, scheme))
            t.equal(browser.js(NAMELESS), [], page + ' names its controls')
            t.equal(browser.js(
                'return [document.querySelectorAll("h1").length, '
                'document.documentElement.lang, '
                '/Tidings/.test(document.title)]'),
                    [1, 'en', True],
                    page + ' has one heading, a language and a title')
            t.equal(browser.js(FOREIGN), [],
                    page + ' fetches nothing from elsewhere')
        t.equal(browser.complaints(), [], 'no request failed')


run(test)
