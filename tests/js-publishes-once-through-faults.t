#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-publishes-once-through-faults.t - issue 4: publish() over each transport,
# one message after the other, while connections break off, answers are lost
# after the commit and the server says 503: each promise comes true with the id,
# and each message is stored once and in order. A refusal rejects it and says
# why.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')
# Publishes until it is told to stop, each when the one before is committed.
BEGIN = """
window.said = window.said || {};
const begin = async (name, channel, mine) => {
	for (let n = 0; !mine.stop; n++)
		try {
			mine.ids.push([n, await feeds[name].publish(channel, { n: n },
				{ event: 'said' })]);
		} catch (error) {
			mine.failed.push(n + ': ' + error.message);
		}
	mine.ended = true;
};
begin(arguments[0], arguments[1], said[arguments[0]] = { ids: [], failed: [] });
"""


def more(t, stage, when):
    for client, name in stage.watched():
        n = client.js('return said[arguments[0]].ids.length', name)
        t.soon(lambda: client.js('return said[arguments[0]].ids.length',
                                 name) > n + 2,
               '%s, %s: publishes %s' % (client.name, name, when), 20,
               lambda: client.js('return said[arguments[0]].failed', name))


def test(t, stage):
    for name in TRANSPORTS:
        stage.watch(name, transports=[name])
    stage.watch('ladder')
    stage.soon(t, lambda client: all(
        client.live_by(name) for name in client.watched), 'open')
    for client, name in stage.watched():
        client.js(BEGIN, name, client.name + ' ' + name)
    more(t, stage, 'at first')
    for fault in ('cut', 'mute', 'answer', 'cut'):
        for client in stage.clients:
            if fault == 'mute':
                client.proxy.mute('/push/publish')
            elif fault == 'answer':
                client.proxy.answer(503)
            client.proxy.cut()
        if fault != 'cut':
            at = {client: client.proxy.requests('/push/publish')
                  for client in stage.clients}
            stage.soon(t, lambda client: client.proxy.requests(
                '/push/publish') > at[client] + 5, fault + ': they try again')
        for client in stage.clients:
            client.proxy.heal()
        more(t, stage, 'after ' + fault)
    for client, name in stage.watched():
        client.js('said[arguments[0]].stop = true', name)
    epoch = stage.site.tidings('epoch').split('-')[0]
    for client, name in stage.watched():
        label = '%s, %s: ' % (client.name, name)
        t.soon(lambda: client.js('return said[arguments[0]].ended', name),
               label + 'done')
        said = client.js('return said[arguments[0]]', name)
        stored = stage.site.sql(
            'SELECT id, data, event, content_type FROM changes '
            'WHERE channel = ? ORDER BY id', client.name + ' ' + name)
        t.equal(said['failed'], [], label + 'none failed')
        t.equal([list(row) for row in stored],
                [[int(id.rpartition('-')[2]), '{"n":%d}' % n, 'said',
                  'application/json'] for n, id in said['ids']],
                label + 'each is stored once, in order, under the id told')
        t.ok(all(id.startswith(epoch) for _, id in said['ids']),
             label + 'ids are cursors')
    refused(t, stage)


def refused(t, stage):
    for client, name in stage.watched():
        why = client.browser.js_async(
            'const done = arguments[arguments.length - 1];'
            'feeds[arguments[0]].publish("", "x").then(done,'
            'error => done(error.message))', name)
        t.ok('channel' in str(why), '%s, %s: refused, and told why' % (
            client.name, name), why)


stage_test(test)
