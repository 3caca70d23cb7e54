#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-wordpress-style.t - issue 4: the article page is whole without script, has
# comments of others as they come with it, and misses none between its rendering
# and its connection, however long that takes.  The plugin for WordPress does the
# same through WordPress's hooks (here: stand-ins of the functions it calls, in
# tests/lib/wordpress_stand_in.php).

import os
import re
import shutil
import sys
import tempfile
import threading
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, panels_are_true, rows, run, until  # noqa: E402
from tidings_test import SRC, Site, at_last, need  # noqa: E402

PAGE = '/examples/wordpress-style.php'
# tidings.js comes when the test says so.
HOLD = '''#!/bin/sh
: >%(dir)s/asked
n=0
until [ -e %(dir)s/go ] || [ $n -gt 1200 ]; do n=$((n + 1)); sleep 0.05; done
printf 'Content-Type: text/javascript\\r\\n\\r\\n'
cat %(dir)s/tidings.js
'''
# Whether the bar comes without words.
EMPTY = '''
    new MutationObserver(all => {
        for (const one of all) {
            for (const node of one.addedNodes) {
                if (node.id === 'tidings-live' && !window.bars++) {
                    window.empty = !node.textContent;
                }
            }
        }
    }).observe(document, { childList: true, subtree: true });
    window.bars = 0;'''


class Visitor:
    """Somebody without script."""

    def __init__(self, site):
        self.site = site
        r = site.get(PAGE)
        self.cookie = r.headers['Set-Cookie'].split(';')[0]
        self.token = re.search(r'name="token" value="(\w+)"', r.text).group(1)

    def comment(self, author='Ada', comment='Hello', **more):
        fields = dict({'author': author, 'comment': comment,
                       'token': self.token}, **more)
        return self.site.post(PAGE, urllib.parse.urlencode(fields),
                              'application/x-www-form-urlencoded',
                              {'Cookie': self.cookie})


def shown(browser):
    return browser.js('return [...document.querySelectorAll("#list .comment-text")]'
                      '.map(p => p.textContent)')


def forget_rates(site):
    site.sql('UPDATE demo_comments SET time = time - 60001')


def without_script(t, site):
    visitor = Visitor(site)
    text = 'Well <i>said</i> & "so"\r\non\ttwo lines'
    r = visitor.comment('A<b>', text)
    t.equal((r.status, r.headers['Location']), (303, 'wordpress-style.php#comments'),
            'the form works without script')
    page = site.get(PAGE).text
    t.ok('A&lt;b&gt;' in page and
         'Well &lt;i&gt;said&lt;/i&gt; &amp; &quot;so&quot;\non\ttwo lines' in page,
         'the comment is on the page, escaped')
    t.equal(re.search(r'tidings-cursor" content="([^"]+)"', page).group(1),
            site.get('/push/poll?channel=x').json['cursor'], 'with the cursor of now')
    for name, status, fields in (
            ('no token', 403, {'token': ''}),
            ('another\'s token', 403, {'token': Visitor(site).token}),
            ('no name', 400, {'author': ''}),
            ('a name in two lines', 400, {'author': 'a\nb'}),
            ('nothing to be seen', 400, {'author': '\u200b'}),
            ('a name turned around', 400, {'author': '\u2067Ada'}),
            ('no text', 400, {'comment': ' '}),
            ('1001 characters', 400, {'comment': '\u20ac' * 1001})):
        r = visitor.comment(**fields)
        t.ok(r.status == status and 'role="alert"' in r.text, 'refused: ' + name, r)
    r = visitor.comment('', '</textarea><script>alert(1)</script>')
    t.ok('</textarea><script>' not in r.text and
         '&lt;/textarea&gt;&lt;script&gt;' in r.text, 'what was written is kept, escaped')
    site.sql("UPDATE meta SET value = 10 WHERE name = 'max_data'")
    r = visitor.comment(comment='lost')
    t.ok(r.status == 500 and r.headers['Content-Type'].startswith('text/html') and
         '<h1>Sorry</h1>' in r.text, 'what can\'t be published', r)
    site.sql("UPDATE meta SET value = 1048576 WHERE name = 'max_data'")
    t.equal(rows(site.db, "SELECT count(*) FROM demo_comments WHERE text = 'lost'"),
            [(0,)], 'is not there either')
    forget_rates(site)
    t.equal([visitor.comment().status for _ in range(8)], [303] * 6 + [429] * 2,
            'six a minute from one address')
    site.sql('DELETE FROM demo_comments')


def live(t, site, hold):
    with Browser() as browser:
        # The page is made; somebody comments; then its script comes.
        opening = threading.Thread(target=browser.open, args=(site.url + PAGE,))
        opening.start()
        t.soon(lambda: os.path.exists(os.path.join(hold, 'asked')),
               'the page is made, its script is not there yet')
        visitor = Visitor(site)
        t.equal(visitor.comment(comment='In between').status, 303, 'somebody comments')
        with open(os.path.join(hold, 'go'), 'w'):
            pass
        opening.join()
        t.soon(lambda: shown(browser) == ['In between'],
               'it is not missed', 20, lambda: shown(browser))
        t.equal(browser.text('count') + browser.text('noun'), '1comment', 'and counted')

        site.publish_sql('comments.1', 'no JSON', 'comment')
        site.publish_sql('comments.1', '{"id":"x","author":7}', 'comment')
        visitor.comment('<b>', '<img src=x onerror=alert(1)>\nmore')
        want = ['In between', '<img src=x onerror=alert(1)>\nmore']
        t.soon(lambda: shown(browser) == want, 'another comes as it is')
        made = browser.js('return document.querySelector("#list li:last-child").outerHTML')
        browser.type('input[name=author]', 'Grace')
        browser.type('textarea', 'Mine')
        browser.click('form button')
        want.append('Mine')
        t.soon(lambda: shown(browser) == want, 'one\'s own is there once')
        printed = browser.js('return document.querySelector('
                             '"#list li:nth-child(2)").outerHTML')
        t.equal(re.sub(r'\s+', ' ', made.replace(' class="fresh"', '')).replace('> <', '><'),
                re.sub(r'\s+', ' ', printed).replace('> <', '><'),
                'script and PHP make the same of it')
        t.soon(lambda: browser.state() == 'live', 'live')
        panels_are_true(t, browser)
        t.equal(browser.complaints(), [], 'no request failed')


def cached(t, site):
    """A copy of the page whose cursor is of no use any more."""
    page = re.sub('(tidings-cursor" content=")[^"]+', r'\1cccccccccccc-1',
                  site.get(PAGE).text)
    with open(os.path.join(site.dir, 'htdocs', 'examples', 'cached.html'), 'w') as f:
        f.write(page)

    def loads():
        with open(os.path.join(site.dir, 'access.log')) as f:
            return sum('cached.html' in line for line in f)
    with Browser() as browser:
        browser.open(site.url + '/examples/cached.html')
        t.soon(lambda: loads() > 2 or browser.js(
            'return !document.getElementById("missed").hidden'),
            'an old page says that comments are missing')
        # There is nothing to wait for.
        until(lambda: loads() > 2, 3)
        t.ok(loads() == 2, 'once it is loaded again, and then no more',
             [line for line in open(os.path.join(site.dir, "access.log")) if "cached" in line])


def plugin(t, site):
    folder = os.path.join(site.dir, 'htdocs', 'examples', 'wp')
    os.mkdir(folder)
    for name in ('htdocs/examples/wordpress/tidings-live.php',
                 'htdocs/examples/wordpress/tidings-live.js',
                 'htdocs/examples/tidings.php', 'htdocs/tidings.js'):
        shutil.copy(os.path.join(SRC, name), folder)
    shutil.copy(os.path.join(SRC, 'tests', 'lib', 'wordpress_stand_in.php'),
                os.path.join(folder, 'page.php'))
    page = '/examples/wp/page.php?post='

    def messages(channel):
        return site.get('/push/poll?channel=%s&since=earliest' % channel).json['messages']

    def do(what, post=7):
        r = site.get('%s%d&do=%s' % (page, post, what))
        t.ok(r.status == 200, what, r)
        return r.text
    first = do('comment&author=Ada&approved=1')
    waits = do('comment&author=Bob&approved=0')
    do('comment&author=Spam&approved=spam')
    t.equal([m['data'] for m in messages('comments.7')],
            ['{"id":%s,"author":"Ada"}' % first], 'what is approved is told')
    do('approve&comment=' + waits)
    do('approve&comment=' + waits)
    t.equal([m['data'] for m in messages('comments.7')][1:],
            ['{"id":%s,"author":"Bob"}' % waits], 'later approved, once')
    for post, why in ((2, 'private'), (3, 'behind a password')):
        do('comment&author=Eve&approved=1', post)
        do('publish&old=draft', post)
        t.equal(messages('comments.%d' % post), [], 'nothing of a post that is ' + why)
    do('publish&old=new')
    do('publish&old=publish')
    t.equal([m['data'] for m in messages('posts')],
            ['{"id":7,"title":"Tea & <b>biscuits</b>",'
             '"link":"/examples/wp/page.php?post=7"}'], 'a post is told when it comes out')

    with Browser() as browser:
        def bar():
            return browser.js('return (document.getElementById("tidings-live") || {})'
                              '.textContent || ""')
        # On the page and in the feed: no news.  The next one is the first.
        browser.open(site.url + page + '8&between=before')
        t.equal(browser.js('return document.querySelector("li").textContent'), 'Before',
                'a comment that came while the page was made')
        do('comment&author=Cy&approved=1', 8)
        t.soon(lambda: bar() == 'A new comment by Cy', 'is not told again', 20, bar)
        browser.driver.execute_cdp_cmd('Page.addScriptToEvaluateOnNewDocument',
                                       {'source': EMPTY})
        browser.open(site.url + page + '9&between=after')
        t.soon(lambda: bar() == 'A new comment by After', 'one that the page lacks is', 20,
               bar)
        do('publish&old=future')
        t.soon(lambda: bar() == 'New: Tea & <b>biscuits</b>', 'and a new post')
        t.ok(browser.js('return document.querySelector("#tidings-live a").href')
             .endswith(page + '7'), 'with its link')
        t.ok(browser.js('return window.empty'), 'the bar was there before its words')
        browser.click('#tidings-live a')
        t.soon(lambda: browser.js('return location.search') == '?post=7',
               'which leads there', 20, lambda: browser.js('return location.href'))
        t.soon(lambda: browser.js('return document.readyState') == 'complete', 'a page')
        do('comment&author=Di&approved=1', 7)
        t.soon(lambda: bar() == 'A new comment by Di', 'a comment on it', 20, bar)
        browser.js('window.old = true')
        browser.click('#tidings-live a')
        t.soon(lambda: browser.js('return !window.old && '
                                  'location.hash.startsWith("#comment-") && '
                                  'Boolean(document.querySelector(location.hash))'),
               'leads to a page that has it')
        t.equal(browser.complaints(), [], 'no request failed')
    r = site.get(page + '8&db=/nowhere')
    t.ok(r.status == 200 and 'Before' in r.text and 'tidings' not in r.text,
         'without the database the page is there all the same', r)
    def said():
        with open(site.error_log) as f:
            return 'tidings-live: Tidings: there is no database /nowhere' in f.read()
    t.ok(at_last(said), 'and the log says why')


def test(t):
    need('/usr/bin/php-cgi')
    with tempfile.TemporaryDirectory() as hold:
        # httpd runs as another user.
        os.chmod(hold, 0o777)
        shutil.copy(os.path.join(SRC, 'htdocs', 'tidings.js'), hold)
        script = os.path.join(hold, 'hold')
        with open(script, 'w') as f:
            f.write(HOLD % {'dir': hold})
        os.chmod(script, 0o755)
        with Site(php=True, httpd_extra='ScriptAlias "/tidings.js" "%s"' % script) as site:
            without_script(t, site)
            live(t, site, hold)
            cached(t, site)
            plugin(t, site)
            t.ok(site.lives(), 'the programs live')


run(test)
