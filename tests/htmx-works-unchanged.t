#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 4: pages of htmx 2 and of htmx 4, with their own extensions for SSE and
# WebSocket, have HTML from the server in a real browser: by event name, over
# lines, appended and out of band; a form publishes; after a program was killed
# SSE goes on where it was, each message once and in order. With our EventSource
# in the place of the browser's, htmx 2 does so after a 503 as well.
import os, re, signal, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'browser'))
from npm_clients import npm_clients
from page import Browser, rows, run
from tidings_test import SRC, Site, wait_for

HTMX = {2: ('/clients/htmx.org/dist/htmx.min.js', '/clients/htmx-ext-sse/dist/sse.min.js',
            '/clients/htmx-ext-ws/dist/ws.min.js'),
        4: ('/clients/htmx4/dist/htmx.min.js', '/clients/htmx4/dist/ext/hx-sse.min.js',
            '/clients/htmx4/dist/ext/hx-ws.min.js')}

FORM = '''<form id="form" hx-post="/push/publish" hx-swap="none">
<input name="channel" value="news" type="hidden"><input name="data" id="line"></form>'''

SSE = {2: '''
<div id="stream" hx-ext="sse" sse-connect="/push/sse?channel=news&since=earliest">
<ul id="list" sse-swap="message" hx-swap="beforeend"></ul>
<p id="price" sse-swap="price"></p>
<p id="part" hx-get="/part.html" hx-trigger="sse:tidings.reset"></p>
</div>''' + FORM, 4: '''
<ul id="list" hx-sse:connect="/push/sse?channel=news&since=earliest" hx-swap="beforeend"></ul>
<p id="price" hx-get="/part.html" hx-trigger="price from:#list"></p>
<p id="part" hx-get="/part.html" hx-trigger="tidings.reset from:#list"></p>''' + FORM}

WS = {2: '''
<div hx-ext="ws" ws-connect="/push/ws?channel=parts&since=-1">
<p id="state"></p><ul id="list"></ul>
</div>''', 4: '''
<div hx-ws:connect="/push/ws?channel=parts&since=-1" hx-swap="none">
<p id="state"></p><ul id="list"></ul>
</div>'''}

# With the subprotocol a form's fields are an operation: both have a setting.
SEND = {2: '''
<script>htmx.createWebSocket = url => new WebSocket(url, 'tidings.json');</script>
<div hx-ext="ws" ws-connect="/push/ws">
<form ws-send id="form"><input type="hidden" name="op" value="publish">
<input type="hidden" name="channel" value="sent"><input name="data" id="line"></form>
</div>''', 4: '''
<div hx-ws:connect="/push/ws" hx-config='{"ws": {"protocols": ["tidings.json"]}}'>
<form hx-ws:send id="form"><input type="hidden" name="op" value="publish">
<input type="hidden" name="channel" value="sent"><input name="data" id="line"></form>
</div>'''}


OURS = '<script src="tidings.js"></script>\n<script>EventSource = tidings.EventSource;</script>\n'


def write_page(site, name, version, body, before=''):
    scripts = before + ''.join('<script src="%s"></script>\n' % s for s in HTMX[version])
    with open(os.path.join(site.dir, 'htdocs', name), 'w') as f:
        f.write('<!DOCTYPE html>\n<meta charset="utf-8">\n<link rel="icon" href="icon.svg">\n'
                '<title>htmx</title>\n%s<body>%s</body>\n' % (scripts, body))


def items(browser):
    return browser.js('return [...document.querySelectorAll("#list li")].map(e => e.textContent)')


def shows(t, browser, want, name):
    t.soon(lambda: items(browser) == want, name, 30, lambda: items(browser))


def sse(t, browser, site, version):
    name = lambda text: 'htmx %d: %s' % (version, text)
    write_page(site, 'sse.html', version, SSE[version])
    want = ['before', 'two lines']
    site.publish_sql('news', '<li>before</li>')
    site.publish_sql('news', '<li>two\n<b>lines</b></li>')
    browser.open(site.url + '/sse.html')
    t.soon(lambda: [' '.join(x.split()) for x in items(browser)] == want,
           name('SSE: what was there, as HTML'), 20, lambda: items(browser))
    t.equal(browser.js('return document.querySelectorAll("#list li b").length'), 1,
            name('SSE: with its elements'))
    want = items(browser)

    site.publish_sql('news', '<b id="gold">42.17</b>', 'price')
    shown = '42.17' if version == 2 else 'the part'
    t.soon(lambda: browser.text('price') == shown, name('SSE: an event by its name'), 20,
           lambda: browser.text('price'))

    browser.type('#line', '<li>from the form</li>\n')
    want.append('from the form')
    shows(t, browser, want, name('a form publishes, and it comes back'))
    t.equal(browser.complaints(), [], name('no request failed'))

    for round_ in range(2):
        site.kill('sse')
        for n in range(3):
            want.append('killed %d.%d' % (round_, n))
            site.publish_sql('news', '<li>%s</li>' % want[-1])
        shows(t, browser, want, name('SSE: killed, and nothing is lost or doubled'))
    want.append('and on')
    site.publish_sql('news', '<li>and on</li>')
    shows(t, browser, want, name('SSE: it goes on'))

    # A cursor behind which something is gone.
    t.equal(browser.text('part'), '', name('SSE: no reset so far'))
    cursor = site.get('/push/poll?channel=gone').json['cursor']
    site.publish_sql('gone', 'x')
    site.request('DELETE', '/push/publish?channel=gone')
    write_page(site, 'reset.html', version,
               SSE[version].replace('channel=news&since=earliest', 'channel=gone&since=' + cursor))
    browser.open(site.url + '/reset.html')
    t.soon(lambda: browser.text('part') == 'the part', name('SSE: a reset fetches anew'))


def away(site):
    """Nobody is there until the page was refused; what is said meanwhile."""
    def refused():
        with open(os.path.join(site.dir, 'access.log')) as f:
            return sum(' 503 ' in line and '/push/' in line for line in f)
    before = refused()
    site.supervisor.terminate()
    site.supervisor.wait(20)
    site.publish_sql('news', '<li>while away</li>')
    try:
        wait_for(lambda: refused() > before, 30, 'a refusal')
    finally:
        site.spawn_supervisor()


def with_ours(t, browser, site):
    name = lambda text: 'htmx 2 on tidings.EventSource: ' + text
    write_page(site, 'ours.html', 2, SSE[2].replace('channel=news', 'channel=news&prefix=ours.'),
               OURS)
    browser.open(site.url + '/ours.html')
    t.soon(lambda: len(items(browser)) > 3, name('what was there'), 20, lambda: items(browser))
    want = items(browser)
    site.publish_sql('news', '<b>43.01</b>', 'price')
    t.soon(lambda: browser.text('price') == '43.01', name('an event by its name'))
    away(site)
    want += ['while away', 'and back']
    site.publish_sql('ours.x', '<li>and back</li>')
    shows(t, browser, want, name('nobody was there, and nothing is lost or doubled'))


def in_readme(t, browser, site):
    with open(os.path.join(SRC, 'README.md'), encoding='utf-8') as f:
        block = re.search(r'^```html\n(<ul hx-sse:connect.*?)^```', f.read(), re.M | re.S).group(1)
    shown = lambda: browser.js('return [...document.querySelectorAll("ul li")]'
                               '.map(e => e.textContent)')
    site.publish_sql('hello', '<li>before</li>')
    write_page(site, 'readme.html', 4, block)
    browser.open(site.url + '/readme.html')
    t.soon(lambda: shown() == ['before'], 'what README shows of htmx 4', 20, shown)
    site.publish_sql('hello', '<li>after</li>')
    t.soon(lambda: shown() == ['before', 'after'], 'and what comes then', 20, shown)


def ws(t, browser, site, version):
    name = lambda text: 'htmx %d: %s' % (version, text)
    oob = '<p id="state" hx-swap-oob="true">%s</p>'
    site.publish_sql('parts', oob % 'old')
    site.publish_sql('parts', oob % 'before')
    write_page(site, 'ws.html', version, WS[version])
    browser.open(site.url + '/ws.html')
    state = lambda: browser.text('state')
    t.soon(lambda: state() == 'before', name('WebSocket: the last one, as it stands'), 20, state)
    site.publish_sql('parts', '<ul id="list" hx-swap-oob="beforeend"><li>one</li></ul>')
    site.publish_sql('parts', '<ul id="list" hx-swap-oob="beforeend">\n<li>tw\u00f6</li></ul>\n' +
                     oob % 'both')
    shows(t, browser, ['one', 'tw\u00f6'], name('WebSocket: parts are appended'))
    t.soon(lambda: state() == 'both', name('WebSocket: two in one message'), 20, state)
    t.equal(browser.complaints(), [], name('WebSocket: no request failed'))
    for sig in (signal.SIGKILL, signal.SIGTERM):
        site.kill('wsd', sig)
        site.publish_sql('parts', oob % ('during %d' % sig))
        t.soon(lambda: state() == 'during %d' % sig,
               name('WebSocket: after %s, with the last one' % sig.name), 30, state)
        site.publish_sql('parts', oob % ('after %d' % sig))
        t.soon(lambda: state() == 'after %d' % sig, name('WebSocket: and it goes on'), 20, state)

    write_page(site, 'send.html', version, SEND[version])
    browser.open(site.url + '/send.html')
    words = '<b>gesendet</b> \u00e4 %d' % version
    browser.type('#line', words + '\n')
    sent = lambda: rows(site.db, "SELECT data FROM changes WHERE channel = 'sent'"
                        ' ORDER BY id DESC LIMIT 1')
    t.soon(lambda: sent() == [(words,)], name('WebSocket: a form publishes'), 20, sent)
    browser.type('#line', 'again\n')
    t.soon(lambda: sent() == [('again',)], name('WebSocket: and once more'), 20, sent)
    t.equal(browser.complaints(), [], name('WebSocket: nobody complains'))


def test(t):
    clients = npm_clients()
    t.note(clients.versions())
    with Browser() as browser:
        for version in (2, 4):
            with Site(httpd_extra=clients.httpd) as site:
                with open(os.path.join(site.dir, 'htdocs', 'part.html'), 'w') as f:
                    f.write('the part')
                sse(t, browser, site, version)
                if version == 2:
                    with_ours(t, browser, site)
                else:
                    in_readme(t, browser, site)
                ws(t, browser, site, version)


run(test)
