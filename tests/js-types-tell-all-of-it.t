#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 4: tidings.d.ts compiles with a use of each of its members, as a module
# and as a plain script, and refuses wrong ones; the library has each member, in
# a browser with a real server, each option with the default that it tells, and
# what it hands out has the members of its type and no other.
import os, re, subprocess, sys, tempfile
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'browser'))
from page import Browser, run
from tidings_test import SRC, PATIENCE, Site, need
import json

HTDOCS = os.path.join(SRC, 'htdocs')
ENV = dict(os.environ, NODE_PATH='/usr/share/nodejs')

BODY = '''
const options: Options = {
    channels: ['a', 'b'], prefixes: 'quotes.', since: -20, transports: ['ws', 'poll'],
    share: false, interval: 1000, wait: 20000, timeout: 3000, silence: 30000, retry: 500,
    maxRetry: 9000, upgrade: 60000, withCredentials: true, key: 'secret',
};
const feed = new Tidings<'slide'>('/push', options);
new Tidings('/push');
new Tidings<string>({ href: '/push' }).on('anything', m => m.data.length);
new Tidings('/push', { channels: 'a', prefixes: ['b'], since: 'earliest' });
const same: typeof feed = feed.on('message', m => {
    const all: [string, string, string | null, string, number, string | undefined] =
        [m.id, m.channel, m.event, m.data, m.time, m.content_type];
    console.log(all);
});
feed.on('open', s => {
    const transport: Transport | null = s.transport, state: State = s.state;
    const left: number = s.next === null ? 0 : s.next - Date.now();
    console.log(transport, state, s.delay + 1, s.leader === true, left, s.code + 1,
        s.reason === 'foreign' || s.reason === 'busy' || s.reason === 'unreachable');
}).on('status', (s: Status) => console.log(s.state === 'waiting'))
    .on('reset', r => r.cursor.length)
    .on('close', (c: Closed) => console.log(c.reason === 'refused' && c.status === 403))
    .on('slide', (m: Message) => m.data.length);
feed.off('slide').off('message', console.log);
const id: string = feed.lastEventId, status: Status = feed.status;
feed.subscribe('c').subscribe(['d', 'e'], '-5').unsubscribe('c').unsubscribe(['d']);
const more: PublishOptions = { event: 'e', contentType: 'text/plain', dedup: 'once' };
const published: Promise<string> = feed.publish('a', { any: 'thing' }, more);
feed.publish('a', 'text', {}, (error, id) => { if (!error) id!.length; });
feed.publish('a', 5), feed.publish('a', null), feed.publish('a', [1]), feed.publish('a', new Date());
feed.publish('a', { a: 1 } as unknown);
feed.reconnect().close();
console.log(id, status, published, same);
'''
MODULE = '''import Tidings, { Tidings as Named, EventSource, Message, Transport, State, Options, Status,
    Closed, PublishOptions } from './tidings.mjs';
const another: Named = new Tidings('/push');
const source: globalThis.EventSource = new EventSource('/push/sse?channel=a');
source.onmessage = event => console.log(event.lastEventId, another);
''' + BODY
SCRIPT = '''/// <reference path="./tidings.d.ts" />
type Options = import('./tidings').Options;
type Transport = import('./tidings').Transport;
type State = import('./tidings').State;
type Status = import('./tidings').Status;
type Closed = import('./tidings').Closed;
type Message = import('./tidings').Message;
type PublishOptions = import('./tidings').PublishOptions;
new window.Tidings('/push').close();
window.EventSource = tidings.EventSource;
new window.tidings.EventSource('/push/sse?channel=a', { withCredentials: true }).close();
(function () {''' + BODY + '})();\n'
WRONG = ["new Tidings();", "new Tidings(5);", "new Tidings('/push', { channel: 'a' });",
         "new Tidings('/push', { transports: ['websocket'] });",
         "new Tidings('/push', { interval: '5s' });", "new Tidings('/push').lastEventId = '';",
         "new Tidings('/push').on('message', m => m.text);",
         "new Tidings('/push').on('close', c => c.reason === 'bored');",
         "new Tidings('/push').publish('a');", "new Tidings('/push').send('a', 'b');",
         "const n: number = new Tidings('/push').status.transport;",
         "new Tidings('/push').on('mesage', m => m.data);",
         "new Tidings('/push').on('stauts', s => s);",
         "new Tidings('/push').off('mesage');",
         "new Tidings<'slide'>('/push').on('silde', m => m.data);",
         "new Tidings('/push').on('status', s => s.reason === 'bored');",
         "new Tidings('/push').publish('a', new Uint8Array(2));",
         "new Tidings('/push').publish('a', new ArrayBuffer(2));",
         "new Tidings('/push').publish('a', undefined);",
         "new Tidings('/push').publish('a', new Map());",
         "new Tidings('/push').publish('a', () => 5);",
         "new Tidings('/push').publish('a', 'b', { content_type: 'text/plain' });",
         "new Tidings('/push').subscribe();"]
# Imports of the plain script, which has nothing that a module could take.
NOT_THERE = ["import Tidings from './tidings.js'; new Tidings('/push');",
             "import { Tidings } from './tidings.js'; new Tidings('/push');",
             "import * as all from './tidings.js'; new all.Tidings('/push');",
             "import { EventSource } from './tidings.js'; new EventSource('/push/sse?channel=a');",
             "import Tidings, { Nothing } from './tidings.mjs'; new Tidings('/push');"]
# What compiles, which has to run as well.
THERE = ["import './tidings.js'; export const feed = new Tidings('http://host/push');",
         "import type { Options, Tidings as Feed } from './tidings.js'; import './tidings.js'; "
         "const o: Options = {}; export const feed: Feed = new Tidings('http://host/push', o);",
         "import Tidings from './tidings.mjs'; export const feed = new Tidings('http://host/push');",
         "import { Tidings } from './tidings.mjs'; "
         "export const feed: Tidings = new Tidings('http://host/push');",
         "import * as all from './tidings.mjs'; "
         "export const feed = new all.Tidings('http://host/push');"]
RESOLUTIONS = (('--moduleResolution', 'node', '--module', 'es2020'),
               ('--moduleResolution', 'node', '--module', 'es2020', '--esModuleInterop'),
               ('--moduleResolution', 'node16', '--module', 'node16'))


def compile(folder, texts, *options, emit='--noEmit', lib='es2020,dom'):
    """Files by name, in one go."""
    for name, text in texts.items():
        with open(os.path.join(folder, name), 'w') as f:
            f.write(text)
    r = subprocess.run(['tsc', emit, '--strict', '--skipDefaultLibCheck', '--target', 'es2020',
                        '--lib', lib, *options, *texts], cwd=folder, capture_output=True, text=True,
                       stdin=subprocess.DEVNULL, timeout=300 * PATIENCE)
    return r.returncode, r.stdout + r.stderr


def refuses(t, folder, how, lines, before=''):
    """Each of the lines, for what it says and not for what is not found."""
    texts = {'wrong%d.mts' % n: before + line for n, line in enumerate(lines)}
    _, said = compile(folder, texts, *how)
    for (name, _), line in zip(texts.items(), lines):
        place = '%s(%d,' % (name, before.count('\n') + 1)
        own = [one for one in said.splitlines() if one.startswith(name)]
        t.ok(own and own[0].startswith(place) and 'TS2307' not in own[0],
             'refused, %s: %s' % (how[1], line), *own)


def builds(t, folder):
    """What compiles runs, and what would not run does not compile."""
    texts = {'there%d.mts' % n: line + '\nfeed.close();' for n, line in enumerate(THERE)}
    for how in RESOLUTIONS:
        refuses(t, folder, how, NOT_THERE)
        t.equal(compile(folder, texts, *how, emit='--pretty'), (0, ''),
                'these compile, ' + ' '.join(how))
    for name, text in texts.items():
        r = subprocess.run(['node', name.replace('.mts', '.mjs')], cwd=folder,
                           capture_output=True, text=True, timeout=60 * PATIENCE)
        t.equal((r.returncode, r.stdout + r.stderr), (0, ''), 'and run: ' + text)
    t.equal(compile(folder, {'bare.mts': THERE[2]}, *RESOLUTIONS[0], lib='es2020'), (0, ''),
            'it compiles where no DOM is')


def compiles(t, members):
    with tempfile.TemporaryDirectory(prefix='tidings-types-') as folder:
        for name in ('tidings.js', 'tidings.d.ts', 'tidings.d.mts', 'tidings.mjs'):
            with open(os.path.join(HTDOCS, name)) as f, \
                    open(os.path.join(folder, name), 'w') as out:
                out.write(f.read())
        for how in ('node', 'node16'):
            got = compile(folder, {'use.mts': MODULE}, '--moduleResolution', how, '--module',
                          'es2020' if how == 'node' else how)
            t.equal(got, (0, ''), 'a module compiles, resolution ' + how)
        t.equal(compile(folder, {'script.ts': SCRIPT}, '--module', 'none'), (0, ''),
                'a plain script compiles')
        refuses(t, folder, RESOLUTIONS[0], WRONG,
                "import { Tidings } from './tidings.mjs';\n")
        builds(t, folder)
    unused = [of + '.' + name for of, names in members.items() for name in names
              if not re.search(r'\b%s\b' % name, BODY)]
    t.equal(unused, [], 'each member was used')


def options_are_read(t, members):
    source = ''
    for name in sorted(os.listdir(os.path.join(HTDOCS, 'src'))):
        with open(os.path.join(HTDOCS, 'src', name)) as f:
            source += f.read()
    defaults = dict(re.findall(r'^\t(\w+): (\w+),?$',
                               re.search(r'^var DEFAULTS = \{\n(.*?)^\};', source,
                                         re.M | re.S).group(1), re.M))
    options = members['Options']
    unread = [name for name in options
              if not re.search(r'\b(o|options)\.%s\b' % name, source)]
    t.equal(unread, [], 'each option is read')
    t.equal([name for name in defaults if name not in options], [], 'each default is described')
    for name, text in options.items():
        told = re.search(r'default:? (\d+|true|false)', text)
        if told and told.group(1) != 'false':
            t.equal(defaults.get(name), told.group(1), 'the default of ' + name)
        elif told:
            t.ok(name not in defaults, 'the default of ' + name)


def library_has(t, members):
    with Site() as site, Browser() as browser:
        browser.open(site.url + '/')
        browser.js('''
            const done = arguments[0], script = document.createElement('script');
            window.got = {};
            script.onload = () => {
                const feed = window.feed = new Tidings('/push', {channels: 'a', share: false});
                for (const type of ['message', 'status', 'open', 'reset', 'close'])
                    feed.on(type, detail => window.got[type] = Object.keys(detail).sort());
            };
            script.src = '/tidings.js';
            document.head.append(script);''')
        t.soon(lambda: browser.js('return window.got.open'), 'it opens', 20, browser.complaints)
        kinds = browser.js('return Object.fromEntries(arguments[0].map('
                           'name => [name, typeof feed[name]]))', list(members['Tidings']))
        want = {name: {'lastEventId': 'string', 'status': 'object'}.get(name, 'function')
                for name in members['Tidings']}
        t.equal(kinds, want, 'the library has each member of the class')
        site.publish_sql('a', 'x')
        t.soon(lambda: browser.js('return window.got.message'), 'a message comes')
        browser.js('got.plain = got.message; delete got.message')
        site.request('POST', '/push/publish?channel=a', b'x', {'Content-Type': 'text/html'})
        t.soon(lambda: browser.js('return window.got.message'), 'one with a type comes')
        browser.js('feed.close()')
        got = browser.js('return window.got')
        for type, of in (('message', 'Message'), ('status', 'Status'), ('open', 'Status'),
                         ('close', 'Closed')):
            t.equal(got.get(type), sorted(members[of]), type + ' hands out a ' + of)
        t.equal(sorted(set(members['Message']) - set(got['plain'])), ['content_type'],
                'a message without a type has none')
        t.equal(browser.js('''
            return Object.getOwnPropertyNames(EventSource.prototype).filter(name =>
                name !== 'constructor' && !(name in new tidings.EventSource('/push/sse?channel=a')));
            '''), [], 'its EventSource has what that of the browser has')
        t.equal(browser.js('return [tidings.EventSource.CONNECTING, tidings.EventSource.OPEN, '
                           'tidings.EventSource.CLOSED]'), [0, 1, 2], 'and its constants')


def test(t):
    need('tsc', 'node')
    r = subprocess.run(['node', os.path.join(SRC, 'tests', 'lib', 'types.js'),
                        os.path.join(HTDOCS, 'tidings.d.ts')], env=ENV, capture_output=True,
                       text=True, check=True)
    members = json.loads(r.stdout)
    t.equal(sorted(members), ['Closed', 'Message', 'Options', 'PublishOptions', 'Status', 'Tidings'],
            'what it describes')
    compiles(t, members)
    options_are_read(t, members)
    library_has(t, members)


run(test)
