#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-works-in-a-service-worker.t - issue 12: in a service worker there is no
# XMLHttpRequest: polls went silent and publishing failed. The library in a real
# one, by importScripts() and as a module: each transport that there is has every
# message once and in order, also after a cut, and it publishes.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


FOLLOW = """
self.oninstall = () => self.skipWaiting();
self.onactivate = e => e.waitUntil(self.clients.claim());
// What the page asks for passes through it, as in sites that work offline.
self.onfetch = e => /feed.html/.test(e.request.url) && e.respondWith(fetch(e.request));
const feeds = [];
self.onmessage = e => {
	const { name, options } = e.data;
	const say = (...said) => e.source.postMessage([name, ...said]);

	self.onerror = error => say('thrown', String(error));
	self.onunhandledrejection = error => say('thrown', String(error.reason));
	try {
		const feed = new Tidings('/push', options);
		feeds.push(feed);
		feed.on('message', m =>
			say('got', [m.id, m.channel, m.event, m.data, m.time]));
		for (const type of ['open', 'status', 'reset', 'close'])
			feed.on(type, detail => say('told',
				{ type, detail: Object.assign({}, detail), at: Date.now() }));
		feed.publish('feed', 'from ' + name).then(
			id => say('published', id), error => say('failed', String(error)));
	} catch (error) {
		say('thrown', String(error));
	}
};
"""
CLASSIC = "importScripts('tidings.js');\n" + FOLLOW
MODULE = "import { Tidings } from './tidings.mjs';\n" + FOLLOW
PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<title>service worker</title>
<script>
var got = {}, told = {}, published = {}, failed = {}, thrown = [], ready = null;
navigator.serviceWorker.onmessage = e => {
	const [name, what, detail] = e.data;

	if (what === 'got' || what === 'told')
		window[what][name].push(detail);
	else if (what === 'thrown')
		thrown.push(detail);
	else
		window[what][name] = detail;
};
function begin(script, type) {
	// Each page has a scope, and so a worker, of its own: Chromium at times
	// crashes when a page leaves a worker that was unregistered meanwhile.
	navigator.serviceWorker.register(script, { type, scope: location.pathname }).then(() =>
		navigator.serviceWorker.ready).then(
		registration => ready = registration.active,
		error => thrown.push(String(error)));
}
function watch(name, options) {
	got[name] = [];
	told[name] = [];
	ready.postMessage({ name, options });
}
</script>
"""


def follows(t, stage, client, script, type):
    label = '%s, %s: ' % (client.name, type)
    client.open('/%s.html' % type)
    client.js('begin(arguments[0], arguments[1])', script, type)
    t.soon(lambda: client.js('return ready && ready.state === "activated"'),
           label + 'the service worker is there', 20,
           lambda: client.js('return thrown'))
    mine = '%s %s ' % (client.name, type)
    for name in ('sse', 'longpoll', 'poll', 'ws'):
        client.watch(mine + name, transports=[name])
    client.watch(mine + 'ladder')
    client.watch(mine + 'shared', share=True)
    t.soon(lambda: all(client.count(name) > 5 for name in client.watched),
           label + 'messages come', 30,
           *[lambda n=n: client.story(n) for n in client.watched])
    client.proxy.cut()
    at = {name: client.last(name) for name in client.watched}
    t.soon(lambda: all(client.last(name) > at[name] + 20
                       for name in client.watched),
           label + 'after a cut as well', 30,
           *[lambda n=n: client.story(n) for n in client.watched])
    for name in client.watched:
        t.soon(lambda: client.js('return published[arguments[0]]', name),
               label + name + ': published', 10,
               lambda: client.js('return failed[arguments[0]]', name))
    t.equal(client.js('return thrown'), [], label + 'nothing is thrown')
    want = stage.messages()
    for name in client.watched:
        got = client.got(name)
        t.equal(got[:len(want)], want[:len(got)],
                label + name + ': each once and in order')
        t.equal(client.told(name, 'reset'), [], label + name + ': no reset')
    data = [m[3] for m in stage.messages()]
    t.equal([data.count('from ' + name) for name in client.watched],
            [1] * len(client.watched), label + 'each published once')


def test(t, stage):
    for name, text in (('classic.html', PAGE), ('classic.js', CLASSIC),
                       ('module.html', PAGE), ('module.js', MODULE)):
        stage.add_page(name, text)
    stage.publish()
    for client in stage.clients:
        follows(t, stage, client, 'classic.js', 'classic')
        # Firefox has no service workers that are modules before 147.
        if client.name == 'chromium':
            follows(t, stage, client, 'module.js', 'module')


stage_test(test)
