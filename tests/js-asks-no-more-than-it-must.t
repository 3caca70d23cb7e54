#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-asks-no-more-than-it-must.t - issue 4: requests are counted where something
# on the way is odd: it begs for weeks of peace, a cache gives the same answer
# again and again, a stream ends as soon as it began, what came before can't be
# fetched, a WebSocket was cut once, a tab is shown.

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test, until  # noqa: E402


CACHE = ('{"cursor":"%s-1","reset":false,"messages":[{"id":"%s-1","channel":'
         '"feed","event":null,"data":"x","time":1}]}')
PINGS = """
window.pings = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (text) {
	pings += JSON.parse(text).op === 'ping';
	return send.call(this, text);
};
"""
SHOWN = 'document.dispatchEvent(new Event("visibilitychange"))'


def counted(client, path, seconds):
    """How many requests there are of it within that time."""
    began = time.monotonic()
    until(lambda: time.monotonic() > began + seconds)
    return client.proxy.requests(path, began)


def fresh(client):
    client.forget()
    client.proxy.heal()
    client.open()
    # The longest back-off each time.
    client.js('Math.random = () => 0.99')


def begged_for_peace(t, client):
    for name, fault in (
            ('seconds', lambda: client.proxy.answer(
                503, '/push/poll', retry_after='3000000')),
            ('a date', lambda: client.proxy.answer(
                503, '/push/poll',
                retry_after='Fri, 31 Dec 2060 23:59:59 GMT')),
            ('without end', lambda: client.proxy.answer(
                503, '/push/poll', retry_after='1e999'))):
        fresh(client)
        fault()
        began = time.monotonic()
        client.watch('feed', transports=['poll'])
        counted(client, '/push/poll', 0.8)
        t.equal(client.proxy.requests('/push/poll', began), 1,
                'Retry-After, %s: asked once' % name)
        t.equal(client.status('feed')['state'], 'waiting', 'and it waits')
    fresh(client)
    # More than 31 bits of milliseconds.
    client.proxy.say('retry: 3000000000\n\nid: %s\n\n' % CURSOR,
                     'text/event-stream', '/push/sse')
    began = time.monotonic()
    # The option of that name, which the tests have, would be stronger.
    client.js('watch("feed", arguments[0])', {
        'channels': ['feed'], 'share': False, 'transports': ['sse']})
    client.watched.append('feed')
    counted(client, '/push/sse', 0.8)
    t.equal(client.proxy.requests('/push/sse', began), 1, 'retry: asked once')
    t.equal(client.status('feed')['state'], 'waiting', 'and it waits')


def cached(t, client):
    fresh(client)
    client.proxy.say(CACHE % (EPOCH, EPOCH), 'application/json',
                     '/push/longpoll')
    client.watch('feed', transports=['longpoll'])
    t.soon(lambda: client.count('feed'), 'a cached answer: its message')
    n = counted(client, '/push/longpoll', 2)
    t.ok(n <= 4, 'a cached answer is not asked for in a loop', n)
    t.equal(client.count('feed'), 1, 'and told once')


def ended(t, client):
    """The orderly end of a stream that has just begun."""
    fresh(client)
    client.proxy.say('id: %s\n\n' % CURSOR, 'text/event-stream', '/push/sse')
    began = time.monotonic()
    client.watch('feed', transports=['sse', 'longpoll'], upgrade=60000)
    t.soon(lambda: client.live_by('feed') == 'longpoll',
           'a stream that always ends: the next rung', 6,
           lambda: client.story('feed'))
    n = client.proxy.requests('/push/sse', began)
    t.ok(2 <= n <= 4, 'a stream that always ends: tried a few times', n)


def not_caught_up(t, client):
    """/push/poll fails while the line is well."""
    for name, fault, most in (
            ('503', lambda: client.proxy.answer(503, '/push/poll'), 4),
            ('a portal', lambda: client.proxy.say(
                '<html>Log in', 'text/html', '/push/poll'), 4),
            ('Retry-After', lambda: client.proxy.answer(
                503, '/push/poll', retry_after=30), 1)):
        fresh(client)
        fault()
        client.watch('feed', transports=['sse'], maxRetry=30000, since='latest')
        t.soon(lambda: client.live_by('feed'), name + ': open')
        client.js('feeds.feed.subscribe("late", "earliest")')
        n = counted(client, '/push/poll', 1.5)
        t.ok(1 <= n <= most, name + ': the request for what came before backs'
             ' off', n)
        client.forget()
        t.equal(counted(client, '/push/poll', 0.6), 0,
                name + ': none after close()')


def cut_once(t, client):
    fresh(client)
    client.js(PINGS)
    client.watch('feed', transports=['ws'], silence=40000, since='latest')
    t.soon(lambda: client.live_by('feed'), 'WebSocket: open')
    counted(client, '/push/', 1.4)
    client.proxy.cut()
    t.soon(lambda: len(client.told('feed', 'open')) > 1, 'WebSocket: anew')
    before = client.js('return pings')
    counted(client, '/push/', 3)
    t.equal(client.js('return pings') - before, 0,
            'WebSocket: one cut does not make it ping all the time')


def shown(t, client):
    """Two polls, of which one is answered at once."""
    fresh(client)
    for name in 'poll', 'longpoll':
        client.watch(name, transports=[name], silence=4000, wait=1000)
        t.soon(lambda: client.live_by(name), name + ': open')
    counted(client, '/push/', 2.5)
    for n in range(3):
        client.js(SHOWN)
        counted(client, '/push/', 0.3)
    for name in 'poll', 'longpoll':
        t.equal([one['detail']['state'] for one in client.told(name, 'status')],
                ['open'], name + ': goes on as the tab is shown')


def test(t, stage):
    global EPOCH, CURSOR
    stage.site.publish_sql('feed', 'first')
    EPOCH = stage.site.tidings('epoch').split('-')[0]
    CURSOR = EPOCH + '-1'
    client = stage.clients[0]
    shown(t, client)
    begged_for_peace(t, client)
    cached(t, client)
    ended(t, client)
    not_caught_up(t, client)
    cut_once(t, client)
    t.equal(client.thrown(), [], 'nothing is thrown')


stage_test(test, only='chromium')
