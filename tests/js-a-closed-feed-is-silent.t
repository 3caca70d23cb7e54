#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-a-closed-feed-is-silent.t - issue 4: close() ends it, wherever it is called:
# in a listener of any state, over each transport, in the midst of messages, in
# the onerror of an EventSource. No message is told any more and nothing asked
# for. The same for channels that a listener unsubscribes from.

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import OPTIONS, stage_test, until  # noqa: E402


TRANSPORTS = ('ws', 'sse', 'longpoll', 'iframe', 'poll')
CLOSE_IN = """
const [name, options, state] = arguments;
watch(name, options);
feeds[name].on('status', status => {
	if (status.state === state)
		feeds[name].close();
});
"""
SOURCE = """
window.errors = [];
window.source = new tidings.EventSource('/push/sse?channel=feed');
source.onerror = () => {
	errors.push(source.readyState);
	source.close();
};
"""


def close_in(stage, state, **options):
    client = stage.clients[0]
    client.open()
    for name in TRANSPORTS:
        client.js(CLOSE_IN, name, dict(OPTIONS, transports=[name], **options),
                  state)
        client.watched.append(name)


def closed(t, stage, state):
    client = stage.clients[0]
    t.soon(lambda: all(client.status(name)['state'] == 'closed'
                       for name in TRANSPORTS),
           state + ': closed in its listener', 20,
           *[lambda n=n: client.story(n) for n in TRANSPORTS])


def silent(t, stage, what):
    """Nothing is open or asked for, over some of the back-offs of before."""
    client = stage.clients[0]
    t.soon(lambda: client.proxy.open('/push/') == 0, what + ': nothing is open',
           5, lambda: [link.path for link in client.proxy.links])
    ended = time.monotonic()
    until(lambda: client.proxy.requests('/push/', ended), 1.2)
    t.equal([entry[2] for entry in client.proxy.seen if entry[0] > ended], [],
            what + ': nothing is asked for')
    t.equal(client.thrown(), [], what + ': nothing is thrown')


def in_each_state(t, stage):
    client = stage.clients[0]
    began = time.monotonic()
    close_in(stage, 'connecting', share=True)
    closed(t, stage, 'connecting')
    silent(t, stage, 'connecting')
    t.equal(client.proxy.requests('/push/', began), 0,
            'connecting: nor ever was')
    close_in(stage, 'open')
    closed(t, stage, 'open')
    silent(t, stage, 'open')
    client.proxy.answer(503)
    close_in(stage, 'waiting')
    closed(t, stage, 'waiting')
    silent(t, stage, 'waiting')
    client.proxy.heal()
    silent(t, stage, 'waiting, and the server is well again')


def in_onerror(t, stage):
    client = stage.clients[0]
    client.open()
    client.js(SOURCE)
    t.soon(lambda: client.js('return source.readyState') == 1,
           'EventSource: open')
    client.proxy.cut()
    t.soon(lambda: client.js('return source.readyState') == 2,
           'EventSource: closed in onerror')
    silent(t, stage, 'EventSource')
    t.equal(client.js('return errors'), [0], 'EventSource: one error')


def among_messages(t, stage):
    """They come by the line, and by the request of a late subscribe."""
    client = stage.clients[0]
    client.open()
    for n in range(20):
        stage.site.publish_sql('late', 'late %d' % n, 'slide')
        stage.site.publish_sql('later', 'later %d' % n)
    for name in TRANSPORTS:
        client.watch(name, "feeds[arguments[0]].on('message', () => "
                     "feeds[arguments[0]].close()).on('slide', () => "
                     "thrown.push('slide'))",
                     transports=[name], channels=['late'])
    client.watch('late', "feeds.late.on('open', () => feeds.late.subscribe("
                 "'late', 'earliest')).on('message', () => feeds.late.close())",
                 transports=['sse'])
    client.watch('some', "feeds.some.on('open', () => feeds.some.subscribe("
                 "['late', 'later'], 'earliest')).on('slide', m => "
                 "feeds.some.unsubscribe(m.channel))", transports=['sse'])
    for name in TRANSPORTS + ('late',):
        t.soon(lambda: client.status(name)['state'] == 'closed',
               name + ': closed in its first message')
    t.soon(lambda: client.last('some') == 40, 'the other channel comes')
    for name in TRANSPORTS + ('late',):
        t.equal([m[3] for m in client.got(name)], ['late 0'],
                name + ': no further message')
    t.equal([m[3] for m in client.got('some')],
            ['late 0'] + ['later %d' % n for n in range(20)],
            'nor of a channel that it unsubscribed from')
    client.forget('some')
    silent(t, stage, 'messages')


def test(t, stage):
    in_each_state(t, stage)
    in_onerror(t, stage)
    among_messages(t, stage)


stage_test(test, only='chromium')
