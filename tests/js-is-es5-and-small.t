#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 4: htdocs/tidings.js is what its sources make, has at most 10 KB, is ES5
# as a parser says, takes nothing of later editions that it does not ask for
# first, and in an engine that is ES5 and no more its polls have every message
# of the real server, also after their program was killed, and publish.
import json, os, re, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

JS = os.path.join(SRC, 'htdocs', 'tidings.js')
LIB = os.path.join(SRC, 'tests', 'lib')
# ES5 and a page of its time.
ES5 = set('Date Math JSON Object Array String Number Boolean Error RegExp Function TypeError isNaN parseInt '
          'parseFloat encodeURIComponent decodeURIComponent NaN undefined arguments '
          'setTimeout setInterval clearTimeout clearInterval'.split())
# Later ones, each behind a look whether it is there.
ASKED_FIRST = {
    'self': r'typeof self', 'globalThis': r'typeof globalThis', 'module': r'typeof module',
    'Promise': r'global\.Promise|navigator\.locks', 'Reflect': r'global\.customElements',
}
# Methods of what every engine has, younger than ES5.
LATER = set('''assign entries values fromEntries is getOwnPropertySymbols setPrototypeOf
    from of find findIndex findLast fill includes flat flatMap copyWithin at toSorted
    startsWith endsWith repeat padStart padEnd trimStart trimEnd matchAll replaceAll codePointAt
    isInteger isSafeInteger isFinite trunc sign finally allSettled any raw fromCodePoint
    append prepend remove replaceWith replaceChildren closest matches toggleAttribute'''.split())


def output(*argv, **kw):
    env = dict(os.environ, NODE_PATH='/usr/share/nodejs')
    return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=60 * PATIENCE, **kw)


def words(file):
    return json.loads(output('node', os.path.join(LIB, 'es5_names.js'), file).stdout)['words']


def is_built(t):
    build = os.path.join(SRC, 'tools', 'build-js')
    r = output(build)
    present = output('terser', '--version').stdout.split()[-1:]
    with open(build) as f:
        text = f.read()
    made_by = re.findall(r'by version ([\d.]+),', text)
    # Which of these it renames depends on the names that its version knows.
    ours = set('|'.join(re.findall(r'^ours="?\'?(?:\$ours\|)?([a-zA-Z|]+)', text, re.M)).split('|'))
    anew = 'tools/build-js > htdocs/tidings.js makes it anew'
    if present == made_by:
        with open(JS) as f:
            t.ok(r.returncode == 0 and r.stdout == f.read(), 'it is what its sources make',
                 r.stderr or anew)
        return
    # Each terser writes other bytes, of the same words.
    with tempfile.NamedTemporaryFile('w', suffix='.js') as f:
        f.write(r.stdout)
        f.flush()
        here, there = set(words(JS)) - ours, set(words(f.name)) - ours
    t.ok(r.returncode == 0 and here == there and len(here) > 200,
         'it has the words of its sources (terser is %s, not %s)' % (present, made_by),
         r.stderr or anew, sorted(here ^ there))


def is_small(t):
    with open(JS, 'rb') as f:
        packed = subprocess.run(['gzip', '-9'], stdin=f, capture_output=True, check=True).stdout
    t.note('%d bytes, %d after gzip -9' % (os.path.getsize(JS), len(packed)))
    # 8 KB until issue 12 asked for fetch beside XMLHttpRequest, a look at what is
    # given, and at whose answer it is.
    t.ok(len(packed) <= 10240, 'at most 10 KB gzipped', len(packed))


def parses(t):
    r = output('acorn', '--ecma5', '--silent', JS)
    t.equal((r.returncode, r.stdout + r.stderr), (0, ''), 'a parser of ES5 takes it')
    for later in ('let a = 1;', 'x => x;', 'class A {}', 'for (var a of b) {}', '`a`', '({ a })'):
        r = output('acorn', '--ecma5', '--silent', input=later)
        t.ok(r.returncode != 0, 'and does not take ' + later)


def takes_nothing_later(t):
    r = output('node', os.path.join(LIB, 'es5_names.js'), JS)
    names = json.loads(r.stdout)
    t.ok('setTimeout' in names['used'] and 'forEach' in names['called'], 'its names are found',
         r.stderr, names)
    t.equal(sorted(set(names['used']) - ES5 - set(ASKED_FIRST)), [],
            'it takes no later global as it stands')
    plain = output(os.path.join(SRC, 'tools', 'build-js'), '--plain').stdout
    for name, look in ASKED_FIRST.items():
        t.ok(name not in names['used'] or re.search(look, plain), name + ' is asked for first')
    t.equal(sorted(set(names['called']) & LATER), [], 'and calls no later method')


class Engine:
    """The library in mujs; answers what it asks, and keeps what it tells."""

    def __init__(self, site, transport):
        self.site, self.transport = site, transport
        self.told, self.asked, self.want, self.messages = [], [], [], []
        self.end = deadline(60)

    def run(self):
        with tempfile.TemporaryDirectory(prefix='tidings-es5-') as folder:
            self.file = os.path.join(folder, 'answer')
            child = subprocess.Popen(
                ['stdbuf', '-oL', 'mujs', os.path.join(LIB, 'es5_page.js'), JS],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding='utf-8',
                stderr=subprocess.PIPE)
            try:
                for line in child.stdout:
                    # Newer ones (1.3.6) echo what they read.
                    if not line.startswith('{'):
                        continue
                    answer = self.answer(json.loads(line))
                    with open(self.file, 'w', encoding='utf-8') as f:
                        json.dump(answer, f, ensure_ascii=False)
                    child.stdin.write(self.file + '\n')
                    child.stdin.flush()
                child.stdin.close()
                self.errors = child.stderr.read()
                self.code = child.wait(10)
            finally:
                child.kill()
                child.wait()
                child.stdout.close()
                child.stderr.close()

    def answer(self, what):
        if 'sleep' in what:
            time.sleep(min(what['sleep'], 1000) / 1000)
            return {}
        if 'http' in what:
            return self.http(what)
        self.told.append((what['tell'], what.get('detail')))
        if what['tell'] == 'start':
            return {'url': self.site.url + '/push', 'options': {
                'channels': ['a', 'own'], 'transports': [self.transport], 'interval': 50,
                'wait': 1000, 'retry': 200, 'share': True}}
        if what['tell'] == 'message':
            self.messages.append(what['detail'])
        return {'go': not self.done()}

    def done(self):
        return time.monotonic() > self.end or (
            [m['data'] for m in self.messages if m['channel'] == 'a'] == self.want
            and len(self.want) > 40 and any(what == 'greeting' for what, _ in self.told))

    def http(self, what):
        self.asked.append((what['http'], what['url']))
        n = len(self.asked)
        if n <= 15:
            for _ in range(n % 4):
                self.want.append('%d \u00e4\u20ac\n"%d"' % (n, len(self.want)))
                self.site.publish_sql('a', self.want[-1])
        if n in (6, 10):
            self.site.kill(self.transport)
        if n == 8:  # nobody is there for once
            return {'status': 0, 'text': '', 'headers': {}}
        try:
            r = self.site.request(what['http'], what['url'][len(self.site.url):],
                                  what.get('body') and what['body'].encode(), what['headers'])
        except (OSError, http.client.HTTPException):
            return {'status': 0, 'text': '', 'headers': {}}
        # 22 messages come in the first turns, the rest one by one.
        if n > 15 and len(self.want) < 45:
            self.want.append('late %d' % n)
            self.site.publish_sql('a', self.want[-1])
        return {'status': r.status, 'text': r.text,
                'headers': {k.lower(): v for k, v in r.headers.items()}}


def fetches(t, transport):
    with Site() as site:
        engine = Engine(site, transport)
        engine.run()
        t.equal((engine.code, engine.errors), (0, ''), transport + ': the engine has no complaint')
        told = dict(engine.told)
        t.equal(told.get('engine'), [], transport + ': it is an engine of ES5')
        t.equal([m['data'] for m in engine.messages if m['channel'] == 'a'], engine.want,
                transport + ': each message once and in order')
        own = [m for m in engine.messages if m['channel'] == 'own']
        # A 'reset' or a second 'open' would have been told twice.
        published = [d for what, d in engine.told if what == 'published']
        t.equal([m['id'] for m in own], published, transport + ': what it published came back')
        t.equal((json.loads(told.get('greeting', 'null')), own and own[0]['event']),
                ({'from': 'here'}, 'greeting'), transport + ': by the name of its event')
        t.equal((told.get('open'), told.get('close')), (transport, 'client'),
                transport + ': it opens and closes')
        last = engine.messages[-1]['id'] if engine.messages else None
        t.ok('reset' not in told and last and told.get('end') == last,
             transport + ': up to where it has read', told.get('end'), last)
        t.ok(any('/push/%s?channel=a&channel=own&since=' % transport in url
                 for _, url in engine.asked), transport + ': by its requests', engine.asked[:3])
        t.note('%d requests, %d messages' % (len(engine.asked), len(engine.messages)))


def main(t):
    need('terser', 'acorn', 'node', 'gzip', 'mujs', 'stdbuf')
    is_built(t)
    is_small(t)
    parses(t)
    takes_nothing_later(t)
    fetches(t, 'poll')
    fetches(t, 'longpoll')


run(main)
