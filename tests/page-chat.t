#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-chat.t - issue 4: two browsers and two tabs talk to each other; who writes
# reads it too, once; who comes later reads what was said; nothing that somebody
# says is taken for HTML; what is written while the server is away is not lost,
# what came through though its answer did not waits no more, and what the server
# refuses is told and can be sent again.

import json
import os
import shutil
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from firefox import Firefox  # noqa: E402
from page import Browser, rows, run  # noqa: E402
from tidings_test import Site  # noqa: E402

EVIL = '<img src=x onerror="document.title=\'evil\'"><b>&amp;</b> \u00e4\u20ac\U0001f514'


def said(browser):
    """What stands on the page: [name, text], oldest first."""
    return browser.js('return [...document.querySelectorAll(".said")].map(li =>'
                      ' [".who", ".text"].map(s => li.querySelector(s)'
                      '.textContent))')


def waiting(browser):
    return browser.js('return document.querySelectorAll(".waiting").length')


def shows(t, browser, want, name):
    t.soon(lambda: said(browser) == want and not waiting(browser), name, 20,
           lambda: said(browser))


def enter(browser, site, name, query=''):
    browser.open(site.url + '/chat.html' + query)
    browser.type('#name', name)


def write(browser, text):
    browser.type('#text', text + '\ue007')     # Enter


def stored(site, channel='chat'):
    return [[m['name'], m['text']] for m in (json.loads(row[0]) for row in rows(
        site.db, 'SELECT data FROM changes WHERE channel = ? ORDER BY id',
        channel))]


def talk(t, one, two, site):
    lines = [['Caretaker', 'line %d' % n] for n in range(60)]
    for name, text in lines:
        site.publish_sql('chat', json.dumps({'name': name, 'text': text}))
    enter(one, site, 'Ada')
    shows(t, one, lines[10:], 'who comes reads the last 50')
    t.soon(lambda: one.js('return document.getElementById("scroll").scrollTop')
           > 0, 'and sees the newest')
    t.soon(lambda: one.js('return document.querySelector("[role=log]")'
                          '.getAttribute("aria-busy")') == 'false',
           'from here on it is read aloud')
    enter(two, site, 'Grace')
    shows(t, two, lines[10:], 'another browser too')
    for browser in (one, two):
        t.soon(lambda: browser.state() == 'live', 'live')

    lines = lines[10:]
    for browser, name, text in ((one, 'Ada', 'Hello'), (two, 'Grace', EVIL),
                                (one, 'Ada', 'two  words'),
                                (two, 'Grace', 'x' * 3000)):
        write(browser, text)
        lines.append([name, text])
        short = lines[:-1] + [[name, text if len(text) < 600 else
                               text[:600] + '\u2026']]
        shows(t, browser, short, name + ' reads what she writes')
        shows(t, one if browser is two else two, short, 'so does the other')
        t.equal(browser.js('return document.activeElement.id'), 'text',
                'and can write on')
    t.equal(stored(site)[-4:], lines[-4:], 'all of it is in the table, once')
    t.equal([one.js('return document.title'),
             one.js('return document.querySelectorAll("#log img, #log p b")'
                    '.length')], ['Chat - Tidings', 0], 'nothing was HTML')
    tall = one.js('const box = document.getElementById("scroll");'
                  'return [box.scrollHeight > box.clientHeight,'
                  'document.documentElement.scrollHeight]')
    t.ok(tall[0] and tall[1] < 2000, 'the messages scroll, not the page', tall)
    one.click('.more')
    t.equal(said(one)[-1], lines[-1], 'a long text can be unfolded')
    site.publish_sql('chat', '<i>no JSON</i>')
    t.soon(lambda: said(one)[-1] == ['Nobody', '<i>no JSON</i>'],
           'what is no line of a chat is shown as it is')
    write(one, '   ')
    t.equal(len(stored_all(site)), 65, 'blanks are not sent')


def stored_all(site):
    return rows(site.db, "SELECT id FROM changes WHERE channel = 'chat'")


def reading_back(t, one, two):
    """Who reads what is above is not torn away."""
    one.js('const box = document.getElementById("scroll");'
           'box.scrollTop = 0')
    hidden = 'return document.getElementById("newer").hidden'
    top = 'return document.getElementById("scroll").scrollTop'
    t.soon(lambda: one.js('return atTop = document.getElementById("scroll")'
                          '.scrollTop === 0'), 'read what is above')
    # The page has heard of the scrolling once a frame is over.
    one.driver.execute_async_script(
        'requestAnimationFrame(() => requestAnimationFrame(arguments[0]))')
    write(two, 'news')
    t.soon(lambda: said(one)[-1][1] == 'news', 'something comes')
    t.equal([one.js(top), one.js(hidden)], [0, False],
            'the page stays, and says so')
    one.click('#newer')
    t.soon(lambda: one.js(top) > 0 and one.js(hidden), 'and goes there if asked')
    write(two, 'more')
    t.soon(lambda: said(one)[-1][1] == 'more', 'something more comes')
    t.soon(lambda: one.js(
        'const box = document.getElementById("scroll"); return '
        'box.scrollHeight - box.scrollTop - box.clientHeight < 2'),
           'from there on it follows')


def flood(t, one, site):
    """What goes on while somebody reads what is above grows no page without
    end, and does not move what is read."""
    enter(one, site, 'Ada', '?room=flood')
    t.soon(lambda: one.state() == 'live', 'live')
    fill = ('''WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n
        WHERE i < %d) INSERT INTO changes(channel, data)
        SELECT 'chat.flood', 'line ' || i FROM n''')
    site.sql(fill % (1, 400))
    t.soon(lambda: len(said(one)) == 400, 'many lines')
    one.js('document.getElementById("scroll").scrollTop -= 200')
    one.driver.execute_async_script(
        'requestAnimationFrame(() => requestAnimationFrame(arguments[0]))')
    one.js('window.line = [...document.querySelectorAll(".said")].find(li => '
           'li.getBoundingClientRect().top > document.getElementById("scroll")'
           '.getBoundingClientRect().top)')
    place = 'return window.line.getBoundingClientRect().top'
    above = one.js(place)
    site.sql(fill % (401, 1200))
    t.soon(lambda: said(one)[-1][1] == 'line 1200', 'and many more')
    t.ok(abs(one.js(place) - above) < 5, 'what is read stays where it is',
         above, one.js(place))
    count = one.js('return document.getElementById("log").children.length')
    t.ok(count <= 1000, 'the page does not grow without end', count)


def tabs(t, one, site):
    first = one.driver.current_window_handle
    one.driver.switch_to.new_window('tab')
    enter(one, site, 'Ada', '?room=quiet%20%26%20%3Csmall%3E')
    t.equal([one.text('room'), one.text('channel')],
            ['quiet & <small>', 'chat.quiet & <small>'], 'a room by its name')
    t.equal(one.js('return document.getElementById("name").value'), 'Ada',
            'a tab knows the name')
    t.soon(lambda: one.js('return !document.getElementById("empty").hidden'),
           'nobody has spoken there')
    write(one, 'echo')
    shows(t, one, [['Ada', 'echo']], 'it has its own messages')
    t.equal(stored(site, 'chat.quiet & <small>'), [['Ada', 'echo']],
            'on a channel of its own')
    one.driver.get(site.url + '/chat.html?room=quiet%20%26%20%3Csmall%3E')
    shows(t, one, [['Ada', 'echo']], 'and they are there when it comes back')
    t.equal(one.js('return document.querySelectorAll(".said.own").length'), 1,
            'still known as its own')
    key = json.loads(rows(site.db, "SELECT data FROM changes WHERE channel = "
                          "'chat.quiet & <small>'")[0][0])['key']
    for forged in (key, key.split('.')[0] + '.x'):
        site.publish_sql('chat.quiet & <small>', json.dumps(
            {'name': 'Ada', 'text': 'forged', 'key': forged}))
    t.soon(lambda: len(said(one)) == 3, 'what another says with its key')
    t.equal(one.js('return [...document.querySelectorAll(".said")].map(li =>'
                   'li.classList.contains("own"))'), [True, False, False],
            'is not its own')
    one.js('sessionStorage.setItem("tidings outbox chat." + "a".repeat(59) +'
           '"\\u{1f600}", "{no JSON")')
    one.driver.get(site.url + '/chat.html?room=' + 'a' * 59 +
                   '%F0%9F%98%80%F0%9F%98%80')
    t.equal(one.text('room'), 'a' * 59 + '\U0001f600',
            'no character is cut through')
    t.soon(lambda: one.state() == 'live',
           'nor is the page stopped by what is no list')
    one.driver.close()
    one.driver.switch_to.window(first)
    t.ok('echo' not in [text for _, text in said(one)],
         'the first room has none of it')


def away(t, one, two, site):
    """The programs die and come back; a page loaded anew meanwhile sends what
    it had not got through."""
    count = len(said(one))
    t.equal(waiting(one), 0, 'nothing waits')
    site.supervisor.terminate()
    site.supervisor.wait(30)
    t.soon(lambda: one.state() != 'live', 'the server is away')
    write(one, 'into the dark')
    write(one, 'and once more')
    t.equal([text for _, text in said(one)[-2:]],
            ['into the dark', 'and once more'], 'what is written stands there')
    t.equal(waiting(one), 2, 'and waits')
    # Its clocks run five times as fast, so that the library gives up sooner.
    script = one.driver.execute_cdp_cmd(
        'Page.addScriptToEvaluateOnNewDocument', {'source': '''{
            const timer = window.setTimeout;
            window.setTimeout = (what, ms, ...more) =>
                timer(what, ms / 5, ...more);
        }'''})
    one.driver.get(site.url + '/chat.html')
    t.soon(lambda: waiting(one) == 2, 'also after the page is loaded anew')
    t.soon(lambda: one.js('return [...document.querySelectorAll(".fate")]'
                          '.some(p => /trying on/.test(p.textContent))'),
           'also after the library gave it up', 90)
    one.driver.execute_cdp_cmd('Page.removeScriptToEvaluateOnNewDocument',
                               script)
    site.spawn_supervisor()
    t.soon(lambda: said(two)[-2:] == [['Ada', 'into the dark'],
                                      ['Ada', 'and once more']],
           'the other reads it when the server is back', 60,
           lambda: said(two)[-3:])
    t.soon(lambda: waiting(one) == 0, 'and nothing waits any more', 60)
    t.equal([text for _, text in said(one)[-2:]],
            ['into the dark', 'and once more'], 'in that order')
    t.equal(len([text for _, text in said(two) if text in
                 ('into the dark', 'and once more')]), 2, 'each once')
    t.ok(len(said(one)) <= count + 2, 'no line is twice', len(said(one)))


def answer_lost(t, one, site):
    """Two lines were committed, but the page never had the answer; when it is
    loaded anew they are out of its reach.  One is in the table byte for byte
    as the page sends it, the other is not."""
    lines = [{'name': 'Ada', 'text': 'line %d' % n, 'key': 'lost.%d' % n}
             for n in (1, 2)]
    enter(one, site, 'Ada', '?room=lost')
    t.soon(lambda: one.state() == 'live', 'live')
    for line, space in zip(lines, ('', ' ')):
        data = json.dumps(line, separators=(',', ':')) + space
        t.equal(site.post('/push/publish?channel=chat.lost', data.encode(),
                          'application/json',
                          {'Idempotency-Key': line['key']}).status, 201,
                'a line is in the table')
    site.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
             "WHERE i < 60) INSERT INTO changes(channel, data) "
             "SELECT 'chat.lost', 'more ' || i FROM n")
    one.js('sessionStorage.setItem("tidings outbox chat.lost", arguments[0])',
           json.dumps(lines))
    one.driver.refresh()
    t.soon(lambda: said(one)[-2:] == [['Ada', 'line 1'], ['Ada', 'line 2']] and
           len(said(one)) == 52 and not waiting(one),
           'what was sent already, and is out of reach, waits no more', 20,
           lambda: said(one)[-3:])
    t.equal(one.js('return [sessionStorage.getItem("tidings outbox chat.lost"),'
                   'document.querySelectorAll(".fate, .failed").length]'),
            ['[]', 0], 'nor is it told that it failed, or tried again')
    t.equal(rows(site.db, "SELECT count(*) FROM changes WHERE channel = "
                 "'chat.lost'"), [(62,)], 'each is in the table once')
    t.equal([text for _, text in said(one)].count('line 1'), 1,
            'and on the page')
    one.type('#name', 'Ada')
    write(one, 'line 3')
    t.soon(lambda: said(one)[-1] == ['Ada', 'line 3'] and not waiting(one),
           'and it goes on')


def refused(t, one):
    with Site({'access': {'publish_from_loopback': 'no'}}) as site:
        enter(one, site, 'Eve')
        t.soon(lambda: one.state() == 'live', 'live')
        write(one, 'let me in')
        t.soon(lambda: one.js('const fate = document.querySelector('
                              '".failed .fate"); return fate && '
                              '/^Not sent: ./.test(fate.textContent)'),
               'what the server refuses is told', 20, lambda: said(one))
        t.equal(stored(site), [], 'and not stored')
        site.settings['access']['publish_from_loopback'] = 'yes'
        site.write_conf()
        site.supervisor.send_signal(signal.SIGHUP)
        t.soon(lambda: site.post('/push/publish?channel=other', b'x').status
               == 201, 'the server changes its mind')
        one.click('.failed button')
        shows(t, one, [['Eve', 'let me in']], 'it can be sent again')
        t.equal(stored(site), [['Eve', 'let me in']], 'and is there once')


def another():
    """Of another make, where there is one."""
    return Firefox() if shutil.which('firefox-esr') else Browser()


def test(t):
    with Browser() as one, another() as two:
        t.note('the other browser is ' + type(two).__name__)
        with Site() as site:
            talk(t, one, two, site)
            reading_back(t, one, two)
            flood(t, one, site)
            enter(one, site, 'Ada')
            tabs(t, one, site)
            t.equal(one.complaints() + two.complaints(), [],
                    'no request failed')

            away(t, one, two, site)
            answer_lost(t, one, site)
        refused(t, one)


run(test)
