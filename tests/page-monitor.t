#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-monitor.t - issues 1 and 4: the monitor draws this machine's readings
# live, the last minute at once, shows the numbers that are in the database, is
# not upset by a message that is no reading, reads the past by pointing or by
# keys, and changes its colours with the scheme.

import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, rows, run  # noqa: E402
from tidings_test import Site  # noqa: E402

CHARTS = ['Processors', 'Load', 'Memory', 'Network', 'Disk']


def shown(browser):
    """The numbers beside the charts, by chart."""
    return dict(browser.js(
        'return [...document.querySelectorAll(".chart")].map(chart => '
        '[chart.querySelector("h2").textContent, '
        '[...chart.querySelectorAll("dd")].map(dd => dd.textContent)])'))


def points(browser):
    """How many points each curve has."""
    return browser.js(
        'return [...document.querySelectorAll(".chart")].flatMap(chart => '
        'chart.plot.data.slice(1).map(one => '
        'one.filter(value => value !== null).length))')


def drawn(browser, color):
    """Of how many pixels of the first chart the color, a custom property of
    the style sheet, is; and from which column to which."""
    return browser.js('''
        const canvas = document.querySelector('.chart canvas');
        const probe = document.createElement('i');
        probe.style.color = 'var(' + arguments[0] + ')';
        document.body.append(probe);
        const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g);
        probe.remove();
        const image = canvas.getContext('2d').getImageData(0, 0, canvas.width,
            canvas.height).data;
        let found = 0, from = canvas.width, to = 0;
        for (let i = 0; i < image.length; i += 4)
            if (image[i] === +r && image[i + 1] === +g &&
                image[i + 2] === +b && image[i + 3] === 255) {
                found++;
                from = Math.min(from, i / 4 % canvas.width);
                to = Math.max(to, i / 4 % canvas.width);
            }
        return [found, from / canvas.width, to / canvas.width];''', color)


def scheme(browser, name):
    browser.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {
        'features': [{'name': 'prefers-color-scheme', 'value': name}]})


def reading(n, **more):
    return json.dumps(dict({
        't': 1700000000000 + n * 1000, 'load': [n / 100, 0.5, 1.25],
        'cpu': n % 100, 'mem': {'total': 4194304, 'available': 1048576},
        'net': {'rx': n * 1000, 'tx': 12}, 'disk': {'read': 0,
                                                    'write': 2500000}},
        **more))


def quiet(t, browser, site):
    for n in range(1, 81):
        site.publish_sql('monitor', reading(n))
    browser.open(site.url + '/monitor.html')
    t.soon(lambda: points(browser) == [60] * 9,
           'the last minute is drawn at once', 20, lambda: points(browser))
    t.equal(shown(browser),
            {'Processors': ['80.0 %'],
             'Load': ['0.80', '0.50', '1.25'],
             'Memory': ['3.00 GiB'],
             'Network': ['80 kB/s', '12 B/s'],
             'Disk': ['0 B/s', '2.5 MB/s']},
            'the numbers are those of the last reading')
    site.publish_sql('monitor', reading(81, cpu=12.34))
    t.soon(lambda: shown(browser)['Processors'] == ['12.3 %'],
           'the next one comes by itself')
    for nonsense in ('', 'no JSON', '[]', 'null', '{"t":1}',
                     reading(82, cpu='x'), reading(82, load=[])):
        site.publish_sql('monitor', nonsense)
    site.publish_sql('monitor', reading(82, cpu=50))
    t.soon(lambda: shown(browser)['Processors'] == ['50.0 %'],
           'nonsense is passed over')
    t.equal(browser.js(
        'return /NaN|undefined|Infinity/.test(document.body.innerHTML'
        '.replace(/<script[^]*/, "").replace(/<details[^]*/, ""))'),
            False, 'and not drawn')

    # The curve goes from one side to the other.
    for name in ('light', 'dark'):
        scheme(browser, name)
        t.soon(lambda: drawn(browser, '--accent')[0] > 200,
               'it is drawn, ' + name, 20, lambda: drawn(browser, '--accent'))
        _, start, end = drawn(browser, '--accent')
        t.ok(start < 0.15 and end > 0.9, 'over the whole minute, ' + name,
             (start, end))

    # Pointing at 30 s ago, the middle.
    browser.js('''
        const over = document.querySelectorAll('.chart .u-over')[2];
        const box = over.getBoundingClientRect();
        for (const type of ['mouseenter', 'mousemove'])
            over.dispatchEvent(new MouseEvent(type, {
                clientX: box.left + box.width / 2, clientY: box.top + 9 }));
        ''')
    t.soon(lambda: shown(browser)['Network'][0] == '52 kB/s',
           'pointing reads the past, in all charts', 20,
           lambda: shown(browser))
    t.equal(browser.text('moment'), '30 s ago', 'and says when')
    browser.js('''document.querySelectorAll('.chart .u-over')[2]
        .dispatchEvent(new MouseEvent('mouseleave'))''')
    t.soon(lambda: shown(browser)['Network'][0] == '82 kB/s',
           'and leaves it again')
    browser.driver.find_element('id', 'ago').send_keys('\ue012' * 5)
    t.soon(lambda: shown(browser)['Network'][0] == '77 kB/s',
           'the keys do so too', 20, lambda: shown(browser))
    t.equal(browser.js('return document.getElementById("ago").ariaValueText'),
            '5 s ago', 'and the slider says so itself')
    browser.js('''
        window.loud = [];
        const tell = records => loud.push(...records.map(one =>
            one.target.outerHTML));
        new MutationObserver(tell).observe(document.getElementById('moment'),
            { subtree: true, childList: true, characterData: true });''')
    site.publish_sql('monitor', reading(83, cpu=50))
    t.soon(lambda: shown(browser)['Network'][0] == '78 kB/s',
           'and it stays that long ago')
    t.equal(browser.js('return [loud, document.getElementById("moment")'
                       '.ariaLive]'), [[], 'off'],
            'of which no screen reader is told')
    browser.driver.find_element('id', 'ago').send_keys('\ue010')    # End
    site.sql('''WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
        WHERE i < 5000) INSERT INTO changes(channel, data) SELECT 'monitor', ?
        FROM n''', reading(84, cpu=70))
    site.publish_sql('monitor', reading(85, cpu=71))
    t.soon(lambda: shown(browser)['Processors'] == ['71.0 %'],
           'thousands of readings of one second hold up nothing')
    t.ok(max(points(browser)) < 80, 'and are not all drawn', points(browser))
    t.equal(browser.complaints(), [], 'no request failed')


def lively(t, browser, site):
    browser.open(site.url + '/monitor.html')
    t.equal(list(shown(browser)), CHARTS, 'one chart for each')
    t.soon(lambda: browser.state() == 'live', 'live')
    t.soon(lambda: browser.text('state').startswith('live over '),
           'it says over what')
    t.soon(lambda: min(points(browser)) >= 3, 'the curves grow')

    def same():
        last = rows(site.db, "SELECT data FROM changes WHERE channel = "
                    "'monitor' ORDER BY id DESC LIMIT 1")[0][0]
        return shown(browser)['Load'] == [
            '%.2f' % number for number in json.loads(last)['load']]

    t.soon(same, 'the load is what the feeder read')
    t.equal(browser.complaints(), [], 'no request failed')


def test(t):
    with Browser() as browser:
        with Site() as site:
            quiet(t, browser, site)
        with Site(feeders=True) as site:
            lively(t, browser, site)
        t.soon(lambda: browser.state() == 'error',
               'tells when the server is gone')
        t.ok(min(points(browser)) >= 3, 'and keeps what it has')


run(test)
