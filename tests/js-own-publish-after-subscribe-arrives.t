#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-own-publish-after-subscribe-arrives.t - issue 4: who subscribes to a channel
# and publishes to it, at once or a moment later, hears the own message once,
# over each transport and in a tab that another has the connection of.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')
DELAYS = (None, 0, 30, 60, 120)     # ms; None: in the same go
WAY_S = 0.05                        # to the server
SAY = """
const [name, delays] = arguments;
window.ids = window.ids || {};
ids[name] = {};
delays.forEach((delay, i) => {
	const channel = name + ' ' + i;
	const publish = () => feeds[name].publish(channel, 'hello')
		.then(id => ids[name][channel] = id);
	feeds[name].subscribe(channel);
	if (delay === null)
		publish();
	else
		setTimeout(publish, delay);
});
"""


def test(t, stage):
    for client in stage.clients:
        for n in range(2):
            client.tab('shared %d' % n)
        for name in TRANSPORTS:
            client.watch(name, transports=[name])
            client.places[name] = client.browser.tab()
    stage.soon(t, lambda client: all(client.live_by(name)
                                     for name in client.watched), 'open')
    for client in stage.clients:
        client.proxy.slow(WAY_S, '/push/poll', '/push/publish')
    for client, name in stage.watched():
        client.at(name, SAY, list(DELAYS))
    for client, name in stage.watched():
        label = '%s, %s: ' % (client.name, name)
        t.soon(lambda: len(client.at(name, 'return Object.keys('
                                     'ids[arguments[0]])')) == len(DELAYS),
               label + 'all is published')
        ids = client.at(name, 'return ids[arguments[0]]')

        def got():
            return sorted([m[1], m[0], m[3]] for m in client.got(name))
        t.soon(lambda: len(got()) >= len(ids), label + 'all comes', 5)
        t.equal(got(), sorted([channel, id, 'hello']
                              for channel, id in ids.items()),
                label + 'each own message once')
    again(t, stage)
    for client in stage.clients:
        t.equal(client.thrown(), [], client.name + ': nothing is thrown')


def again(t, stage):
    """What another one publishes from then on comes as well, once."""
    for client, name in stage.watched():
        for i in range(len(DELAYS)):
            stage.site.publish_sql('%s %d' % (name, i), 'more')
    for client, name in stage.watched():
        def more():
            return sorted(m[1] for m in client.got(name) if m[3] == 'more')
        want = ['%s %d' % (name, i) for i in range(len(DELAYS))]
        label = '%s, %s: ' % (client.name, name)
        t.soon(lambda: len(more()) >= len(want), label + 'more comes', 10)
        t.equal(more(), want, label + 'each once')


stage_test(test, only='chromium')
