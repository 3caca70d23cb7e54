#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page-login.t - issue 4: the desktop shows a code and waits, by a WebSocket or by
# plain polling; the phone confirms or refuses; expired, refused and used codes are
# told apart on both; waiting stops; and neither the code, nor the channel, nor
# the message gives the session to anybody else.

import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from page import Browser, panels_are_true, rows, run, until  # noqa: E402
from tidings_test import SRC, Site, need  # noqa: E402

import shutil  # noqa: E402

DESKTOP = '/examples/login.php'
PHONE = '/examples/phone.php?code='
FORM = 'application/x-www-form-urlencoded'
NO_FEED = '''
    <LocationMatch "^/push/(iframe|longpoll|poll|sse|ws)">
        Require all denied
    </LocationMatch>'''


class Visitor:
    """A browser without a screen: a cookie and a token, for either page."""

    def __init__(self, site):
        self.site = site
        self.cookies = {}
        self.token = ''

    def request(self, method, path, fields=None):
        body = urllib.parse.urlencode(fields) if fields is not None else None
        headers = {'Cookie': '; '.join('%s=%s' % one for one in self.cookies.items())}
        if body is not None:
            headers['Content-Type'] = FORM
        r = self.site.request(method, path, body, headers)
        for line in r.headers.get_all('Set-Cookie') or []:
            name, _, value = line.split(';')[0].partition('=')
            self.cookies[name] = value
        return r

    def desktop(self, **fields):
        if not self.token:
            self.token = self.request('GET', DESKTOP).json['token']
        r = self.request('POST', DESKTOP, dict({'token': self.token}, **fields))
        if r.status < 300:
            self.token = r.json.get('token', self.token)
        return r

    def user(self):
        return self.request('GET', DESKTOP).json['user']

    def look(self, code):
        """The phone's page: status, state, its token."""
        r = self.request('GET', PHONE + code)
        token = re.search(r'name="token" value="(\w+)"', r.text)
        return (r.status, re.search(r'data-state="([\w-]+)"', r.text).group(1),
                token and token.group(1))

    def answer(self, code, answer='confirm', user='Ada', token=None):
        return self.request('POST', PHONE + code, {
            'answer': answer, 'user': user,
            'token': self.look(code)[2] if token is None else token})


def code_of(browser):
    return browser.text('link').partition('code=')[2]


def waiting(t, browser, site, name='waiting for the phone'):
    t.soon(lambda: browser.state() == 'live' and
           browser.text('state').startswith('waiting') and code_of(browser),
           name, 20, lambda: browser.text('state'))
    return code_of(browser)


def channel_of(site):
    return rows(site.db, 'SELECT channel FROM demo_logins '
                         'ORDER BY rowid DESC LIMIT 1')[0][0]


def quiet(t, site, name):
    """The page does not wait any more: nobody is on its channel, nobody polls."""
    channel = channel_of(site)
    site.wait_subscribers(channel, 0)

    def polls():
        with open(os.path.join(site.dir, 'access.log')) as f:
            return sum('/poll' in line and channel in line for line in f)
    # Longer than two of its polls; there is nothing to wait for.
    before = polls()
    more = until(lambda: polls() > before, 5)
    t.ok(not more, name)


def covered(browser):
    return browser.js('return document.getElementById("scan").dataset.login')


def tap(phone, button, user=None):
    if user is not None:
        phone.type('input[name=user]', user)
    phone.click('button[value=%s]' % button)


def heading(phone):
    return phone.js('return (document.querySelector("h1") || {}).textContent')


def reads(t, desk):
    """The picture is the link, for a reader that nobody here wrote."""
    if shutil.which('zbarimg') is None:
        t.ok(True, 'the QR code has the link # SKIP needs zbarimg')
        return
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, 'qr.png')
        desk.driver.find_element('id', 'qr').screenshot(name)
        r = subprocess.run(['zbarimg', '-q', '--raw', name], text=True,
                           capture_output=True)
    t.equal(r.stdout.strip(), desk.text('link'), 'the QR code has the link')


def confirmed(t, site, desk, phone):
    desk.open(site.url + '/login.html')
    waiting(t, desk, site)
    reads(t, desk)
    t.ok(re.fullmatch(r'[12]:\d\d', desk.text('left')), 'the time runs',
         desk.text('left'))
    before = session(desk)
    link = desk.text('link')
    phone.open(link)
    facts = phone.js('return document.querySelector("dl").innerText')
    t.ok('Chrome on Linux' in facts and '127.0.0.1' in facts,
         'the phone is shown what asks', facts)
    tap(phone, 'confirm', 'Ada <b>&')
    t.soon(lambda: heading(phone) == 'Confirmed', 'confirmed, says the phone')
    t.soon(lambda: desk.text('words') == 'Welcome, Ada <b>&.',
           'the desktop is logged in')
    t.equal(desk.complaints(), [], 'no request failed')
    t.ok(session(desk) != before, 'with a session that nobody knew before')
    quiet(t, site, 'and waits no more')
    phone.open(site.url + '/')
    phone.open(link)
    t.equal(heading(phone), 'Confirmed', 'the phone still knows what it did')
    t.equal(Visitor(site).look(link.partition('code=')[2])[:2], (410, 'used'),
            'for any other phone the code is used')
    desk.open(site.url + '/login.html')
    t.soon(lambda: 'Welcome, Ada' in desk.text('words'), 'a reload stays logged in')
    panels_are_true(t, desk)
    desk.click('#again')
    waiting(t, desk, site, 'logged out there is a new code')


def session(browser):
    got = browser.driver.execute_cdp_cmd('Network.getAllCookies', {})['cookies']
    return {c['name']: c['value'] for c in got}.get('tidings-desktop')


def polled(t, site, desk, phone):
    desk.open(site.url + '/login.html')
    waiting(t, desk, site)
    desk.choose('by', 'poll')
    t.soon(lambda: 'short polling' in desk.text('state'), 'by polling alone')
    phone.open(desk.text('link'))
    tap(phone, 'refuse')
    t.soon(lambda: heading(phone) == 'Refused', 'refused, says the phone')
    t.soon(lambda: covered(desk) == 'refused', 'refused, says the desktop')
    t.ok('refused' in desk.text('state') and not desk.text('link').strip(),
         'in words, and the link is gone', desk.text('state'))
    quiet(t, site, 'and waits no more')
    desk.click('#again')
    code = waiting(t, desk, site, 'a new code')
    t.ok('short polling' in desk.text('state'), 'still by polling')
    t.equal(Visitor(site).answer(code).status, 303, 'which is confirmed')
    t.soon(lambda: covered(desk) == 'in', 'and polling hears of it')
    desk.click('#again')


def ended(t, site, desk, phone):
    code = waiting(t, desk, site)
    phone.open(desk.text('link'))
    site.sql('UPDATE demo_logins SET expires = expires - 121')
    tap(phone, 'confirm', 'Ada')
    t.soon(lambda: heading(phone) == 'This code has expired',
           'expired, says the phone')
    # The page's own two minutes pass as well.
    desk.js('const real = Date.now; Date.now = () => real() + 121000')
    t.soon(lambda: covered(desk) == 'expired', 'expired, says the desktop')
    quiet(t, site, 'and waits no more')
    t.equal(Visitor(site).look(code)[:2], (410, 'expired'), 'with its status')
    late = Visitor(site).answer(code, token='out of date')
    t.ok(late.status == 410 and 'expired</h1>' in late.text and
         'decide again' not in late.text, 'nobody is asked to decide again', late)
    t.equal(Visitor(site).look('0' * 32)[:2], (404, 'unknown'),
            'a code that never was is another thing')
    phone.open(site.url + PHONE + '0' * 32)
    t.equal(heading(phone), 'This is no code of ours', 'in words')

    # While this window is offline, another one of the browser uses the code.
    desk.open(site.url + '/login.html')
    code = waiting(t, desk, site)
    other = Visitor(site)
    other.cookies['tidings-desktop'] = session(desk)
    desk.driver.execute_cdp_cmd('Network.emulateNetworkConditions', {
        'offline': True, 'latency': 0, 'downloadThroughput': -1,
        'uploadThroughput': -1})
    phone.open(site.url + PHONE + code)
    tap(phone, 'confirm', 'Ada')
    t.soon(lambda: heading(phone) == 'Confirmed', 'the phone confirms')
    t.equal(other.desktop(do='finish', code=code).json['state'], 'confirmed',
            'another window logs in')
    desk.driver.execute_cdp_cmd('Network.emulateNetworkConditions', {
        'offline': False, 'latency': 0, 'downloadThroughput': -1,
        'uploadThroughput': -1})
    t.soon(lambda: covered(desk) == 'used', 'used, says the desktop', 40,
           lambda: [covered(desk), desk.text('state')])
    quiet(t, site, 'and waits no more')


def codes(site):
    return rows(site.db, 'SELECT count(*) FROM demo_logins')[0][0]


# The answer that tells of the log-in is lost on its way.
LOSE = '''
    const real = window.fetch;
    window.fetch = async (...what) => {
        const response = await real(...what);

        if (what[1].body && (await response.clone().text()).includes('"confirmed"')) {
            window.fetch = real;
            throw new TypeError('lost');
        }
        return response;
    };'''


def logged_in_already(t, site, desk):
    """By another window, or without a word of it."""
    desk.open(site.url + '/login.html')
    code = waiting(t, desk, site)
    one = desk.driver.current_window_handle
    desk.driver.switch_to.new_window('tab')
    desk.visit(site.url + '/login.html')
    two = waiting(t, desk, site, 'a second window waits')
    Visitor(site).answer(two, user='Ada')
    t.soon(lambda: covered(desk) == 'in', 'it is logged in')
    desk.driver.close()
    desk.driver.switch_to.window(one)
    t.equal(Visitor(site).answer(code, user='Ada').status, 303, 'the first one too')
    t.soon(lambda: desk.text('words') == 'Welcome, Ada.', 'is logged in', 20,
           lambda: desk.text('words'))
    t.equal(rows(site.db, 'SELECT state FROM demo_logins ORDER BY rowid DESC LIMIT 2'),
            [('used',), ('used',)], 'by its own code')

    # A double click makes one new code.
    before = codes(site)
    desk.js('const again = document.getElementById("again"); again.click(); again.click()')
    code = waiting(t, desk, site, 'logged out, a new code')
    t.equal(codes(site), before + 1, 'one')
    desk.js(LOSE)
    Visitor(site).answer(code, user='Grace')
    t.soon(lambda: covered(desk) not in ('wait', None) and
           desk.text('words') == 'Welcome, Grace.',
           'logged in though the answer was lost', 20, lambda: desk.text('words'))
    desk.click('#again')
    waiting(t, desk, site)
    desk.js('window.wrong = []; onerror = what => { wrong.push(what); }')
    Visitor(site).answer(code_of(desk), 'refuse')
    t.soon(lambda: covered(desk) == 'refused', 'refused')
    before = codes(site)
    desk.js('const again = document.getElementById("again"); again.click(); again.click()')
    code = waiting(t, desk, site, 'a new code')
    t.equal(codes(site), before + 1, 'one')
    Visitor(site).answer(code, 'refuse')
    t.soon(lambda: covered(desk) == 'refused', 'refused')
    # Longer than two beats of its clock.
    until(lambda: desk.js('return wrong.length'), 2.5)
    t.equal(desk.js('return wrong'), [], 'and its clock stands still')
    desk.complaints()


def refused(t, site, desk):
    """A server that gives the page no feed at all."""
    desk.open(site.url + '/login.html')
    t.soon(lambda: 'refused' in desk.text('state') and code_of(desk),
           'without a feed', 40, lambda: desk.text('state'))
    Visitor(site).answer(code_of(desk))
    t.soon(lambda: covered(desk) == 'in', 'the page asks by itself')


def onlookers(t, site):
    """Somebody who knows the code, the channel and every message of it."""
    desk, phone, other = Visitor(site), Visitor(site), Visitor(site)
    login = desk.desktop(do='begin').json
    code, channel = login['code'], login['channel']
    t.ok(re.fullmatch(r'[0-9a-f]{32}', code) and code not in channel,
         'the channel does not tell the code', login)
    site.publish_sql(channel, 'look now', 'login')
    t.equal(desk.desktop(do='finish', code=code).json, {'state': 'open'},
            'a forged message logs nobody in')
    t.equal(phone.answer(code).status, 303, 'the phone confirms')
    m = site.get('/push/poll?channel=%s&since=%s' % (channel, login['cursor'])).json
    t.equal([one['data'] for one in m['messages']], ['look now'] * 2,
            'the message tells nothing')
    t.equal(other.desktop(do='finish', code=code).json, {'state': 'unknown'},
            'another browser has nothing by the code')
    t.equal(other.user(), None, 'and is not logged in')
    told = repr(rows(site.db, 'SELECT * FROM demo_logins'))
    t.ok(code not in told, 'nor does the table tell it')
    t.equal(desk.desktop(do='finish', code=code).json['state'], 'confirmed',
            'the one that asked is logged in')
    t.equal(desk.user(), 'Ada', 'as who confirmed')
    t.equal(phone.request('GET', DESKTOP).json['user'], None, 'the phone is not')


def forged(t, site):
    desk, phone = Visitor(site), Visitor(site)
    login = desk.desktop(do='begin').json
    code = login['code']
    stranger = Visitor(site)
    stranger.look(code)
    token = phone.look(code)[2]
    for name, who, fields in (
            ('no token', phone, {'token': ''}),
            ('the token of another phone', stranger, {'token': token}),
            ('no answer', phone, {'answer': 'perhaps'})):
        t.equal(who.answer(code, **fields).status, 403, 'the phone refuses: ' + name)
    for name, user in (('no name', ''), ('two lines', 'a\nb'), ('41', 'x' * 41),
                       ('nothing to be seen', '\u200b\u2060'),
                       ('words turned around', 'Ada\u202e')):
        t.equal(phone.answer(code, user=user).status, 400, 'the phone refuses: ' + name)
    t.equal(phone.look(code)[:2], (200, 'open'), 'a look decides nothing')
    for fields in ({'do': 'begin'}, {'do': 'finish', 'code': code}, {'do': 'leave'}):
        t.equal(desk.desktop(**dict(fields, token='x')).status, 403,
                'the desktop refuses: %s without its token' % fields['do'])
    t.equal(desk.desktop(do='dance').status, 400, 'and what it does not know')
    r = phone.request('GET', PHONE + code)
    t.ok("frame-ancestors 'none'" in r.headers['Content-Security-Policy'] and
         r.headers['Referrer-Policy'] == 'no-referrer' and
         r.headers['Cache-Control'] == 'no-store', 'the phone page is not framed, '
         'not kept, and tells nobody its address', r.headers)
    bad = phone.request('GET', PHONE + urllib.parse.quote('"><script>'))
    t.ok(bad.status == 404 and '"><script>' not in bad.text, 'a code is escaped')
    t.equal(phone.request('GET', '/examples/phone.php?code[]=a').status, 404,
            'a list is no code')
    r = phone.request('POST', '/examples/phone.php?code[]=a', {
        'answer': 'confirm', 'user': 'Ada', 'token': token})
    t.equal((r.status, r.headers['Location']), (303, 'phone.php?code='),
            'nor where it is confirmed')

    # Row and message together, or neither.
    site.sql("UPDATE meta SET value = 1 WHERE name = 'max_data'")
    r = phone.answer(code)
    t.ok(r.status == 500 and r.headers['Content-Type'].startswith('text/html') and
         '<h1>Sorry</h1>' in r.text, 'what can\'t be told', r)
    site.sql("UPDATE meta SET value = 1048576 WHERE name = 'max_data'")
    t.equal(phone.look(code)[:2], (200, 'open'), 'is not decided')
    t.equal(phone.answer(code).status, 303, 'later it is')


def old_sqlite(t):
    """What the examples ask of SQLite is no newer than 3.34: Debian 11."""
    folder = os.path.join(SRC, 'htdocs', 'examples')
    found = []
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name)) as f:
                found += [(name, word) for word in re.findall(
                    r"\bunixepoch\(|\bRETURNING\b|\) *STRICT\b|\bDROP COLUMN\b|"
                    r"\bformat\(|\bconcat(?:_ws)?\(|'subsec", f.read())]
    t.equal(found, [], 'the examples take SQLite as old as 3.34')


def races(t, site):
    for n in range(3):
        desk = Visitor(site)
        login = desk.desktop(do='begin').json
        code = login['code']
        phones = [Visitor(site) for _ in range(4)]
        tokens = [phone.look(code)[2] for phone in phones]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: phones[i].answer(
                code, 'refuse' if i % 2 else 'confirm', 'Phone %d' % i, tokens[i]),
                range(4)))
        states = [phone.look(code)[1] for phone in phones]
        first = [i for i in range(4) if states[i].startswith('you-')]
        m = site.get('/push/poll?channel=%s&since=%s' % (
            login['channel'], login['cursor'])).json['messages']
        t.equal((len(first), len(m)), (1, 1), 'of four answers one counts')
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            ends = [r.json['state'] for r in pool.map(
                lambda _: desk.desktop(do='finish', code=code), range(3))]
        want = ['confirmed', 'used', 'used'] if states[first[0]] == 'you-confirmed' \
            else ['refused'] * 3
        t.equal(sorted(ends), sorted(want), 'and is taken up once')

    site.sql('UPDATE demo_logins SET began = began - 61')
    desk = Visitor(site)
    got = [desk.desktop(do='begin').status for _ in range(31)]
    t.equal(got, [201] * 30 + [429], 'thirty codes a minute for one address')
    site.sql("UPDATE demo_logins SET began = began - 61")
    site.sql("""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
        WHERE i < 299) INSERT INTO demo_logins
        SELECT 'code' || i, 's', 'c', 'open', NULL, 'b', '2001:db8::' || i,
            strftime('%s') + 0, strftime('%s') + 120 FROM n""")
    got = [desk.desktop(do='begin').status for _ in range(2)]
    t.equal(got, [201, 429], 'three hundred for all')


def test(t):
    need('/usr/bin/php-cgi')
    with Site(php=True) as site:
        with Browser() as desk, Browser() as phone:
            confirmed(t, site, desk, phone)
            polled(t, site, desk, phone)
            ended(t, site, desk, phone)
            logged_in_already(t, site, desk)
            with Site(php=True, httpd_extra=NO_FEED) as deaf:
                refused(t, deaf, desk)
        onlookers(t, site)
        forged(t, site)
        races(t, site)
        old_sqlite(t)
        t.ok(site.lives(), 'the programs live')


run(test)
