#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-works-in-workers-and-modules.t - issue 4: tidings.js as a module of the
# page, in a worker, in a module worker and in a shared worker: each gets every
# message once and in order by every transport that there is, and publishes.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


# The same in all of them: follows as it is told, and says what comes.
FOLLOW = """
function follow(Tidings, name, options, say) {
	const feed = new Tidings('/push', options);
	feed.on('message', m =>
		say(name, 'got', [m.id, m.channel, m.event, m.data, m.time]));
	for (const type of ['open', 'status', 'reset', 'close'])
		feed.on(type, detail => say(name, 'told',
			{ type, detail: Object.assign({}, detail), at: Date.now() }));
	feed.publish('feed', 'from ' + name).then(
		id => say(name, 'published', id), e => say(name, 'failed', String(e)));
}
"""
WORKER = """importScripts('tidings.js');
""" + FOLLOW + """
onmessage = e => follow(Tidings, e.data.name, e.data.options,
	(...said) => postMessage(said));
"""
MODULE = """import { Tidings } from './tidings.mjs';
""" + FOLLOW + """
onmessage = e => follow(Tidings, e.data.name, e.data.options,
	(...said) => postMessage(said));
"""
SHARED = """importScripts('tidings.js');
""" + FOLLOW + """
onconnect = c => c.ports[0].onmessage = e => follow(Tidings, e.data.name,
	e.data.options, (...said) => c.ports[0].postMessage(said));
"""
PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<title>workers</title>
<script>
""" + FOLLOW + """
var got = {}, told = {}, published = {}, failed = {}, thrown = [];
function say(name, what, detail) {
	if (what === 'got' || what === 'told')
		window[what][name].push(detail);
	else
		window[what][name] = detail;
}
function watch(name, options) {
	const kind = name.split(' ')[0];
	got[name] = [];
	told[name] = [];
	if (kind === 'module')
		return follow(ModuleTidings, name, options, say);
	const worker = kind === 'shared' ? new SharedWorker('shared.js') :
		kind === 'worker' ? new Worker('worker.js') :
			new Worker('module.js', { type: 'module' });
	const port = worker.port || worker;
	worker.onerror = e => thrown.push(String(e.message));
	port.onmessage = e => say(...e.data);
	port.postMessage({ name, options });
}
</script>
<script type="module">
import Default, { Tidings, EventSource } from './tidings.mjs';
if (Default !== Tidings || !EventSource)
	throw new Error('not what the module says');
window.ModuleTidings = Tidings;
</script>
"""
NAMES = ('module ws', 'worker ws', 'worker sse', 'worker longpoll',
         'worker poll', 'moduleworker sse', 'shared ws')


def test(t, stage):
    for name, text in (('workers.html', PAGE), ('worker.js', WORKER),
                       ('module.js', MODULE), ('shared.js', SHARED)):
        stage.add_page(name, text)
    for client in stage.clients:
        client.open('/workers.html')
        t.soon(lambda: client.js('return !!window.ModuleTidings'),
               client.name + ': the module is loaded')
    for name in NAMES:
        stage.watch(name, transports=[name.split(' ')[1]])
    stage.watch('worker ladder')
    # Two workers and the page, that share.
    for name in ('module shared', 'worker shared', 'shared shared'):
        stage.watch(name, share=True)
    stage.publish()
    stage.flows(t, 'at first')
    for client in stage.clients:
        client.proxy.cut()
    stage.flows(t, 'after a cut')
    for client, name in stage.watched():
        t.soon(lambda: client.js('return published[arguments[0]]', name),
               '%s, %s: published' % (client.name, name), 10,
               lambda: client.js('return failed[arguments[0]]', name))
    stage.complete(t)
    data = [m[3] for m in stage.messages()]
    for client, name in stage.watched():
        t.equal(data.count('from ' + name), len(stage.clients),
                'once by each browser: from ' + name)


stage_test(test)
