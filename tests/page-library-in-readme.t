#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# What README shows of the library works as it stands there, in a browser: the
# script, the cursor in the page, the element, the module, workers, EventSource's
# shape, and under the Content-Security-Policy that it names. It tells the real size,
# and its table has the options and defaults of tidings.d.ts.
import gzip, os, re, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'browser'))
from page import Browser, run
from tidings_test import SRC, Site

CSP = '''<Location "/strict">
Header set Content-Security-Policy "default-src 'none'; img-src 'self'; %s"
</Location>
Alias "/strict" "${HTDOCS}/strict.html"
'''


def section(text, title):
    return re.search(r'^## %s\n(.*?)^## ' % title, text, re.M | re.S).group(1)


def write(site, name, text):
    with open(os.path.join(site.dir, 'htdocs', name), 'w', encoding='utf-8') as f:
        f.write('<!DOCTYPE html>\n<meta charset="utf-8">\n<link rel="icon" href="icon.svg">\n' + text)


def describes(t, text):
    with open(os.path.join(SRC, 'htdocs', 'tidings.js'), 'rb') as f:
        size = '%.1f KB' % (len(gzip.compress(f.read(), 9, mtime=0)) / 1024)
    told = re.search(r'[\d.]+ KB(?= \(gzipped)', text)
    t.equal(told and told.group(), size, 'README tells its size')
    with open(os.path.join(SRC, 'htdocs', 'tidings.d.ts')) as f:
        options = re.search(r'interface Options \{(.*?)^\}', f.read(), re.M | re.S).group(1)
    rows = re.findall(r'^\| (`.*?) \| (.*?) \|', text, re.M)
    names = [n for row in rows for n in re.findall(r'`(\w+)`', row[0])]
    t.equal(sorted(names), sorted(re.findall(r'^\t(\w+)\?:', options, re.M)),
            'and all options')
    numbers = re.findall(r'default:? (\d+)', options)
    t.equal(sorted(n for row in rows for n in re.findall(r'\b\d{4,}\b', row[1])),
            sorted(numbers), 'with their defaults')


def headline(site, text):
    site.publish_sql('hello', '{"headline": "%s"}' % text, 'headline')


def script(t, browser, site, block):
    write(site, 'script.html', block)
    site.publish_sql('hello', 'first <b>')
    browser.open(site.url + '/script.html')
    items = lambda: browser.js('return [...document.querySelectorAll("li")]'
                               '.map(item => item.textContent)')
    t.soon(lambda: items() == ['first <b>'], 'the script: what was there', 20, items)
    headline(site, 'It works')
    t.soon(lambda: browser.driver.title == 'It works', 'an event by its name')
    t.equal(items(), ['first <b>', '{"headline": "It works"}'], 'and as a message')
    t.soon(lambda: browser.text('status') == 'open', 'its state')
    t.equal(browser.complaints(), [], 'no request failed')
    return items


def from_the_page_on(t, browser, site, meta, block):
    cursor = site.get('/push/poll?channel=hello').json['cursor']
    site.publish_sql('hello', 'between')
    write(site, 'meta.html', re.sub('content="[^"]+"', 'content="%s"' % cursor, meta) +
          block.replace(", since: '-20'", ''))
    browser.open(site.url + '/meta.html')
    items = lambda: browser.js('return [...document.querySelectorAll("li")]'
                               '.map(item => item.textContent)')
    t.soon(lambda: items() == ['between'], 'from the cursor of the page on', 20, items)


def element(t, browser, site, block):
    write(site, 'element.html', block)
    browser.open(site.url + '/element.html')
    headline(site, 'By <i>template</i>')
    first = lambda: browser.js('return [...document.querySelectorAll("tidings-feed p b")]'
                               '.map(b => b.textContent)[0]')
    t.soon(lambda: first() == 'By <i>template</i>', 'the element: the newest first, as text', 20,
           first)
    t.ok(browser.js('return document.querySelector("tidings-feed p time").textContent'),
         'with its time')
    for n in range(25):
        headline(site, 'No. %d' % n)
    t.soon(lambda: first() == 'No. 24', 'it goes on')
    t.equal(browser.js('return document.querySelectorAll("tidings-feed p").length'), 20,
            'with so many as are asked for')


def module(t, browser, site, block):
    write(site, 'module.html', block)
    browser.open(site.url + '/module.html')
    site.publish_sql('hello', 'to the module')
    t.soon(lambda: browser.driver.title == 'to the module', 'the module')


def workers(t, browser, site):
    """In a worker of each kind, which hands on what it is told."""
    use = ("new Tidings('/push', {channels: 'hello', since: '-1', share: false})"
           ".on('message', m => postMessage(m.data));")
    for kind, load in (('classic', "importScripts('tidings.js');"),
                       ('module', "import Tidings from './tidings.mjs';")):
        with open(os.path.join(site.dir, 'htdocs', kind + '.js'), 'w') as f:
            f.write(load + '\n' + use)
        write(site, 'worker.html', '<script>new Worker("%s.js", {type: "%s"}).onmessage = '
              'event => document.title = event.data;</script>' % (kind, kind))
        site.publish_sql('hello', 'in a worker, ' + kind)
        browser.open(site.url + '/worker.html')
        t.soon(lambda: browser.driver.title == 'in a worker, ' + kind, 'a worker, ' + kind)


def eventsource(t, browser, site, text):
    call = re.search(r"`(new tidings\.EventSource\(.*?\))`", text).group(1)
    write(site, 'shape.html', '<script src="tidings.js"></script><script>let got = [];\nconst '
          'source = %s;\nsource.onmessage = event => got.push([event.data, event.lastEventId]);\n'
          'source.addEventListener("headline", event => got.push(event.type));</script>' % call)
    browser.open(site.url + '/shape.html')
    t.soon(lambda: browser.js('return source.readyState === 1'), "EventSource's shape: open")
    site.publish_sql('hello', 'shaped')
    headline(site, 'x')
    last = site.get('/push/poll?channel=hello&since=-2').json['messages'][0]['id']
    got = lambda: browser.js('return got')
    t.soon(lambda: got() == [['shaped', last], 'headline'], 'and its events', 20, got)


def under_policy(t, browser, site, policy, transports):
    site.httpd.terminate()
    site.httpd.wait(20)
    site.extra = (CSP % policy).replace('${HTDOCS}', os.path.join(site.dir, 'htdocs'))
    site.start_httpd()
    write(site, 'strict.html', '<script src="/tidings.js"></script>\n'
          '<script src="/strict.js"></script>')
    for transport in transports:
        with open(os.path.join(site.dir, 'htdocs', 'strict.js'), 'w') as f:
            f.write("const feed = new Tidings('/push', {channels: 'a', since: '-1', share: "
                    "false, transports: ['iframe', '%s']});\nfeed.on('message', m => "
                    "document.title = m.data);" % transport)
        site.publish_sql('a', 'by ' + transport)
        browser.open(site.url + '/strict')
        t.soon(lambda: browser.driver.title == 'by ' + transport, 'under %s: %s' % (
            policy, transport), 20, browser.complaints)
        t.equal(browser.js('return feed.status.transport'), transport, 'which says so')


def policy(t, browser, text):
    named = re.search(r"`(script-src 'self'; connect-src 'self')`", text).group(1)
    frames = re.search(r"`(frame-src 'self')`", text).group(1)
    with Site() as site:
        under_policy(t, browser, site, named, ('ws', 'sse', 'longpoll', 'poll'))
        under_policy(t, browser, site, named + '; ' + frames, ('iframe',))


def test(t):
    with open(os.path.join(SRC, 'README.md'), encoding='utf-8') as f:
        text = section(f.read(), 'In a page')
    describes(t, text)
    blocks = re.findall(r'^```html\n(.*?)^```', text, re.M | re.S)
    t.equal(len(blocks), 4, 'four examples')
    with Browser() as browser:
        with Site() as site:
            script(t, browser, site, blocks[0])
            from_the_page_on(t, browser, site, blocks[1], blocks[0])
            element(t, browser, site, blocks[2])
            module(t, browser, site, blocks[3])
            workers(t, browser, site)
            eventsource(t, browser, site, text)
        policy(t, browser, text)


run(test)
