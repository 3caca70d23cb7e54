#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 12: the library where there is neither window nor document nor
# XMLHttpRequest, against a real server: with the globals of Deno, with those and
# localStorage, navigator and a bus that nobody else is on, with nothing but
# fetch and timers, and as a module that has no `self`. It loads, delivers each
# message once and in order, publishes, and ends.
import json, os, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

LIBRARY = os.path.join(SRC, 'htdocs', 'tidings.js')
RUNNER = r'''
const fs = require('fs'), vm = require('vm');
const [library, url, kind] = process.argv.slice(1);
const say = (...what) => console.log(JSON.stringify(what));
const wire = { fetch, setTimeout, setInterval, clearTimeout, clearInterval, console };
const deno = { ...wire, AbortController, AbortSignal, ReadableStream, TextDecoder, TextEncoder,
    URL, URLSearchParams, Request, Response, Headers, EventTarget, Event, MessageEvent,
    performance, queueMicrotask, BroadcastChannel, Deno: { version: {} },
    navigator: { userAgent: 'Deno/2', hardwareConcurrency: 4 } };
const life = new EventTarget();
const stored = new Map();
const globals = {
    deno: { ...deno, addEventListener: life.addEventListener.bind(life),
        removeEventListener: life.removeEventListener.bind(life), location: undefined,
        localStorage: { getItem: key => stored.has(key) ? stored.get(key) : null,
            setItem: (key, value) => stored.set(key, String(value)) } },
    // Both are refused by some: that must not matter.
    strict: { ...deno, get localStorage() { throw new Error('no storage'); }, location: undefined,
        navigator: undefined },
    few: { fetch, setTimeout, setInterval, clearTimeout, clearInterval },
    // A young Node has locks, and one line all of its own.
    locks: { ...deno, navigator: { locks: { request: () => Promise.reject(new Error('no')) } } },
}[kind];
if (kind !== 'few')
    globals.self = globals;
const context = vm.createContext(globals);
if (kind === 'deno')
    vm.runInContext('self = globalThis', context);
vm.runInContext(fs.readFileSync(library, 'utf8'), context);
process.on('uncaughtException', e => say('thrown', String(e.stack)));
process.on('unhandledRejection', e => say('thrown', String(e.stack)));
const Tidings = vm.runInContext('Tidings', context);
const feed = new Tidings(url, { channels: 'a', since: 'earliest', interval: 100, retry: 200,
    timeout: 20000 });
let online = 0;
feed.on('message', m => {
    say('got', m.data);
    // What a page would tell of the network; there is nothing to go wrong.
    if (m.data === '5')
        for (const type of ['offline', 'online', 'pagehide', 'pageshow'])
            life.dispatchEvent(new Event(type));
    if (m.data === 'the end')
        feed.close();
}).on('close', c => say('close', c.reason)).on('reset', () => say('reset'))
    .on('status', s => say('status', s.state, s.transport, s.leader));
feed.publish('own', { of: kind }, null, (error, id) => say('published', error ? String(error) : id));
'''


def follows(t, site, kind):
    site.sql('DELETE FROM changes')
    site.publish_sql('a', 'first')
    label = kind + ': '
    child = subprocess.Popen(['node', '-e', RUNNER, LIBRARY, site.url + '/push', kind],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        want, told = ['first'], []
        for line in child.stdout:
            told.append(json.loads(line))
            if told[-1] == ['got', want[-1]] and len(want) < 12:
                want.append('%d' % len(want) if len(want) < 11 else 'the end')
                site.publish_sql('a', want[-1])
        errors = child.stderr.read()
        code = child.wait(30 * PATIENCE)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        child.stderr.close()
    of = lambda what: [one[1:] for one in told if one[0] == what]
    t.equal([data for data, in of('got')], want, label + 'each message once and in order')
    t.equal((code, errors, of('thrown'), of('reset')), (0, '', [], []), label + 'nothing goes wrong')
    t.equal(of('close'), [['client']], label + 'and it ends')
    t.ok(of('published') and '-' in of('published')[0][0], label + 'it publishes', told)
    t.equal([one[1] for one in of('status') if one[0] == 'open'][:1],
            ['longpoll' if kind == 'few' else 'sse'], label + 'by the best that there is')
    t.equal({one[2] for one in of('status') if one[0] == 'open'}, {True}, label + 'alone')


def main(t):
    need('node')
    with Site() as site:
        for kind in ('deno', 'strict', 'few', 'locks'):
            follows(t, site, kind)


run(main)
