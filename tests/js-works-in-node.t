#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 12: in Node there is no XMLHttpRequest: subscribing went silent, publishing
# failed. The library in Node, by require() and by import, in a folder of
# CommonJS and in one of modules: every message once and in order over each
# transport that there is, while its program is killed too; it publishes, an
# EventSource of ours works, and when the feed is closed nothing keeps Node alive.
import json, os, re, shutil, subprocess, sys, tempfile, threading
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

HTDOCS = os.path.join(SRC, 'htdocs')
FOLLOW = '''
const say = (...what) => console.log(JSON.stringify(what));
process.on('uncaughtException', e => say('thrown', String(e)));
process.on('unhandledRejection', e => say('thrown', String(e)));
process.on('warning', w => say('thrown', String(w)));
const [url, transport] = process.argv.slice(2);
let feed;
try {
    feed = new Tidings(url, Object.assign({ channels: 'a', since: 'earliest', interval: 100,
        retry: 200, timeout: 20000 }, transport === 'all' ? {} : { transports: [transport] }));
} catch (error) {
    say('refused', String(error));
    process.exit();
}
feed.on('message', m => {
    say('got', m.data, m.id);
    if (m.data === 'the end')
        feed.close();
}).on('status', s => say('status', s.state, s.transport))
    .on('reset', () => say('reset')).on('close', c => say('close', c.reason));
feed.publish('own', { of: transport }, { event: 'hello' }).then(
    id => say('published', id), e => say('failed', String(e)));
new EventSource(url + '/sse?channel=own&since=earliest').addEventListener('hello',
    function (event) {
        say('source', event.data, event.lastEventId);
        this.close();
    });
'''
KINDS = {
    'required': ('cjs', "const Tidings = require('./tidings.js'), { EventSource } = globalThis.tidings;\n"
                 "if (Tidings !== globalThis.Tidings) throw new Error('not the global one');\n"),
    'imported': ('mjs', "import Tidings, { Tidings as named, EventSource } from './tidings.mjs';\n"
                 "if (named !== Tidings) throw new Error('two of them');\n"),
}


class Follower:
    """A Node with a feed, and what it says."""

    def __init__(self, folder, kind, url, transport):
        name = '%s.%s' % (kind, KINDS[kind][0])
        with open(os.path.join(folder, name), 'w') as f:
            f.write(KINDS[kind][1] + FOLLOW)
        self.errors = open(os.path.join(folder, kind + transport), 'w+')
        self.child = subprocess.Popen(['node', os.path.join(folder, name), url, transport],
                                      stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.told, self.ended = [], False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.child.stdout:
            self.told.append(json.loads(line))

    def of(self, what):
        return [one[1:] for one in self.told if one[0] == what]

    def end(self):
        self.child.kill()
        self.child.wait()
        self.thread.join()
        self.child.stdout.close()
        self.errors.seek(0)
        said = self.errors.read()
        self.errors.close()
        return said


def follows(t, site, folder, kind, transport, label):
    site.sql('DELETE FROM changes')
    site.publish_sql('a', 'first')
    one = Follower(folder, kind, site.url + '/push', transport)
    want = ['first']
    try:
        got = lambda: [data for data, _ in one.of('got')]
        wait_for(lambda: got() == want, 30, label + 'it begins')
        for n in range(30):
            want.append('%d \u00e4\u20ac "<' % n)
            site.publish_sql('a', want[-1])
            if n == 15 and transport != 'all':
                site.kill(transport)
        wait_for(lambda: one.of('published') or one.of('failed'), 30, label + 'it publishes')
        wait_for(lambda: one.of('source'), 30, label + 'its EventSource')
        wait_for(lambda: len(got()) >= len(want), 40, label + 'it goes on')
        want.append('the end')
        site.publish_sql('a', want[-1])
        try:
            code = one.child.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            code = 'it does not end'
        one.thread.join(20)
        t.equal(got(), want, label + 'each message once and in order')
        t.equal((code, one.of('close')), (0, [['client']]), label + 'nothing keeps it alive')
        published = one.of('published')
        t.equal((len(published), one.of('source')),
                (1, [['{"of":"%s"}' % transport, published[0][0]]]) if published else 'one',
                label + 'what it published came back')
        t.equal(one.of('thrown') + one.of('reset') + one.of('failed'), [],
                label + 'nothing is thrown or lost')
    finally:
        t.equal(one.end(), '', label + 'it has no complaint')


def has(name):
    r = subprocess.run(['node', '-e', 'process.exit(globalThis.%s ? 0 : 1)' % name])
    return r.returncode == 0


def main(t):
    need('node')
    version = subprocess.run(['node', '--version'], capture_output=True, text=True).stdout
    if int(re.match(r'v(\d+)', version).group(1)) < 18:
        skip_all('needs Node 18 or younger, which has fetch')
    with Site() as site, tempfile.TemporaryDirectory(prefix='tidings-node-') as folder:
        for of in ('commonjs', 'module'):
            at = os.path.join(folder, of)
            os.mkdir(at)
            for name in ('tidings.js', 'tidings.mjs'):
                shutil.copy(os.path.join(HTDOCS, name), at)
            with open(os.path.join(at, 'package.json'), 'w') as f:
                json.dump({'type': of}, f)
        for transport in ('sse', 'longpoll', 'poll', 'all') + (('ws',) if has('WebSocket') else ()):
            follows(t, site, os.path.join(folder, 'commonjs'), 'required', transport,
                    'required, %s: ' % transport)
        for of, transport in (('commonjs', 'sse'), ('module', 'longpoll')):
            follows(t, site, os.path.join(folder, of), 'imported', transport,
                    'imported in a folder of %s: ' % of)
        for transport in ('iframe',) + (() if has('WebSocket') else ('ws',)):
            one = Follower(os.path.join(folder, 'commonjs'), 'required', site.url + '/push', transport)
            one.child.wait(30 * PATIENCE)
            one.thread.join(20)
            t.ok([said for said, in one.of('refused')
                  if said.startswith('TypeError: ') and '"%s"' % transport in said],
                 '%s alone is a TypeError' % transport, one.told)
            one.end()


run(main)
