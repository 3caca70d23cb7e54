#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-news.t - issue 4: a headline that one page publishes is on every other at
# once, and on one that is opened later; none is missed between the list and the
# feed; the form takes what it should and no more, from its own page alone.

import os
import sys
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, panels_are_true, rows, run  # noqa: E402
from tidings_test import Site, need  # noqa: E402

PHP = '/examples/news.php'

# The list fails once, from now on; and what reloads of it look like.
FAIL = '''
    const real = window.fetch;
    window.fetch = async (...what) => {
        if (String(what[0]).endsWith('news.php')) {
            window.fetch = real;
            throw new TypeError('lost');
        }
        return real(...what);
    };
    window.adds = [];
    const list = document.getElementById('list');
    const add = list.insertBefore;
    list.insertBefore = function (...what) {
        window.adds.push(list.getAttribute('aria-busy'));
        return add.apply(list, what);
    };'''
# The answer to what is published is lost once.
LOSE = '''
    const real = window.fetch;
    window.fetch = async (...what) => {
        const response = await real(...what);

        window.fetch = real;
        throw new TypeError('lost');
    };'''

# The list arrives, and the page gets to see it when the test says so.
HELD = '''
    const real = window.fetch;
    window.fetch = async (...what) => {
        const response = await real(...what);

        if (String(what[0]).endsWith('news.php') && !window.letGo) {
            window.isHeld = true;
            await new Promise(resolve => window.letGo = resolve);
        }
        return response;
    };'''


class Editor:
    """Somebody with the form, by plain HTTP."""

    def __init__(self, site):
        self.site = site
        r = site.get(PHP)
        self.cookie = r.headers['Set-Cookie'].split(';')[0]
        self.flags = r.headers['Set-Cookie']
        self.token = r.json['token']

    def publish(self, headline='x', text='', **more):
        fields = dict({'headline': headline, 'text': text,
                       'token': self.token}, **more)
        return self.site.post(PHP, urllib.parse.urlencode(fields),
                              'application/x-www-form-urlencoded',
                              {'Cookie': self.cookie})


def shown(browser):
    """Headlines on the page, latest first."""
    return browser.js('return [...document.querySelectorAll("#list h3")]'
                      '.map(h => h.textContent)')


def forget_rates(site):
    site.sql('UPDATE demo_news SET time = time - 60001')


def two_windows(t, site):
    with Browser() as desk, Browser() as reader:
        for one in (desk, reader):
            one.open(site.url + '/news.html')
            t.soon(lambda: one.state() == 'live', 'live')
        t.ok(desk.js('return !document.getElementById("empty").hidden'),
             'an empty list says so')
        words = 'Cats <b>&amp; "dogs"</b> \u20ac\U0001f514'
        desk.type('#headline', words.replace('\U0001f514', ''))
        desk.type('#text', 'More <script>alert(1)</script>')
        desk.click('#publish')
        want = [words.replace('\U0001f514', '')]
        t.soon(lambda: shown(reader) == want, 'the other page has it')
        t.soon(lambda: shown(desk) == want and desk.text('told') == 'Published.',
               'its own page too, once')
        t.equal(reader.js('return document.querySelector("#list p").textContent'),
                'More <script>alert(1)</script>', 'text is text')
        t.equal(desk.js('return document.getElementById("headline").value'), '',
                'the form is empty again')

        for nonsense in ('', 'no JSON', 'null', '[]', '{"id":1}', '7',
                         '{"id":9,"time":"x","headline":"a","text":""}',
                         '{"id":9,"time":1e99,"headline":"a","text":""}',
                         '{"id":"<","time":1,"headline":"a","text":""}'):
            site.publish_sql('news', nonsense, 'headline')
        Editor(site).publish('Second')
        want.insert(0, 'Second')
        t.soon(lambda: shown(reader) == want, 'nonsense is passed over')

        reader.open(site.url + '/news.html')
        t.soon(lambda: shown(reader) == want, 'who comes later finds them')

        # Away while the channel is emptied: a reset, and the list anew.
        t.soon(lambda: reader.state() == 'live', 'live again')
        site.tidings('publish', 'other', 'x')
        offline(reader, True)
        t.soon(lambda: reader.state() != 'live', 'the line breaks')
        for n in range(3):
            Editor(site).publish('Missed %d' % n)
            want.insert(0, 'Missed %d' % n)
        site.request('DELETE', '/push/publish?channel=news')
        offline(reader, False)
        t.soon(lambda: shown(reader) == want, 'who missed some fetches them', 40,
               lambda: [shown(reader), reader.text('state')])
        panels_are_true(t, reader)
        desk.complaints()
        forget_rates(site)


def lost(t, site):
    """What goes wrong once is well again."""
    with Browser() as browser:
        browser.open(site.url + '/news.html')
        t.soon(lambda: browser.state() == 'live', 'live')
        words = browser.text('state')
        browser.js(FAIL)
        offline(browser, True)
        t.soon(lambda: browser.state() != 'live', 'the line breaks')
        site.publish_sql('news', 'lost')
        site.request('DELETE', '/push/publish?channel=news')
        offline(browser, False)
        t.soon(lambda: browser.text('state').startswith('the list does not load'),
               'the list does not load', 40, lambda: browser.text('state'))
        t.soon(lambda: browser.js('return window.adds.length'), 'then it does')
        t.soon(lambda: browser.text('state') == words, 'and the page says so', 20,
               lambda: browser.text('state'))
        t.equal(set(browser.js('return window.adds')), {'true'},
                'a list that is read again is not read out')
        t.equal(browser.js('return document.getElementById("list").ariaBusy'), 'false',
                'what comes then is')

        browser.js(LOSE)
        browser.type('#headline', 'Once')
        browser.click('#publish')
        t.soon(lambda: 'Try again' in browser.text('told'), 'an answer is lost')
        browser.click('#publish')
        t.soon(lambda: browser.text('told') == 'Published.', 'it is sent again')
        for _ in range(2):
            browser.type('#headline', 'Again')
            browser.click('#publish')
            t.soon(lambda: browser.js('return document.getElementById("headline")'
                                      '.value') == '', 'two of the same words')
        t.soon(lambda: shown(browser)[:4].count('Again') == 2, 'are two', 20,
               lambda: shown(browser))
        t.equal(shown(browser)[2:4].count('Once'), 1, 'what is sent again is one')
        browser.complaints()
        forget_rates(site)


def offline(browser, yes):
    browser.driver.execute_cdp_cmd('Network.enable', {})
    browser.driver.execute_cdp_cmd('Network.emulateNetworkConditions', {
        'offline': yes, 'latency': 0, 'downloadThroughput': -1,
        'uploadThroughput': -1})


def in_between(t, site):
    """The list is read, then somebody publishes, then the page listens."""
    with Browser() as browser:
        browser.driver.execute_cdp_cmd('Page.addScriptToEvaluateOnNewDocument',
                                       {'source': HELD})
        browser.open(site.url + '/news.html')
        t.soon(lambda: browser.js('return window.isHeld'), 'the list is read')
        before = Editor(site).publish('In between')
        t.equal(before.status, 201, 'somebody publishes')
        t.equal(shown(browser), [], 'the page does not know yet')
        browser.js('window.letGo()')
        t.soon(lambda: shown(browser)[:2] == ['In between', 'Missed 2'],
               'it is not missed', 20, lambda: shown(browser))
        t.equal(shown(browser).count('In between'), 1, 'nor there twice')

        # The same where the list is read again after a reset.
        t.soon(lambda: browser.state() == 'live', 'live')
        browser.js('window.letGo = window.isHeld = null')
        offline(browser, True)
        t.soon(lambda: browser.state() != 'live', 'the line breaks')
        site.publish_sql('news', 'lost')
        site.request('DELETE', '/push/publish?channel=news')
        offline(browser, False)
        t.soon(lambda: browser.js('return window.isHeld'), 'the list is read again', 40)
        Editor(site).publish('Meanwhile')
        t.soon(lambda: 'Meanwhile' in shown(browser), 'the feed brings one more')
        browser.js('window.wasHere = document.querySelector("#list li"); window.letGo()')
        t.soon(lambda: browser.js('return !window.wasHere.isConnected'),
               'the list is there')
        t.equal(shown(browser)[:3], ['Meanwhile', 'In between', 'Missed 2'],
                'and the one that came meanwhile stays')


def refusals(t, site):
    editor = Editor(site)
    t.ok('HttpOnly' in editor.flags and 'SameSite=Lax' in editor.flags,
         'the cookie is out of reach of scripts and other sites', editor.flags)
    before = rows(site.db, 'SELECT count(*) FROM demo_news')
    other = Editor(site)
    for name, status, fields in (
            ('no token', 403, {'token': ''}),
            ('the token of another session', 403, {'token': other.token}),
            ('no headline', 400, {'headline': ''}),
            ('blanks', 400, {'headline': ' \t '}),
            ('two lines', 400, {'headline': 'a\nb'}),
            ('nothing to be seen', 400, {'headline': '\u200b\u2060\u3164'}),
            ('words turned around', 400, {'headline': 'a \u202eb'}),
            ('a tab in the headline', 400, {'headline': 'a\tb'}),
            ('a NUL', 400, {'headline': 'a\0b'}),
            ('no UTF-8', 400, {'headline': b'\xff'}),
            ('a long key', 400, {'form': 'x' * 65}),
            ('121 characters', 400, {'headline': '\u20ac' * 121}),
            ('401 characters of text', 400, {'text': '\u20ac' * 401})):
        r = editor.publish(**fields)
        t.ok(r.status == status and r.json['detail'].endswith('.'),
             'refused: ' + name, r)
    r = site.post(PHP, 'headline[]=a&token[]=b', 'application/x-www-form-urlencoded',
                  {'Cookie': editor.cookie})
    t.equal(r.status, 403, 'refused: lists for fields')
    r = site.post(PHP, 'headline=a&token=' + editor.token,
                  'application/x-www-form-urlencoded')
    t.equal(r.status, 403, 'refused: the token without its cookie')
    t.equal(rows(site.db, 'SELECT count(*) FROM demo_news'), before,
            'and nothing of it is stored')
    t.equal(editor.publish('\u20ac' * 120, '\u20ac\n' * 200).status, 201,
            'what just fits is taken')
    t.equal(editor.publish('\u05d0\u200e \U0001f469\u200d\U0001f52c', 'a\tb').status, 201,
            'and other scripts, joined pictures, a tab in the text')

    one = [editor.publish(form='key of mine') for _ in range(2)]
    t.ok([r.status for r in one] == [201, 201] and one[0].json == one[1].json,
         'what is sent twice is answered alike', *one)

    # A message that can't be stored takes the row along.
    site.sql("UPDATE meta SET value = 10 WHERE name = 'max_data'")
    t.equal(editor.publish('Too much for the table').status, 500,
            'what can\'t be published')
    site.sql("UPDATE meta SET value = 1048576 WHERE name = 'max_data'")
    t.equal(rows(site.db, 'SELECT count(*) FROM demo_news WHERE headline '
                          "LIKE 'Too much%'"), [(0,)], 'is not in the list either')

    for n in range(10):
        forget_rates(site)
        editor.publish('Filler %d' % n)
    forget_rates(site)
    got = [Editor(site).publish('Much %d' % n) for n in range(12)]
    t.equal([r.status for r in got], [201] * 10 + [429] * 2,
            'ten a minute from one address')
    t.equal(got[-1].headers['Retry-After'], '60', 'and when to come again')
    latest = site.get(PHP).json
    t.equal([len(latest['headlines']), latest['headlines'][0]['headline']],
            [20, 'Much 9'], 'the list has the latest twenty')
    t.equal(latest['cursor'], site.get('/push/poll?channel=x').json['cursor'],
            'and their cursor')


def test(t):
    need('/usr/bin/php-cgi')
    with Site(php=True) as site:
        two_windows(t, site)
        in_between(t, site)
        lost(t, site)
        refusals(t, site)
        t.ok(site.lives(), 'the programs live')


run(test)
