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
const feed = new Tidings('/push', options);
new Tidings('/push');
new Tidings('/push', { channels: 'a', prefixes: ['b'], since: 'earliest' });
const same: typeof feed = feed.on('message', m => {
    const all: [string, string, string | null, string, number] =
        [m.id, m.channel, m.event, m.data, m.time];
    console.log(all);
});
feed.on('open', s => {
    const transport: Transport | null = s.transport, state: State = s.state;
    console.log(transport, state, s.delay + 1, s.leader === true);
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
feed.close();
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
         "const n: number = new Tidings('/push').status.transport;"]


def compile(folder, name, text, *options):
    with open(os.path.join(folder, name), 'w') as f:
        f.write(text)
    r = subprocess.run(['tsc', '--noEmit', '--strict', '--target', 'es2017', '--lib',
                        'es2017,dom', *options, name], cwd=folder, capture_output=True, text=True,
                       stdin=subprocess.DEVNULL, timeout=120 * PATIENCE)
    return r.returncode, r.stdout + r.stderr


def compiles(t, members):
    with tempfile.TemporaryDirectory(prefix='tidings-types-') as folder:
        for name in ('tidings.d.ts', 'tidings.d.mts', 'tidings.mjs'):
            with open(os.path.join(HTDOCS, name)) as f, \
                    open(os.path.join(folder, name), 'w') as out:
                out.write(f.read())
        for how in ('node', 'node16'):
            got = compile(folder, 'use.mts', MODULE, '--moduleResolution', how, '--module',
                          'es2020' if how == 'node' else how)
            t.equal(got, (0, ''), 'a module compiles, resolution ' + how)
        t.equal(compile(folder, 'script.ts', SCRIPT, '--module', 'none'), (0, ''),
                'a plain script compiles')
        for line in WRONG:
            code, said = compile(folder, 'wrong.mts',
                                 "import { Tidings } from './tidings.mjs';\n" + line,
                                 '--moduleResolution', 'node', '--module', 'es2020')
            # Of its second line, and not because something is not found.
            t.ok(code != 0 and 'wrong.mts(2,' in said and 'TS2307' not in said,
                 'refused: ' + line, said)
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
        browser.js('feed.close()')
        got = browser.js('return window.got')
        for type, of in (('message', 'Message'), ('status', 'Status'), ('open', 'Status'),
                         ('close', 'Closed')):
            t.equal(got.get(type), sorted(members[of]), type + ' hands out a ' + of)
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
